import { existsSync, readFileSync } from 'node:fs'
import type { Realm } from './issuer/development-issuer.ts'

/** The two commands that a newcomer pastes: a token, and a call with it. The secret is that of the realm file. */
export function commandsFor (realm: Realm, tokenEndpoint: string, api: string): string {
  const { clientId, secret = '' } = realm.clients?.find(({ clientId: id }) => id === 'test_api_client') ?? { clientId: 'test_api_client' }
  const form = { grant_type: 'client_credentials', client_id: clientId, client_secret: secret, scope: 'test_api_access' }
  const data = Object.entries(form).map(([name, value]) => `-d ${name}=${value}`).join(' ')
  return `  TOKEN=$(curl -s ${tokenEndpoint} ${data} | node -pe "JSON.parse(fs.readFileSync(0)).access_token")
  curl -i ${api}/api/private-scoped -H "Authorization: Bearer $TOKEN"`
}

/** The realm file in keycloak/: the one source of clients and scopes, for Keycloak and for the development issuer. */
export function readRealmFile (): unknown {
  const places = ['../keycloak/', '../../keycloak/'].map((folder) => new URL(`${folder}myorg-realm.json`, import.meta.url))
  const place = places.find((url) => existsSync(url))
  if (place === undefined) throw new Error('keycloak/myorg-realm.json is missing; set ISSUER and AUDIENCE to use an issuer of your own')
  return JSON.parse(readFileSync(place, 'utf8'))
}
