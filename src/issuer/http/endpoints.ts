import type { IncomingMessage } from 'node:http'
import { json, plain } from './responses.ts'
import type { IssuerResponse } from './responses.ts'
import { metadata } from './discovery.ts'
import { readForm } from './form.ts'
import { DpopProofs } from '../tokens/dpop-proof.ts'
import { respondToTokenRequest } from '../tokens/token-endpoint.ts'
import type { Authority } from '../tokens/tokens.ts'

/** Responds to the requests for one address, of every method. */
export type Endpoint = (request: IncomingMessage) => IssuerResponse | Promise<IssuerResponse>

type Headers = Readonly<Record<string, string>>

const ALLOWED_HEADERS = 'Origin, Access-Control-Request-Method, Accept, X-Requested-With, ' +
  'Access-Control-Request-Headers, DPoP, Content-Type, Authorization'

export const isRead = ({ method }: IncomingMessage): boolean => method === 'GET' || method === 'HEAD'

/** What is public may be read from every origin. */
const anyOrigin = ({ headers: { origin } }: IncomingMessage): Headers =>
  origin === undefined ? {} : { 'access-control-allow-origin': origin }

function preflight ({ headers: { origin } }: IncomingMessage): IssuerResponse {
  const headers: Headers = origin === undefined ? {} : {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'POST, OPTIONS',
    'access-control-allow-headers': ALLOWED_HEADERS
  }
  return { status: 200, headers, body: '' }
}

const token = (authority: Authority, proofs = new DpopProofs()): Endpoint => async (request) => {
  if (request.method === 'OPTIONS') return preflight(request)
  if (request.method !== 'POST') throw plain(405)
  const remoteAddress = String(request.socket.remoteAddress)
  return respondToTokenRequest({ headers: request.headers, form: await readForm(request), remoteAddress }, authority, proofs)
}

const certs = ({ keys }: Authority): Endpoint => (request) => {
  if (!isRead(request)) throw plain(405)
  const wantsJwkSet = request.headers.accept === 'application/jwk-set+json'
  const type: Headers = wantsJwkSet ? { 'content-type': 'application/jwk-set+json' } : {}
  return json(200, keys.jwks(), { 'cache-control': 'no-cache', ...type, ...anyOrigin(request) })
}

const wellKnown = ({ issuer, directory }: Authority): Endpoint => (request) => {
  if (!isRead(request)) throw plain(404)
  const headers = { 'cache-control': 'no-cache, must-revalidate, no-transform, no-store', ...anyOrigin(request) }
  return json(200, metadata(issuer, directory), headers)
}

const information = ({ issuer, directory: { realm }, keys }: Authority): Endpoint => (request) => {
  if (!isRead(request)) throw plain(405)
  return json(200, {
    realm: realm.realm,
    public_key: keys.publicKey(),
    'token-service': `${issuer}/protocol/openid-connect`,
    'account-service': `${issuer}/account`,
    'tokens-not-before': realm.notBefore ?? 0
  }, { 'content-type': 'application/json;charset=UTF-8', 'cache-control': 'no-cache' })
}

/** What is served, by the path below `/realms/NAME/`. */
export const endpoints = (authority: Authority): ReadonlyMap<string, Endpoint> => new Map([
  ['', information(authority)],
  ['.well-known/openid-configuration', wellKnown(authority)],
  ['.well-known/oauth-authorization-server', wellKnown(authority)],
  ['protocol/openid-connect/token', token(authority)],
  ['protocol/openid-connect/certs', certs(authority)]
])
