import { STATUS_CODES } from 'node:http'

/** RFC 9457, with the members of RFC 6749 §5.2 for OAuth refusals. No value of the request is in it. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly error?: string
  readonly error_description?: string
  readonly request_id?: string
}

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8'

export function problemOf (status: number, more: Partial<Problem> = {}): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, ...more }
}
