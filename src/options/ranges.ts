/** A whole number: the least, the greatest, and the value where nothing is set. */
export interface Range {
  readonly minimum: number
  readonly maximum: number
  readonly preset: number
}

const range = (minimum: number, maximum: number, preset: number): Range => ({ minimum, maximum, preset })

/** Options of the plugin that are whole numbers; each environment variable has the same name in capitals. */
export const RANGES = {
  clockToleranceSeconds: range(0, 60, 5),
  maxTokenLifetimeSeconds: range(1, 31_536_000, 86_400),
  keysRefreshSeconds: range(1, 3600, 60),
  keysMaxStaleHours: range(0, 720, 24),
  keysFetchTimeoutSeconds: range(1, 30, 5),
  maxTokenBytes: range(1024, 60_000, 15_000),
  tokenCacheMb: range(0, 4096, 32)
} as const satisfies Readonly<Record<string, Range>>

export type RangedOption = keyof typeof RANGES

/** To follow the word "expected". */
export function rangeText ({ minimum, maximum }: Range): string {
  return `a whole number from ${minimum} to ${maximum}`
}

export function isInRange (value: unknown, { minimum, maximum }: Range): value is number {
  return Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum
}
