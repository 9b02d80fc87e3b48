import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { json, notImitated, Refusal } from '../http/responses.ts'
import type { IssuerResponse } from '../http/responses.ts'
import { refusedScope } from '../realm/scope-names.ts'
import { authenticateClient, isSame } from './client-authentication.ts'
import type { Client, Directory, Subject } from '../realm/directory.ts'
import type { DpopProofs } from './dpop-proof.ts'
import { grantScopes, InvalidScope } from './scopes.ts'
import { tokenResponse } from './tokens.ts'
import type { Authority, Grant } from './tokens.ts'

export interface TokenRequest {
  readonly headers: IncomingHttpHeaders
  readonly form: URLSearchParams
  readonly remoteAddress: string
}

/** RFC 6749 section 5.1: of success and refusal alike. */
const NOT_STORED = { 'cache-control': 'no-store', pragma: 'no-cache' }

const newSessionId = (): string => randomBytes(18).toString('base64url')

function clientCredentials (request: TokenRequest, client: Client, directory: Directory): Grant {
  if (client.publicClient === true) {
    throw new Refusal(401, 'unauthorized_client', 'Public client not allowed to retrieve service account')
  }
  if (client.serviceAccountsEnabled !== true) {
    throw new Refusal(401, 'unauthorized_client', 'Client not enabled to retrieve service account')
  }
  const scopes = grantScopes(client, request.form.get('scope'))
  const { remoteAddress } = request
  return {
    kind: 'client_credentials',
    client,
    subject: directory.serviceAccount(client),
    scopes,
    sessionId: client.attributes['client_credentials.use_refresh_token'] === 'true' ? newSessionId() : undefined,
    notes: new Map([['client_id', client.clientId], ['clientHost', remoteAddress], ['clientAddress', remoteAddress]])
  }
}

/** Not distinguished: an unknown user, a disabled one, a wrong password. */
function logIn (directory: Directory, form: URLSearchParams): Subject {
  const person = directory.person(form.get('username') ?? '')
  const password = person?.profile.credentials?.find(({ type }) => type === 'password')?.value
  const matches = isSame(form.get('password') ?? '', password ?? '')
  if (person === undefined || password === undefined || !matches) {
    throw new Refusal(400, 'invalid_grant', 'Invalid user credentials')
  }
  return person
}

function directGrant ({ form }: TokenRequest, client: Client, directory: Directory): Grant {
  if (client.directAccessGrantsEnabled !== true) {
    throw new Refusal(400, 'unauthorized_client', 'Client not allowed for direct access grants')
  }
  const scopes = grantScopes(client, form.get('scope'))
  const subject = logIn(directory, form)
  if (scopes.granted.some(({ name }) => name === 'offline_access')) {
    throw new Refusal(400, 'not_allowed', 'Offline tokens not allowed for the user or client')
  }
  return { kind: 'password', client, subject, scopes, sessionId: newSessionId(), notes: new Map() }
}

type GrantType = (request: TokenRequest, client: Client, directory: Directory) => Grant

const refused = (error: string, description: string): GrantType => () => { throw new Refusal(400, error, description) }

const PREFIX = 'urn:ietf:params:oauth:grant-type:'

/** Beyond the first two, what Keycloak sends to a client that may not use the grant. */
const GRANTS = new Map<string, GrantType>([
  ['client_credentials', clientCredentials],
  ['password', directGrant],
  ['refresh_token', ({ form }) => {
    if (!form.has('refresh_token')) throw new Refusal(400, 'invalid_request', 'No refresh token')
    throw new Refusal(400, 'invalid_grant', notImitated('grant_type refresh_token'))
  }],
  ['authorization_code', refused('invalid_grant', 'Code not valid')],
  [`${PREFIX}device_code`, refused('invalid_grant', 'Client not allowed OAuth 2.0 Device Authorization Grant')],
  [`${PREFIX}token-exchange`, refused('invalid_request', 'Standard token exchange is not enabled for the requested client')],
  [`${PREFIX}jwt-bearer`, refused('invalid_grant', 'The provided assertion is not a valid JWT')],
  [`${PREFIX}uma-ticket`, refused('invalid_grant', notImitated('grant_type uma-ticket'))],
  ['urn:openid:params:grant-type:ciba', refused('invalid_grant', notImitated('grant_type ciba'))]
])

function grantTypeOf (form: URLSearchParams): GrantType {
  const name = form.get('grant_type')
  if (name === null) throw new Refusal(400, 'invalid_request', 'Missing form parameter: grant_type')
  const grantType = GRANTS.get(name)
  if (grantType === undefined) throw new Refusal(400, 'unsupported_grant_type', 'Unsupported grant_type')
  return grantType
}

/** RFC 6749 section 3.2: a parameter is sent once. */
function checkDuplicates (form: URLSearchParams): void {
  if (new Set(form.keys()).size < form.size) throw new Refusal(400, 'invalid_request', 'duplicated parameter')
}

/** The thumbprint of the key that a proof names: it binds the token of any client. */
function checkProof ({ headers }: TokenRequest, client: Client, { issuer, clock }: Authority, proofs: DpopProofs): string | undefined {
  const proof = headers['dpop']
  if (proof) return proofs.thumbprintOf(String(proof), `${issuer}/protocol/openid-connect/token`, clock())
  if (client.attributes['dpop.bound.access.tokens'] === 'true') throw new Refusal(400, 'invalid_request', 'DPoP proof is missing')
  return undefined
}

/** Headers for a browser of an allowed origin; any other is refused although the credentials are right. */
function originHeaders (origin: string | undefined, { webOrigins }: Client): Readonly<Record<string, string>> {
  if (origin === undefined) return {}
  if (!webOrigins.includes(origin) && !webOrigins.includes('*')) throw new Refusal(403, 'Invalid origin')
  return { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' }
}

function grantTokens (request: TokenRequest, authority: Authority, proofs: DpopProofs): IssuerResponse {
  const { headers, form } = request
  const { directory } = authority
  if (directory.realm.enabled === false) throw new Refusal(403, 'access_denied', 'Realm not enabled')
  const grantType = grantTypeOf(form)
  const client = authenticateClient(directory, headers.authorization, form)
  const cors = originHeaders(headers.origin, client)
  checkDuplicates(form)
  const jkt = checkProof(request, client, authority, proofs)
  return json(200, tokenResponse({ ...grantType(request, client, directory), jkt }, authority), { ...NOT_STORED, ...cors })
}

function explainScopes ({ words, clientId }: InvalidScope, { directory: { realm }, explain }: Authority): void {
  for (const word of words) explain(refusedScope(realm, word, clientId))
}

/** The token endpoint (RFC 6749 section 3.2), its checks in Keycloak's order. */
export function respondToTokenRequest (request: TokenRequest, authority: Authority, proofs: DpopProofs): IssuerResponse {
  try {
    return grantTokens(request, authority, proofs)
  } catch (error) {
    if (error instanceof InvalidScope) explainScopes(error, authority)
    if (error instanceof Refusal) return json(error.status, error.body, NOT_STORED)
    throw error
  }
}
