// The conformance scenarios auth/scope-step-up and auth/scope-retry-limit know the authorization code flow only, and their authorization
// endpoint redirects without a person. This token endpoint on loopback obtains the token there, so that the client's own rules for a
// missing scope are judged: which scopes it requests, and how often.
import { createHash, randomBytes } from 'node:crypto'
import { createServer } from 'node:http'

export async function startBridge (issuer) {
  const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()
  const redirect = 'http://127.0.0.1:1/callback'
  const registration = {
    client_name: 'scopegate-example', redirect_uris: [redirect], grant_types: ['authorization_code'], response_types: ['code'],
    token_endpoint_auth_method: 'none'
  }
  const registered = await (await fetch(metadata.registration_endpoint, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(registration)
  })).json()

  async function tokenFor (scope) {
    const verifier = randomBytes(32).toString('base64url')
    const query = new URLSearchParams({
      response_type: 'code', client_id: registered.client_id, redirect_uri: redirect, scope, state: randomBytes(8).toString('hex'),
      code_challenge: createHash('sha256').update(verifier).digest('base64url'), code_challenge_method: 'S256'
    })
    const authorized = await fetch(`${metadata.authorization_endpoint}?${query}`, { redirect: 'manual' })
    const code = new URL(authorized.headers.get('location')).searchParams.get('code')
    const form = {
      grant_type: 'authorization_code', code, redirect_uri: redirect, client_id: registered.client_id, code_verifier: verifier
    }
    return await (await fetch(metadata.token_endpoint, { method: 'POST', body: new URLSearchParams(form) })).text()
  }

  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const token = await tokenFor(new URLSearchParams(body).get('scope') ?? '')
    response.writeHead(200, { 'content-type': 'application/json' }).end(token)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { tokenEndpoint: `http://127.0.0.1:${server.address().port}/token`, close: () => { server.close() } }
}
