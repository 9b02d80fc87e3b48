/** `failed` is red: the exit code is 1. `skipped`: not checked, and the cause says why. */
export type Status = 'ok' | 'failed' | 'warning' | 'skipped'

/** One line of the doctor's report. Every text is printable. */
export interface Check {
  /** For programs; of a refusal the reason, as in docs/reference/reasons.md. */
  readonly name: string
  readonly status: Status
  /** What was checked, or what is wrong. */
  readonly title: string
  /** A finer name than the reason, where there is one: `scope_not_requested`. */
  readonly code?: string
  readonly cause?: string
  readonly fix?: string
}

/** Checks about one thing. */
export interface Section {
  readonly title: string
  readonly checks: readonly Check[]
}

/** What makes a line more than its name and title. */
export type More = Pick<Check, 'code' | 'cause' | 'fix'>

export function ok (name: string, title: string, more: More = {}): Check {
  return { name, status: 'ok', title, ...more }
}

export function failed (name: string, title: string, more: More = {}): Check {
  return { name, status: 'failed', title, ...more }
}

export function warning (name: string, title: string, more: More = {}): Check {
  return { name, status: 'warning', title, ...more }
}

export function skipped (name: string, title: string, cause: string): Check {
  return { name, status: 'skipped', title, cause }
}
