import { Directory } from './realm/directory.ts'
import { listenOn } from './http/loopback.ts'
import { parseRealm } from './realm/realm.ts'
import type { Realm } from './realm/realm.ts'
import { RealmKeys } from './tokens/realm-keys.ts'
import { routes } from './http/routes.ts'

export { firstCall, firstClient, firstDpopCall } from './first-call.ts'
export { parseRealm } from './realm/realm.ts'
export type { Realm } from './realm/realm.ts'
export { projectRealmFile, readProjectRealm, readRealmFile, RealmFileError } from './realm/realm-file.ts'
export { missingScopes } from './realm/scope-names.ts'

/** Where it listens: `localhost` is 127.0.0.1 and, where the machine has it, ::1. */
export type LoopbackHost = 'localhost' | '127.0.0.1' | '::1'

export interface DevelopmentIssuerOptions {
  /** The object in a realm file, as Keycloak imports it. */
  readonly realm: Realm
  /** 0, the default, is any free port. */
  readonly port?: number
  readonly host?: LoopbackHost
  /** The time that goes into tokens, in ms since 1970: tests make expired tokens with it. */
  readonly accessTokenClock?: () => number
  /** A file, mode 0600, that keeps the keys from one start to the next; without one every start has new keys. */
  readonly keysFile?: string
  /** Is called with a sentence for a person when a client requests a scope that it does not have: what the realm file lacks. */
  readonly explain?: (sentence: string) => void
}

export interface DevelopmentIssuer {
  /** `http://localhost:PORT/realms/NAME`: fixed, unlike that of a Keycloak in dev mode it does not follow the Host header. */
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly jwksUrl: string
  readonly port: number
  /** A new key signs; the old ones stay listed. */
  rotateKey: () => Promise<void>
  /** Ends at once, also with idle connections that are kept alive. */
  close: () => Promise<void>
}

const ADDRESSES = new Map<string, readonly string[]>([
  ['localhost', ['127.0.0.1', '::1']], ['127.0.0.1', ['127.0.0.1']], ['::1', ['::1']]
])

/**
 * An issuer for development and tests that responds as a Keycloak 26 that has imported the same realm file: client
 * credentials, by form and by Basic; direct grants for users whose password is in the file; metadata, keys, realm
 * information. Loopback only, plain HTTP, no state but its keys, no log. Rejects with one sentence
 * for a realm that cannot be used, with the system's error (`EADDRINUSE`) for a port that cannot be had.
 *
 * Not imitated, and named in the response where it is requested (501 `not_imitated`, or 400 with a description that says
 * so): authorization, logout, userinfo, revocation, introspection, UMA, device and CIBA, registration, the account page;
 * refreshing (the refresh tokens of users and of `client_credentials.use_refresh_token` look right and cannot be used);
 * `client_assertion` (private_key_jwt), mutual TLS. Of code, device, JWT bearer and token exchange grants
 * there is only the refusal for a client that may not use them; of offline tokens only that for a user who may not.
 *
 * Not imitated silently: the Admin API (always 401) and console; algorithms other than RS256, encrypted tokens, further
 * key providers; groups, organizations, consent, required actions, brute force protection, `ssl-required`, policies;
 * mappers other than those in mappers.ts, and their priorities; dynamic scopes; hashed passwords, several credentials,
 * e-mail address as a login; `${…}` placeholders in the file; SAML. A client without a secret in the file has one that
 * nobody knows. A multipart form counts as no form. A broken percent escape and more than 1,000 parameters are 400, where
 * Keycloak says 500; a body over 128 KiB is 413, where Keycloak says it of one parameter.
 */
export async function startDevelopmentIssuer (options: DevelopmentIssuerOptions): Promise<DevelopmentIssuer> {
  const { host = 'localhost', port: wanted = 0, accessTokenClock = Date.now, explain = () => undefined } = options
  const addresses = ADDRESSES.get(host)
  if (addresses === undefined) throw new TypeError(`The development issuer listens on loopback only, not on ${host}.`)
  const directory = new Directory(parseRealm(options.realm))
  const realmName = directory.realm.realm
  const keys = await RealmKeys.generate(realmName, options.keysFile)
  const issuerAt = (port: number): string => `http://localhost:${port}/realms/${encodeURIComponent(realmName)}`
  const { port, close } = await listenOn(addresses, wanted, (bound) =>
    routes({ issuer: issuerAt(bound), directory, keys, clock: accessTokenClock, explain }))
  const issuer = issuerAt(port)
  return {
    issuer,
    tokenEndpoint: `${issuer}/protocol/openid-connect/token`,
    jwksUrl: `${issuer}/protocol/openid-connect/certs`,
    port,
    rotateKey: () => keys.rotate(),
    close
  }
}
