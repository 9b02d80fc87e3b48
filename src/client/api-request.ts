import { ApiRedirected, ApiUnreachable, SettingsError, systemCode } from './errors.ts'

/** One call of the API, as for `fetch`. An `Authorization` header is replaced. */
export interface ApiRequest {
  readonly method?: string
  readonly headers?: NonNullable<RequestInit['headers']>
  /** A stream is sent once only: such a request is not repeated with a new token. */
  readonly body?: RequestInit['body']
  readonly signal?: AbortSignal
  /** Instead of the client's own `scope`. */
  readonly scope?: readonly string[]
}

/** The address of a call. Throws {@link SettingsError} for one of another origin, however it is spelt (`//host`, `/\host`). */
export function addressOf (path: string, apiUrl: URL): URL {
  const url = URL.canParse(path, apiUrl.href) ? new URL(path, apiUrl) : undefined
  if (url === undefined || url.origin !== apiUrl.origin || url.username !== '' || url.password !== '') {
    throw new SettingsError([{ option: 'path', expected: `a path at ${apiUrl.origin}; the token is sent nowhere else` }])
  }
  return url
}

/** Whether the same body can be sent once more. */
export function isRepeatable ({ body }: ApiRequest): boolean {
  return !(typeof body === 'object' && body !== null && Symbol.asyncIterator in body)
}

/**
 * One attempt. The deadline is over the answer's body as well, so reading that may throw a `TimeoutError`.
 * A fault of the request itself is the TypeError of `Request`; the caller's own abort is the reason that the caller gave.
 * Not checked: size and kind of the answer.
 */
export async function send (url: URL, request: ApiRequest, token: string, deadlineMs: number): Promise<Response> {
  const deadline = AbortSignal.timeout(deadlineMs)
  const ready = new Request(url, {
    method: request.method ?? 'GET',
    headers: withToken(request.headers, token),
    body: request.body ?? null,
    redirect: 'manual',
    signal: request.signal === undefined ? deadline : AbortSignal.any([deadline, request.signal]),
    ...(isRepeatable(request) ? {} : { duplex: 'half' })
  })
  const response = await fetch(ready).catch((error: unknown) => {
    request.signal?.throwIfAborted()
    throw new ApiUnreachable(deadline.aborted
      ? `the API at ${url.origin} gave no answer within ${deadlineMs} ms`
      : `the API cannot be reached at ${url.origin} (${innermostCode(error)})`)
  })
  if (response.status < 300 || response.status > 399 || response.status === 304) return response
  await response.body?.cancel()
  throw new ApiRedirected(`the API answered with a redirect (${response.status}), and the token is not sent elsewhere: check the address`)
}

function withToken (given: ApiRequest['headers'], token: string): Headers {
  const headers = new Headers(given)
  headers.set('authorization', `Bearer ${token}`)
  return headers
}

function innermostCode (error: unknown): string {
  let at = error
  while (at instanceof Error && at.cause !== undefined) at = at.cause
  return systemCode((at as NodeJS.ErrnoException | null)?.code, 'the connection failed')
}
