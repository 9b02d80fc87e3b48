import { untilAborted } from '../http/exchange.ts'
import { retryAfterMs } from '../http/retry-after.ts'
import type { PresentedToken } from './api-request.ts'
import { remedyFor } from './challenge.ts'
import { presented } from './dpop.ts'
import type { Dpop } from './dpop.ts'
import { ClientClosed, ScopeRefused } from './errors.ts'
import { pause } from './pause.ts'
import type { Settings, TokenWish } from './settings.ts'
import { insufficientScope, requiredScopes, union } from './step-up.ts'
import type { StepUps } from './step-up.ts'
import type { TokenSources } from './token-sources.ts'

/** One call: what decides whether it may be sent again. */
export interface Call {
  readonly wish: TokenWish
  readonly href: string
  readonly method: string
  readonly repeatable: boolean
  readonly signal: AbortSignal | undefined
  /** Sends it with these headers. */
  readonly attempt: (presented: PresentedToken) => Promise<Response>
}

export interface Calling {
  readonly settings: Pick<Settings, 'stepUp' | 'maxRetryAfterMs' | 'dpop'>
  readonly sources: TokenSources
  readonly stepUps: StepUps
  readonly closing: AbortSignal
}

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
const MOST_PAUSES = 2

/** What a call has used up: each kind of repetition has its own bound. */
interface Progress {
  readonly wish: TokenWish
  readonly token: string
  readonly response: Response
  readonly replaced: boolean
  readonly provenAgain: boolean
  readonly steppedUp: boolean
  readonly pauses: number
  readonly pausedMs: number
}

type Step = (progress: Progress, call: Call, calling: Calling) => Promise<Progress | undefined>

/** Sends a call, and again where RFC 6750 section 3.1 or `Retry-After` give a reason to. Throws a {@link ClientError}. */
export async function callApi (call: Call, calling: Calling): Promise<Response> {
  const wish = calling.stepUps.grown(call.wish)
  const token = heldToken(wish, call, calling) ?? await tokenFor(wish, call, calling)
  const response = await send(token, call, calling)
  if (response.status < 400) return response
  let progress: Progress = { wish, token, response, replaced: false, provenAgain: false, steppedUp: false, pauses: 0, pausedMs: 0 }
  for (;;) {
    const next = await (stepFor(progress, calling)?.(progress, call, calling))
    if (next === undefined) return progress.response
    progress = next
  }
}

function stepFor ({ response }: Progress, { settings: { dpop } }: Calling): Step | undefined {
  const { status } = response
  const remedy = remedyFor(status, response.headers.get('www-authenticate'), dpop !== undefined)
  if (remedy !== undefined) return remedy === 'another token' ? replaceToken : proveAgain
  if (status === 403) return stepUp
  return status === 429 || status === 503 ? waitAsRequested : undefined
}

/** Most calls find a token, and need not wait for the turn of another promise. */
function heldToken (wish: TokenWish, { signal }: Call, { sources }: Calling): string | undefined {
  signal?.throwIfAborted()
  return sources.sourceFor(wish).held()
}

async function tokenFor (wish: TokenWish, { signal }: Call, { sources }: Calling): Promise<string> {
  signal?.throwIfAborted()
  const token = sources.sourceFor(wish).current()
  return signal === undefined ? await token : await untilAborted(token, signal)
}

function send (token: string, call: Call, { closing, settings: { dpop } }: Calling): Promise<Response> {
  if (closing.aborted) return Promise.reject(new ClientClosed())
  return dpop === undefined ? call.attempt({ authorization: `Bearer ${token}` }) : sendWithProof(token, call, dpop)
}

async function sendWithProof (token: string, { href, method, attempt }: Call, dpop: Dpop): Promise<Response> {
  const url = new URL(href)
  // `fetch` writes some methods in upper case, and the proof must name what is sent.
  const sent = new Request(url, { method }).method
  const response = await attempt(presented(dpop, token, { url, method: sent }))
  dpop.keepNonce(url, true, response.headers.get('dpop-nonce'))
  return response
}

/** The nonce of the response is in the next proof; the token remains. */
const proveAgain: Step = async (progress, call, calling) => {
  const { response, provenAgain, token } = progress
  if (provenAgain || !call.repeatable || !response.headers.has('dpop-nonce')) return undefined
  await response.body?.cancel()
  return { ...progress, provenAgain: true, response: await send(token, call, calling) }
}

const replaceToken: Step = async (progress, call, calling) => {
  const { response, replaced, token, wish } = progress
  if (replaced) return undefined
  const renewal = calling.sources.sourceFor(wish).replace(token)
  if (!call.repeatable) return undefined
  const next = await (call.signal === undefined ? renewal : untilAborted(renewal, call.signal))
  if (next === undefined) return undefined
  await response.body?.cancel()
  return { ...progress, replaced: true, token: next, response: await send(next, call, calling) }
}

const stepUp: Step = async (progress, call, calling) => {
  const { response, steppedUp, token, wish } = progress
  const required = requiredScopes(response, token, calling.settings.dpop !== undefined)
  if (required === undefined) return undefined
  const larger = calling.settings.stepUp && !steppedUp ? union(wish, required) : undefined
  if (larger === undefined) throw insufficientScope(response, wish, required, false)
  const next = await tokenFor(larger, call, calling).catch((error: unknown) => {
    throw error instanceof ScopeRefused ? insufficientScope(response, wish, required, true) : error
  })
  calling.stepUps.remember(call.wish, larger)
  if (!call.repeatable) throw insufficientScope(response, larger, required, false)
  await response.body?.cancel()
  return { ...progress, steppedUp: true, wish: larger, token: next, response: await send(next, call, calling) }
}

/** The API's pause counts from its response. A longer one than allowed is the caller's to wait for. */
const waitAsRequested: Step = async (progress, call, calling) => {
  const { response, token, pauses, pausedMs } = progress
  const pauseMs = retryAfterMs(response.headers.get('retry-after') ?? undefined, Date.now())
  const { maxRetryAfterMs } = calling.settings
  if (pauseMs === undefined || maxRetryAfterMs === 0 || pausedMs + pauseMs > maxRetryAfterMs) return undefined
  if (pauses === MOST_PAUSES || !call.repeatable || !IDEMPOTENT.has(call.method.toUpperCase())) return undefined
  await response.body?.cancel()
  await pause(pauseMs, call.signal, calling.closing).catch((error: unknown) => {
    throw calling.closing.aborted ? new ClientClosed() : error
  })
  return { ...progress, pauses: pauses + 1, pausedMs: pausedMs + pauseMs, response: await send(token, call, calling) }
}
