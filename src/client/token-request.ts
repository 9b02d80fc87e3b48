import { allowInsecureRequests, clientCredentialsGrantRequest, ClientSecretBasic, ClientSecretPost, customFetch } from 'oauth4webapi'
import type { BoundedFetch, BoundedResponse, FetchError } from '../http/bounded-fetch.ts'
import { IssuerResponseInvalid, IssuerUnreachable, SecretUnavailable, systemCode } from './errors.ts'
import { addressProblemOf, isOneLine, withoutLineBreak } from './settings.ts'
import type { Settings } from './settings.ts'
import { isUnavailable, readObject, readTokenResponse, unavailable } from './token-response.ts'
import type { IssuedToken } from './token-response.ts'

/** The size of one response of the issuer; its deadline is a setting. */
export const MAX_RESPONSE_BYTES = 65_536

/** Requests one token from the issuer (RFC 6749 section 4.4). Throws a {@link ClientError}. No retry, no memory. */
export type TokenRequest = (scope: readonly string[]) => Promise<IssuedToken>

/** The token endpoint of an issuer is looked up with the first request, and then kept. */
export function createTokenRequest (settings: Settings, bounded: BoundedFetch): TokenRequest {
  let endpoint = settings.tokenEndpoint
  return async (scope) => {
    const secret = await readSecret(settings.clientSecret)
    if (!(endpoint instanceof URL)) endpoint = await discover(endpoint.ofIssuer, settings, bounded)
    return readTokenResponse(await post(endpoint, settings, secret, scope, bounded), scope)
  }
}

/** The library builds and authenticates the request; the response does not pass through it. */
async function post (
  endpoint: URL, settings: Settings, secret: string, scope: readonly string[], bounded: BoundedFetch
): Promise<BoundedResponse> {
  let response!: BoundedResponse
  await clientCredentialsGrantRequest(
    { issuer: endpoint.origin, token_endpoint: endpoint.href },
    { client_id: settings.clientId },
    settings.clientAuthentication === 'client_secret_basic' ? ClientSecretBasic(secret) : ClientSecretPost(secret),
    scope.length > 0 ? { scope: scope.join(' ') } : {},
    {
      [allowInsecureRequests]: true, // which addresses may be plain http is checked in settings.ts
      [customFetch]: async (url, { method, headers, body }) => {
        response = await exchange(bounded, url, { method, headers, body })
        return new Response()
      }
    }
  )
  return response
}

/** OpenID Connect Discovery section 4. The document's issuer must be the configured one, character by character (section 4.3). */
async function discover (issuer: string, { allowInsecureHttp }: Settings, bounded: BoundedFetch): Promise<URL> {
  const response = await exchange(bounded, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  if (isUnavailable(response)) throw unavailable(response)
  const { status, text } = response
  const document = readObject(text)
  const endpoint = document?.token_endpoint
  if (status !== 200 || document?.issuer !== issuer) {
    throw new IssuerResponseInvalid(`the issuer's discovery document is not there, or names another issuer than ${issuer}: check the address`)
  }
  if (typeof endpoint !== 'string' || addressProblemOf('token_endpoint', endpoint, allowInsecureHttp) !== false) {
    throw new IssuerResponseInvalid('the issuer\'s discovery document names no token endpoint that a secret may be sent to')
  }
  return new URL(endpoint)
}

/** The error's own causes stay behind: the HTTP parser keeps bytes of the response in its errors. */
async function exchange (bounded: BoundedFetch, url: string, init: RequestInit = {}): Promise<BoundedResponse> {
  try {
    return await bounded.fetch(url, init)
  } catch (error) {
    const { code, message, systemCode } = error as FetchError
    const { origin } = new URL(url)
    if (code === 'unreachable') {
      throw new IssuerUnreachable(`the issuer cannot be reached at ${origin} (${systemCode === undefined ? 'the connection failed' : message})`)
    }
    if (code === 'deadline') throw new IssuerUnreachable(`the issuer at ${origin} gave ${message}`)
    throw new IssuerResponseInvalid(`the issuer responded with ${message}`)
  }
}

async function readSecret (clientSecret: Settings['clientSecret']): Promise<string> {
  let secret: unknown
  try {
    secret = await clientSecret()
  } catch (error) {
    throw new SecretUnavailable(`the secret cannot be read (${systemCode((error as NodeJS.ErrnoException | null)?.code, 'its function threw')})`)
  }
  if (typeof secret !== 'string' || secret === '') throw new SecretUnavailable('the function that returns the secret returned none')
  if (!isOneLine(secret)) throw new SecretUnavailable('the secret has line breaks in it')
  return withoutLineBreak(secret)
}
