import { existsSync, readFileSync } from 'node:fs'

/** The realm file in keycloak/: the one source of clients and scopes, for Keycloak and for the development issuer. */
export function readRealmFile (): unknown {
  const places = ['../keycloak/', '../../keycloak/'].map((folder) => new URL(`${folder}myorg-realm.json`, import.meta.url))
  const place = places.find((url) => existsSync(url))
  if (place === undefined) throw new Error('keycloak/myorg-realm.json is missing; set ISSUER and AUDIENCE to use an issuer of your own')
  return JSON.parse(readFileSync(place, 'utf8'))
}
