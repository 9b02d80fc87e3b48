import { allowInsecureRequests, clientCredentialsGrantRequest, ClientSecretBasic, ClientSecretPost, customFetch } from 'oauth4webapi'
import type { BoundedResponse, BoundedFetch, FetchError } from '../http/bounded-fetch.ts'
import { IssuerAnswerInvalid, IssuerUnreachable, SecretUnavailable, systemCode } from './errors.ts'
import { addressFault } from './settings.ts'
import type { Settings } from './settings.ts'
import { readObject, readTokenAnswer } from './token-answer.ts'
import type { IssuedToken } from './token-answer.ts'

/** Deadline and size of one exchange with the issuer. */
export const ISSUER_BOUNDS = { deadlineMs: 2000, maxBytes: 65_536 }

/** Asks the issuer for one token (RFC 6749 section 4.4). Throws a {@link ClientError}. No retry, no memory. */
export type TokenRequest = (scope: readonly string[]) => Promise<IssuedToken>

/** The token endpoint of an issuer is looked up with the first request, and then kept. */
export function createTokenRequest (settings: Settings, bounded: BoundedFetch): TokenRequest {
  let endpoint = settings.tokenEndpoint
  return async (scope) => {
    const secret = await readSecret(settings.clientSecret)
    if (!(endpoint instanceof URL)) endpoint = await discover(endpoint.ofIssuer, bounded)
    return readTokenAnswer(await post(endpoint, settings, secret, scope, bounded), scope)
  }
}

/** The library builds and authenticates the request; the answer passes it by. */
async function post (
  endpoint: URL, settings: Settings, secret: string, scope: readonly string[], bounded: BoundedFetch
): Promise<BoundedResponse> {
  let answer!: BoundedResponse
  await clientCredentialsGrantRequest(
    { issuer: endpoint.origin, token_endpoint: endpoint.href },
    { client_id: settings.clientId },
    settings.clientAuthentication === 'basic' ? ClientSecretBasic(secret) : ClientSecretPost(secret),
    scope.length > 0 ? { scope: scope.join(' ') } : {},
    {
      [allowInsecureRequests]: true, // which addresses may be plain http is checked in settings.ts
      [customFetch]: async (url, { method, headers, body }) => {
        answer = await ask(bounded, url, { method, headers, body })
        return new Response()
      }
    }
  )
  return answer
}

/** OpenID Connect Discovery section 4. The document's issuer must be the configured one, character by character (section 4.3). */
async function discover (issuer: string, bounded: BoundedFetch): Promise<URL> {
  const { status, text } = await ask(bounded, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  if (status === 429 || status >= 500) throw new IssuerUnreachable(`the issuer cannot answer now (status ${status})`)
  const document = readObject(text)
  const endpoint = document?.token_endpoint
  if (status !== 200 || document?.issuer !== issuer) {
    throw new IssuerAnswerInvalid(`the issuer's discovery document is not there, or names another issuer than ${issuer}: check the address`)
  }
  if (typeof endpoint !== 'string' || addressFault('token_endpoint', endpoint) !== false) {
    throw new IssuerAnswerInvalid('the issuer\'s discovery document names no token endpoint that a secret may be sent to')
  }
  return new URL(endpoint)
}

/** The fault's own causes stay behind: the HTTP parser keeps bytes of the answer in its errors. */
async function ask (bounded: BoundedFetch, url: string, init: RequestInit = {}): Promise<BoundedResponse> {
  try {
    return await bounded.fetch(url, init)
  } catch (error) {
    const { code, message } = error as FetchError
    if (code === 'unreachable') throw new IssuerUnreachable(`the issuer cannot be reached at ${new URL(url).origin} (${systemCode(message, 'the connection failed')})`)
    if (code === 'deadline') throw new IssuerUnreachable(`the issuer at ${new URL(url).origin} gave ${message}`)
    throw new IssuerAnswerInvalid(`the issuer answered with ${message}`)
  }
}

async function readSecret (clientSecret: Settings['clientSecret']): Promise<string> {
  let secret: unknown
  try {
    secret = await clientSecret()
  } catch (error) {
    throw new SecretUnavailable(`the secret cannot be read (${systemCode((error as NodeJS.ErrnoException | null)?.code, 'its function threw')})`)
  }
  if (typeof secret !== 'string' || secret === '') throw new SecretUnavailable('the function that gives the secret gave none')
  return secret
}
