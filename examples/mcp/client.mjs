// A client of an MCP server (Streamable HTTP) that authenticates as a machine: node examples/mcp/client.mjs <address>
// MCP_CONFORMANCE_CONTEXT: {"client_id":…, "client_secret":…} or {"client_id":…, "private_key_pem":…}
import { createClient } from 'scopegate/client'
import { startBridge } from './authorization-code.mjs'

const server = process.argv[2]
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}')

/** RFC 9728: the server names its issuer, and in the challenge the scope of the first token. */
async function discover () {
  const { origin, pathname } = new URL(server)
  const probe = await post(fetch, { jsonrpc: '2.0', id: 0, method: 'tools/list' })
  const challenge = probe.headers.get('www-authenticate') ?? ''
  const parameter = (name) => new RegExp(`\\b${name}="([^"]*)"`).exec(challenge)?.[1]
  const metadata = await fetch(parameter('resource_metadata') ?? `${origin}/.well-known/oauth-protected-resource${pathname}`)
  const { authorization_servers: [issuer] } = await metadata.json()
  return { issuer: issuer.replace(/\/$/, ''), scope: parameter('scope')?.split(' ') ?? [] }
}

function post (call, message) {
  return call(server, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2025-11-25' },
    body: JSON.stringify(message)
  })
}

const { issuer, scope } = await discover()
const bridge = context.client_id === undefined ? await startBridge(issuer) : undefined
const credentials = context.private_key_pem === undefined
  ? { clientSecret: context.client_secret ?? 'bridge' }
  : { clientKey: context.private_key_pem }
const client = createClient({
  ...bridge === undefined ? { issuer } : { tokenEndpoint: bridge.tokenEndpoint },
  ...credentials, clientId: context.client_id ?? 'bridge', scope, apiUrl: server, stepUp: true
})
try {
  const clientInfo = { name: 'scopegate-example', version: '1' }
  await post(client.fetch, {
    jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
  })
  await post(client.fetch, { jsonrpc: '2.0', method: 'notifications/initialized' })
  await post(client.fetch, { jsonrpc: '2.0', id: 2, method: 'tools/list' })
  const response = await post(client.fetch, { jsonrpc: '2.0', id: 3, method: 'tools/call', params: { name: 'test-tool', arguments: {} } })
  console.log(response.status, await response.text())
} finally {
  await client.close()
  bridge?.close()
}
