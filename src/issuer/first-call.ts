import type { Realm } from './realm/realm.ts'

const CLIENT_ID = 'test_api_client'

/** The client of the first call, for pages and programs of development. */
export function firstClient (realm: Realm): { readonly clientId: string, readonly clientSecret: string } {
  const { secret = '' } = realm.clients?.find(({ clientId }) => clientId === CLIENT_ID) ?? {}
  return { clientId: CLIENT_ID, clientSecret: secret }
}

const RESOURCE = '/api/private-scoped'

/** The two commands that a newcomer pastes: get a token, call the API with it. The secret is that of the realm file. */
export function firstCall (realm: Realm, issuer: string, api: string): string {
  const { clientId, clientSecret } = firstClient(realm)
  const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret, scope: 'test_api_access' }
  const data = Object.entries(form).map(([name, value]) => `-d ${name}=${value}`).join(' ')
  return `  TOKEN=$(curl -s ${issuer}/protocol/openid-connect/token ${data} | node -pe "JSON.parse(fs.readFileSync(0)).access_token")
  curl -i ${api}${RESOURCE} -H "Authorization: Bearer $TOKEN"`
}

/**
 * The command for an API that accepts only tokens bound to a key (DPOP=required): curl cannot sign a proof for each request. `api`: the
 * address that proofs must name, PUBLIC_URL.
 */
export function firstDpopCall (issuer: string, api: string): string {
  return `  TOKEN_ENDPOINT=${issuer}/protocol/openid-connect/token API_URL=${api}${RESOURCE} CLIENT_DPOP=on npm run client`
}
