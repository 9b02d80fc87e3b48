import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { json, notImitated, plain, Refusal } from './responses.ts'
import type { IssuerResponse } from './responses.ts'
import { endpoints, isRead } from './endpoints.ts'
import type { Endpoint } from './endpoints.ts'
import type { Authority } from '../tokens/tokens.ts'

/** On every response of Keycloak. */
const SECURITY_HEADERS = {
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'x-robots-tag': 'none'
}

/** In the metadata and not here; also what is below. */
const ELSEWHERE = [
  ...['auth', 'ext', 'login-status-iframe.html', 'logout', 'revoke', 'token/introspect', 'userinfo']
    .map((name) => `protocol/openid-connect/${name}`),
  '.well-known/uma2-configuration', 'account', 'clients-registrations'
]

function unnormalized (error: string, description: string): Refusal {
  return new Refusal(400, error, description, { 'content-type': 'application/json; charset=UTF-8' })
}

/** The path as it was sent: nothing in it is made right before it is looked at. One slash at its end means nothing. */
function pathOf ({ url }: IncomingMessage): string {
  const path = String(url).replace(/\?.*$/s, '')
  if (/\/\/|\/\.\.?(?:\/|$)/.test(path)) throw unnormalized('missingNormalization', 'Request path not normalized')
  if (path.includes(';')) throw unnormalized('invalidCharacter', 'Request path contains invalid character \';\'')
  return path === '/' ? path : path.replace(/\/$/, '')
}

interface Place {
  /** As in the path, still percent-encoded. */
  readonly realm: string
  readonly below: string
}

/** RFC 8414 section 3.1 puts the well-known part before the path of the issuer; Keycloak knows both, for this document only. */
function placeOf (path: string): Place | undefined {
  const early = /^\/(\.well-known\/oauth-authorization-server)\/realms\/([^/]+)$/.exec(path)
  if (early) return { realm: String(early[2]), below: String(early[1]) }
  const [, realm, below = ''] = /^\/realms\/([^/]+)(?:\/(.*))?$/.exec(path) ?? []
  return realm === undefined ? undefined : { realm, below }
}

function isNamed (segment: string, name: string): boolean {
  try {
    return decodeURIComponent(segment) === name
  } catch {
    return false
  }
}

function unknownInRealm (below: string, request: IncomingMessage): Refusal {
  if (ELSEWHERE.some((path) => below === path || below.startsWith(`${path}/`))) {
    return new Refusal(501, 'not_imitated', notImitated(below))
  }
  if (/^protocol\/(?!openid-connect(?:\/|$))/.test(below)) return new Refusal(404, 'Protocol not found')
  return below.startsWith('protocol/') && !isRead(request) ? plain(405) : plain(404)
}

function unknownOutside (path: string, issuer: string): IssuerResponse {
  if (path === '/') return { status: 302, headers: { location: new URL('/admin/', issuer).href }, body: '' }
  if (/^\/admin\/(?:realms|serverinfo)(?:\/|$)/.test(path)) throw plain(401)
  if (/^\/\.well-known\/[^/]+\/realms\//.test(path)) throw plain(404)
  throw new Refusal(404, 'Unable to find matching target resource method')
}

function route (authority: Authority): Endpoint {
  const served = endpoints(authority)
  return (request) => {
    const path = pathOf(request)
    const place = placeOf(path)
    if (place === undefined) return unknownOutside(path, authority.issuer)
    if (!isNamed(place.realm, authority.directory.realm.realm)) throw new Refusal(404, 'Realm does not exist')
    const endpoint = served.get(place.below)
    if (endpoint === undefined) throw unknownInRealm(place.below, request)
    return endpoint(request)
  }
}

async function respond (endpoint: Endpoint, request: IncomingMessage): Promise<IssuerResponse> {
  try {
    return await endpoint(request)
  } catch (error) {
    if (error instanceof Refusal) return json(error.status, error.body, error.headers)
    // Also a sender who has gone before the request was whole: then nobody reads this.
    return json(500, { error: 'unknown_error', error_description: 'The development issuer failed' })
  }
}

function send (response: ServerResponse, { status, headers, body }: IssuerResponse): void {
  const length = String(Buffer.byteLength(body))
  response.writeHead(status, { ...SECURITY_HEADERS, ...headers, 'content-length': length }).end(body)
}

/** Everything to which the development issuer responds over HTTP. */
export function routes (authority: Authority): RequestListener {
  const endpoint = route(authority)
  return (request, response) => { void respond(endpoint, request).then((given) => send(response, given)) }
}
