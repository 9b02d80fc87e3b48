import type { BoundedFetch, BoundedResponse, FetchError } from '../http/bounded-fetch.ts'
import { IssuerResponseInvalid, IssuerUnreachable } from './errors.ts'
import { addressProblemOf } from './problems.ts'
import type { Settings } from './settings.ts'
import { isUnavailable, readObject, unavailable } from './token-response.ts'

export interface TokenEndpoint {
  readonly url: URL
  /** Whom an assertion is for: the issuer. */
  readonly audience: string
}

/**
 * OpenID Connect Discovery section 4, and RFC 8414 section 3 where an issuer has only that. The document's issuer must be the
 * configured one, character by character. With a client certificate the alias for it is taken (RFC 8705 section 5).
 */
export async function discover (
  issuer: string, { allowInsecureHttp, credentials }: Settings, bounded: BoundedFetch
): Promise<TokenEndpoint> {
  const document = await documentOf(issuer, bounded)
  const aliases = credentials.tls()?.identity === undefined ? undefined : document.mtls_endpoint_aliases as Document | null | undefined
  const endpoint = aliases?.token_endpoint ?? document.token_endpoint
  if (typeof endpoint !== 'string' || addressProblemOf('token_endpoint', endpoint, allowInsecureHttp) !== false) {
    throw new IssuerResponseInvalid('the issuer\'s discovery document names no token endpoint that a secret may be sent to')
  }
  return { url: new URL(endpoint), audience: issuer }
}

type Document = Readonly<Record<string, unknown>>

async function documentOf (issuer: string, bounded: BoundedFetch): Promise<Document> {
  const base = issuer.replace(/\/$/, '')
  let response = await exchange(bounded, `${base}/.well-known/openid-configuration`)
  if (response.status === 404) {
    const { origin, pathname } = new URL(base)
    response = await exchange(bounded, `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`)
  }
  if (isUnavailable(response)) throw unavailable(response)
  const document = response.status === 200 ? readObject(response.text) : undefined
  if (document?.issuer !== issuer) {
    throw new IssuerResponseInvalid(
      `the issuer's discovery document is not there, or names another issuer than ${issuer}: check the address`
    )
  }
  return document
}

/** The error's own causes stay behind: the HTTP parser keeps bytes of the response in its errors. */
export async function exchange (bounded: BoundedFetch, url: string, init: RequestInit = {}): Promise<BoundedResponse> {
  try {
    return await bounded.fetch(url, init)
  } catch (error) {
    const { code, message, systemCode } = error as FetchError
    const { origin } = new URL(url)
    if (code === 'unreachable') {
      throw new IssuerUnreachable(
        `the issuer cannot be reached at ${origin} (${systemCode === undefined ? 'the connection failed' : message})`
      )
    }
    if (code === 'deadline') throw new IssuerUnreachable(`the issuer at ${origin} gave ${message}`)
    throw new IssuerResponseInvalid(`the issuer responded with ${message}`)
  }
}
