import { createHash, randomUUID } from 'node:crypto'
import { inOrder } from './claims.ts'
import type { Claims } from './claims.ts'
import type { Client, Directory, Subject } from '../realm/directory.ts'
import { mapClaims } from './mappers.ts'
import type { MapperInput, Target } from './mappers.ts'
import type { RealmKeys } from './realm-keys.ts'
import type { GrantedScopes } from './scopes.ts'

/** What a token is made from. `sessionId` is there when a refresh token goes with it. */
export interface Grant {
  readonly kind: 'client_credentials' | 'password'
  readonly client: Client
  readonly subject: Subject
  readonly scopes: GrantedScopes
  readonly sessionId: string | undefined
  /** Of the key of the DPoP proof that was sent with the token request; undefined: none was sent. */
  readonly jkt?: string | undefined
  readonly notes: ReadonlyMap<string, string>
}

/** The realm as the server has it: who issues, what is known of clients and users, with which keys, by which clock (ms). */
export interface Authority {
  readonly issuer: string
  readonly directory: Directory
  readonly keys: RealmKeys
  readonly clock: () => number
  /** Is called with a sentence for a person where a response may not say more than Keycloak's. */
  readonly explain: (sentence: string) => void
}

/** An authority at one moment: all tokens of a response are of the same second. */
interface Mint extends Authority {
  readonly nowMs: number
}

const DEFAULT_LIFESPAN_SECONDS = 300
const DEFAULT_SESSION_SECONDS = 1800

function lifespanSeconds (client: Client, { realm }: Directory): number {
  const own = Number(client.attributes['access.token.lifespan'])
  return Number.isSafeInteger(own) && own > 0 ? own : realm.accessTokenLifespan ?? DEFAULT_LIFESPAN_SECONDS
}

/** Session (on, tr) + token (rt, lt) + grant (cc, ro), as Keycloak spells it since version 26.2. */
function tokenId ({ kind, sessionId }: Grant, lightweight: boolean): string {
  const session = sessionId === undefined ? 'tr' : 'on'
  return `${session}${lightweight ? 'lt' : 'rt'}${kind === 'password' ? 'ro' : 'cc'}:${randomUUID()}`
}

const oneOrMany = (audience: readonly unknown[]): unknown => audience.length > 1 ? audience : audience[0]

function tokenType ({ client: { attributes }, jkt }: Grant): string {
  if (jkt !== undefined) return 'DPoP'
  return attributes['token.response.type.bearer.lower-case'] === 'true' ? 'bearer' : 'Bearer'
}

/** The claims that are about time and issuer; no mapper can change them. */
function frame (mint: Mint, validSeconds: number, jti: string): Claims {
  const iat = Math.floor(mint.nowMs / 1000)
  return { exp: iat + validSeconds, iat, jti, iss: mint.issuer }
}

function mapperInput (grant: Grant, directory: Directory): MapperInput {
  const { client, subject, notes, scopes } = grant
  return { client, subject, notes, roles: directory.rolesFor(client, scopes.granted, subject) }
}

const mapped = (grant: Grant, target: Target, mint: Mint) =>
  mapClaims([...grant.client.protocolMappers ?? [], ...grant.scopes.granted.flatMap(({ protocolMappers = [] }) => protocolMappers)],
    target, mapperInput(grant, mint.directory))

function accessClaims (grant: Grant, mint: Mint, lightweight: boolean): Claims {
  const { client, subject, scopes, sessionId } = grant
  const { claims, audience } = mapped(grant, lightweight ? 'lightweight.claim' : 'access.token.claim', mint)
  return inOrder({
    // A person's subject comes from a mapper; a service account has it always.
    ...grant.kind === 'client_credentials' && { sub: subject.id },
    azp: client.clientId,
    ...claims,
    ...frame(mint, lifespanSeconds(client, mint.directory), tokenId(grant, lightweight)),
    aud: oneOrMany([...new Set([...[claims['aud'] ?? []].flat(), ...audience])]),
    typ: tokenType(grant),
    ...grant.jkt !== undefined && { cnf: { jkt: grant.jkt, 'kc-jkt-type': 'DPoP' } },
    ...sessionId !== undefined && { sid: sessionId },
    scope: scopes.text
  })
}

/** OpenID Connect Core, section 3.1.3.6: the left half of the hash of the access token. */
const hashOf = (accessToken: string): string => createHash('sha256').update(accessToken).digest().subarray(0, 16).toString('base64url')

function idClaims (grant: Grant, mint: Mint, accessToken: string): Claims {
  const { client, subject, sessionId } = grant
  const { claims, audience } = mapped(grant, 'id.token.claim', mint)
  return inOrder({
    sub: subject.id,
    azp: client.clientId,
    ...claims,
    ...frame(mint, lifespanSeconds(client, mint.directory), randomUUID()),
    aud: oneOrMany([...new Set([client.clientId, ...audience])]),
    typ: 'ID',
    ...sessionId !== undefined && { sid: sessionId },
    at_hash: hashOf(accessToken)
  })
}

function refreshClaims (grant: Grant, mint: Mint, validSeconds: number, access: Claims): Claims {
  const scope = [...grant.scopes.openid ? ['openid'] : [], ...grant.scopes.granted.map(({ name }) => name)].join(' ')
  return inOrder({
    ...frame(mint, validSeconds, randomUUID()),
    aud: mint.issuer, sub: grant.subject.id, typ: 'Refresh', azp: grant.client.clientId, sid: grant.sessionId, scope,
    aud_x: access['aud'], prov: 'default'
  })
}

/** The body of a token response (RFC 6749 section 5.1), its members in Keycloak's order. */
export function tokenResponse (grant: Grant, authority: Authority): Readonly<Record<string, unknown>> {
  const { client, scopes, sessionId } = grant
  const mint = { ...authority, nowMs: authority.clock() }
  const { realm } = mint.directory
  const lightweight = client.attributes['client.use.lightweight.access.token.enabled'] === 'true'
  const access = accessClaims(grant, mint, lightweight)
  const accessToken = mint.keys.sign(client.attributes['access.token.header.type.rfc9068'] === 'true' ? 'at+jwt' : 'JWT', access)
  const refreshSeconds = sessionId === undefined ? 0 : realm.ssoSessionIdleTimeout ?? DEFAULT_SESSION_SECONDS
  return {
    access_token: accessToken,
    expires_in: lifespanSeconds(client, mint.directory),
    refresh_expires_in: refreshSeconds,
    ...sessionId !== undefined && { refresh_token: mint.keys.signRefresh(refreshClaims(grant, mint, refreshSeconds, access)) },
    token_type: tokenType(grant),
    ...scopes.openid && { id_token: mint.keys.sign('JWT', idClaims(grant, mint, accessToken)) },
    'not-before-policy': realm.notBefore ?? 0,
    ...sessionId !== undefined && { session_state: sessionId },
    scope: scopes.text
  }
}
