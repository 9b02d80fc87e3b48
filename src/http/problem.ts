import { STATUS_CODES } from './node-http.ts'

/** RFC 9457, with the members of RFC 6749 §5.2 for OAuth refusals. No value of the request is in it. */
export interface Problem {
  /** The address of a page of docs/problems, or `about:blank`: the title then says it all. */
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly error?: string
  readonly error_description?: string
  /** Of a refusal, with EXPLAIN_REFUSALS=on only: `cause` is the value of the token that breaks a rule. */
  readonly reason?: string
  readonly cause?: string
  readonly hint?: string
  readonly request_id?: string
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

/**
 * A page for each OAuth error and for each status, never for a reason: whoever is refused must not learn which rule refused it.
 * `docsUrl` is where the folder docs/ is published; without it the type is `about:blank`.
 */
export function problemOf (status: number, more: Partial<Problem> = {}, docsUrl?: string): Problem {
  return { type: typeOf(docsUrl, more.error ?? STATUS_PAGES[status]), title: STATUS_CODES[status] ?? 'Error', status, ...more }
}

function typeOf (docsUrl: string | undefined, page: string | undefined): string {
  return docsUrl === undefined || page === undefined ? 'about:blank' : `${docsUrl}/problems/${page}.md`
}

/** The names of the pages for problems without an OAuth error. Held against docs/problems by a test. */
export const STATUS_PAGES: Readonly<Record<number, string>> = {
  400: 'bad_request',
  401: 'unauthorized',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'request_timeout',
  413: 'content_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  417: 'expectation_failed',
  429: 'too_many_requests',
  431: 'request_header_fields_too_large',
  500: 'internal_server_error',
  503: 'unavailable'
}
