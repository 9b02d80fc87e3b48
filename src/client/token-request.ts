import { allowInsecureRequests, clientCredentialsGrantRequest, customFetch } from 'oauth4webapi'
import type { ClientAuth } from 'oauth4webapi'
import type { BoundedFetch, BoundedResponse } from '../http/bounded-fetch.ts'
import type { Proof } from './credentials.ts'
import { isTraced, loadTracing } from '../traces.ts'
import { CredentialsRefused } from './errors.ts'
import { discover, exchange } from './discovery.ts'
import type { TokenEndpoint } from './discovery.ts'
import type { Settings, TokenWish } from './settings.ts'
import { readTokenResponse, requiresNonce } from './token-response.ts'
import type { IssuedToken } from './token-response.ts'

/** The size of one response of the issuer; its deadline is a setting. */
export const MAX_RESPONSE_BYTES = 65_536

/** The same credentials that the issuer refused are not sent again for this long. */
const REFUSED_HOLD_MS = 30_000

/** Requests one token from the issuer (RFC 6749 section 4.4). Throws a {@link ClientError}. */
export type TokenRequest = (wish: TokenWish) => Promise<IssuedToken>

interface Refused { readonly of: string, readonly error: CredentialsRefused, readonly untilMs: number }

/** The token endpoint of an issuer is looked up with the first request, and then kept. */
export function createTokenRequest (settings: Settings, bounded: BoundedFetch): TokenRequest {
  const { credentials, now } = settings
  let endpoint: TokenEndpoint | undefined
  let refused: Refused | undefined

  async function send (proof: Proof, wish: TokenWish): Promise<IssuedToken> {
    if (refused !== undefined && refused.of === proof.of && now() < refused.untilMs) throw refused.error
    endpoint ??= await endpointOf(settings, bounded)
    try {
      const token = readTokenResponse(await postOnceMore(endpoint, settings, proof, wish, bounded), wish.scope, settings.dpop !== undefined)
      proof.issued()
      return token
    } catch (error) {
      if (!(error instanceof CredentialsRefused) || !credentials.rotate) throw error
      refused = { of: proof.of, error: new CredentialsRefused(error.message, true), untilMs: now() + REFUSED_HOLD_MS }
      throw refused.error
    }
  }

  /** Credentials may have been replaced between their reading and their use: what has changed since is tried at once. */
  return async (wish) => {
    const first = await credentials.read()
    try {
      return await send(first, wish)
    } catch (error) {
      if (!(error instanceof CredentialsRefused) || !credentials.rotate) throw error
      const second = await credentials.read()
      if (second.of === first.of) throw error
      return await send(second, wish)
    }
  }
}

async function endpointOf (settings: Settings, bounded: BoundedFetch): Promise<TokenEndpoint> {
  const { tokenEndpoint } = settings
  if (!(tokenEndpoint instanceof URL)) return await discover(tokenEndpoint.ofIssuer, settings, bounded)
  return { url: tokenEndpoint, audience: audienceOf(tokenEndpoint.href) }
}

/** Keycloak expects the issuer, which is part of the address of its token endpoint; others accept that address (RFC 7523 section 3). */
function audienceOf (endpoint: string): string {
  return /^(.*\/realms\/[^/]+)\/protocol\/openid-connect\/token$/.exec(endpoint)?.[1] ?? endpoint
}

/** A second time where the issuer requires its nonce in the proof (RFC 9449 section 8). */
async function postOnceMore (
  endpoint: TokenEndpoint, settings: Settings, proof: Proof, wish: TokenWish, bounded: BoundedFetch
): Promise<BoundedResponse> {
  const first = await post(endpoint, settings, proof.authentication(endpoint.audience), wish, bounded)
  if (settings.dpop === undefined || !requiresNonce(first)) return first
  return await post(endpoint, settings, proof.authentication(endpoint.audience), wish, bounded)
}

/** The library builds and authenticates the request; the response does not pass through it. */
async function post (
  { url: endpoint }: TokenEndpoint, { clientId, dpop }: Settings, authentication: ClientAuth, wish: TokenWish, bounded: BoundedFetch
): Promise<BoundedResponse> {
  let response!: BoundedResponse
  await clientCredentialsGrantRequest(
    { issuer: endpoint.origin, token_endpoint: endpoint.href },
    { client_id: clientId },
    authentication,
    parametersOf(wish),
    {
      [allowInsecureRequests]: true, // which addresses may be plain http is checked in problems.ts
      [customFetch]: async (url, { method, headers, body }) => {
        const proof = dpop?.prove({ method, url: endpoint })
        const tracing = isTraced() ? await loadTracing() : undefined
        tracing?.describe({ 'http.request.method': method, 'server.address': endpoint.hostname, 'server.port': portOf(endpoint) })
        response = await exchange(bounded, url, { method, headers: { ...headers, ...proof !== undefined && { dpop: proof } }, body })
        tracing?.describe({ 'http.response.status_code': response.status })
        dpop?.keepNonce(endpoint, false, response.headers['dpop-nonce'])
        return new Response()
      }
    }
  )
  return response
}

function portOf ({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

function parametersOf ({ scope, audience, resource }: TokenWish): URLSearchParams {
  const parameters = new URLSearchParams()
  if (scope.length > 0) parameters.set('scope', scope.join(' '))
  if (audience !== undefined) parameters.set('audience', audience)
  for (const one of resource) parameters.append('resource', one)
  return parameters
}
