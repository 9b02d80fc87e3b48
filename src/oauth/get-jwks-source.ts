import buildGetJwks from 'get-jwks'
import { createBoundedFetch, FetchError, type BoundedFetch, type BoundedResponse } from '../http/bounded-fetch.ts'
import { LONGEST_RETRY_AFTER_MS, retryAfterMs } from '../http/retry-after.ts'
import { KEY_SET_LIMITS } from './key-set.ts'
import { KeySetError, type KeySetSource, type WantedKey } from './key-set-source.ts'

export interface GetJwksSourceOptions {
  readonly jwksUrl: string
  /** Over connect, headers and the whole body of one fetch. */
  readonly timeoutMs: number
  /** Through HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly useEnvProxy: boolean
}

/** Some issuers respond 406 without the first type, others know only the second, and static hosting neither. */
const ACCEPT = 'application/jwk-set+json, application/json, */*;q=0.1'
/** A deadline that fires so much late was delayed by a blocked event loop: the response may have been there. */
const LATE_MS = 250

/** The key set at an address, fetched by get-jwks within bounds; the only file that knows get-jwks. */
export function createGetJwksSource ({ jwksUrl, timeoutMs, useEnvProxy }: GetJwksSourceOptions): KeySetSource {
  const bounded = createBoundedFetch({ deadlineMs: timeoutMs, maxBytes: KEY_SET_LIMITS.maxBytes, useEnvProxy })
  return {
    async fetchKeySet (wanted) {
      const startedAtMs = performance.now()
      const response = await fetchOnce(bounded, jwksUrl, wanted).catch((error: unknown) => {
        const late = error instanceof FetchError && error.code === 'deadline' && performance.now() - startedAtMs >= timeoutMs + LATE_MS
        if (late) return fetchOnce(bounded, jwksUrl, wanted)
        throw error
      })
      return { text: textOf(response) }
    },
    close: () => bounded.close()
  }
}

/** get-jwks looks for one key and keeps the rest of the response to itself: the bounded exchange has seen it whole. */
async function fetchOnce (bounded: BoundedFetch, jwksUrl: string, { kid, alg, newConnection }: WantedKey): Promise<BoundedResponse> {
  const { origin, pathname, search } = new URL(jwksUrl)
  const { options, response } = bounded.exchange({ newConnection })
  const fetchOptions = { ...options, headers: { ...options.headers, accept: ACCEPT } }
  // An empty path would make get-jwks look elsewhere. Its verdict is about one key; the set decides.
  const work = buildGetJwks({ jwksPath: pathname === '/' ? `./${search}` : pathname + search, fetchOptions })
    .getJwk({ domain: origin, kid, ...alg !== undefined && { alg } } as { domain: string, alg: string, kid: string })
  return await response(work)
}

/** Any content type but HTML may hold a key set: the content decides. */
function textOf ({ status, headers, text }: BoundedResponse): string {
  if (status !== 200) {
    const pauseMs = retryAfterMs(headers['retry-after'], Date.now())
    throw new KeySetError(`status ${status}`, {
      status, ...pauseMs !== undefined && { retryAfterMs: Math.min(pauseMs, LONGEST_RETRY_AFTER_MS) }
    })
  }
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? ''
  if (/^(?:text\/html|application\/xhtml\+xml)$/.test(type)) throw new KeySetError(`content type "${type}"`)
  return text
}
