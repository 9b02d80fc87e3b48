import type { Algorithm } from '../algorithms.ts'
import type { ConfirmationMethod } from '../confirmation.ts'
import type { Evidence, TokenReason } from '../reasons.ts'

/** What a token must contain to be one for this API. Times in seconds. */
export interface Expectations {
  readonly issuer: string
  readonly audience: readonly string[] | 'any'
  readonly algorithms: readonly Algorithm[]
  readonly tokenKind: 'keycloak' | 'at+jwt'
  readonly clockToleranceSeconds: number
  readonly maxTokenLifetimeSeconds: number
  readonly maxTokenBytes: number
  /** The confirmations that are checked after the token was verified; none by default: a bound token is refused. */
  readonly confirmations?: readonly ConfirmationMethod[]
}

/** A token that can be decoded. Nothing of it is verified. */
export interface Unproven {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/** What is wrong, in words for the log (never a whole token), and what the hint can use. */
export interface Problem {
  readonly detail: string
  readonly evidence?: Evidence
}

/** One rule of the reader; its name is the reason for which it refuses. */
export interface Rule {
  readonly reason: TokenReason
  readonly check: (token: Unproven, expected: Expectations, nowSeconds: number) => Problem | undefined
}

/** The value of a claim or header member that breaks a rule. */
export function problem (detail: string, evidence?: Evidence): Problem {
  return evidence === undefined ? { detail } : { detail, evidence }
}

export function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function isStrings (value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** 9999-12-31T23:59:59Z: the last date that every library can print. */
const LAST_DATE = 253_402_300_799

/** RFC 7519 §2 NumericDate, finite and printable. */
export function isDate (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LAST_DATE
}
