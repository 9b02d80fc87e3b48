import { printable } from '../printable.ts'
import { isDate, problem, type Problem, type Rule } from './rule.ts'

/**
 * The rules for the dates of a token. That they are finite numbers is a rule before; what is not a date is refused here too.
 * RFC 7519 §4.1.4: refused on `exp` or after it.
 */
export const DATE_RULES: readonly Rule[] = [
  {
    reason: 'expired',
    check: ({ claims: { exp } }, { clockToleranceSeconds }, now) => {
      // Another rule refuses it before; a tool looks at every rule.
      if (!isDate(exp)) return problem(`exp ${printable(exp)}`)
      const secondsApart = now - exp
      return secondsApart < clockToleranceSeconds ? undefined : dateProblem('exp', exp, secondsApart, `${seconds(secondsApart)} ago`)
    }
  },
  {
    reason: 'not_yet_valid',
    check: ({ claims: { nbf } }, { clockToleranceSeconds }, now) => ahead('nbf', nbf, now, clockToleranceSeconds)
  },
  {
    reason: 'issued_in_future',
    check: ({ claims: { iat } }, { clockToleranceSeconds }, now) => ahead('iat', iat, now, clockToleranceSeconds)
  },
  {
    reason: 'lifetime_too_long',
    check: ({ claims: { exp } }, { clockToleranceSeconds, maxTokenLifetimeSeconds }, now) => {
      if (!isDate(exp)) return problem(`exp ${printable(exp)}`)
      const excess = exp - now - maxTokenLifetimeSeconds
      return excess > clockToleranceSeconds
        ? dateProblem('exp', exp, excess, `in ${seconds(exp - now)}, the limit is ${maxTokenLifetimeSeconds} s`)
        : undefined
    }
  }
]

function ahead (name: string, date: unknown, now: number, toleranceSeconds: number): Problem | undefined {
  if (date === undefined) return undefined
  if (!isDate(date)) return problem(`${name} ${printable(date)}`)
  const apart = date - now
  return apart > toleranceSeconds ? dateProblem(name, date, apart, `in ${seconds(apart)}`) : undefined
}

/** A date as a number and as text: `exp 1767225600 (2026-01-01T00:00:00Z), 61 s ago`. */
function dateProblem (name: string, date: number, secondsApart: number, distance: string): Problem {
  const text = new Date(date * 1000).toISOString().replace('.000Z', 'Z')
  return problem(`${name} ${date} (${text}), ${distance}`, { secondsApart })
}

function seconds (apart: number): string {
  return `${Math.ceil(apart)} s`
}
