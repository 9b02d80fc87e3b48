import { readFileSync } from 'node:fs'
import { createServer, get } from 'node:http'

const DIST = new URL('../../dist/src/', import.meta.url)
const REALM_FILE = new URL('../../keycloak/myorg-realm.json', import.meta.url)

/**
 * The development issuer on a free loopback port, outside of the container, and a second door to its keys, as a Keycloak
 * has for its neighbours inside: `keysAt(host)` is an address that is not the issuer's, and `keysAsked` counts who came in by it.
 */
export async function startIssuer () {
  const { startDevelopmentIssuer, parseRealm } = await import(new URL('issuer/development-issuer.js', DIST))
  const issuer = await startDevelopmentIssuer({ realm: parseRealm(JSON.parse(readFileSync(REALM_FILE, 'utf8'))) })
  let keysAsked = 0
  const door = createServer((request, response) => {
    keysAsked++
    get(new URL(request.url, issuer.jwksUrl), (served) => served.pipe(response.writeHead(served.statusCode, served.headers)))
  })
  await new Promise((resolve) => door.listen(0, '127.0.0.1', resolve))
  return {
    issuer: issuer.issuer,
    keysAt: (host) => `http://${host}:${door.address().port}${new URL(issuer.jwksUrl).pathname}`,
    keysAsked: () => keysAsked,
    token: (scope) => askForToken(issuer.tokenEndpoint, scope),
    async stop () {
      door.closeAllConnections()
      await Promise.all([issuer.close(), new Promise((resolve) => door.close(resolve))])
    }
  }
}

async function askForToken (tokenEndpoint, scope) {
  const client = { client_id: 'test_api_client', client_secret: secretOf('test_api_client') }
  const response = await fetch(tokenEndpoint, {
    method: 'POST', body: new URLSearchParams({ grant_type: 'client_credentials', ...client, scope })
  })
  return (await response.json()).access_token
}

function secretOf (clientId) {
  return realm().clients.find((client) => client.clientId === clientId).secret
}

/** Every secret and password of the realm file: none of them may be in the image. */
export function demoSecrets () {
  const { clients, users } = realm()
  const passwords = users.flatMap(({ credentials = [] }) => credentials.map(({ value }) => value))
  return [...clients.map(({ secret }) => secret), ...passwords].filter((secret) => typeof secret === 'string')
}

function realm () {
  return JSON.parse(readFileSync(REALM_FILE, 'utf8'))
}
