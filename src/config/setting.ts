import { isInRange, rangeText, type Range } from '../options/ranges.ts'

/** One setting of the environment. Read without a schema library: at each start, loading one would take longer than Fastify. */
export interface Setting<Value> {
  /** What an error says was expected. */
  readonly description: string
  /** The value where nothing is set. */
  readonly preset: Value
  /** Undefined: the text does not fit. */
  readonly read: (text: string) => Value | undefined
}

/** Any text. */
export function text (description: string, preset = ''): Setting<string> {
  return { description, preset, read: (given) => given }
}

export function matching (pattern: RegExp, description: string, preset: string): Setting<string> {
  return { description, preset, read: (given) => pattern.test(given) ? given : undefined }
}

export function oneOf<Value extends string> (values: readonly Value[], preset: Value, description: string): Setting<Value> {
  return { description, preset, read: (given) => values.find((value) => value === given) }
}

/** A whole number in decimal digits: not Infinity, 1e3 or 0x50. */
export function whole (range: Range): Setting<number> {
  const read = (given: string): number | undefined => /^\d{1,9}$/.test(given) && isInRange(Number(given), range) ? Number(given) : undefined
  return { description: rangeText(range), preset: range.preset, read }
}

export function port (preset: number): Setting<number> {
  return whole({ minimum: 0, maximum: 65_535, preset })
}

/** The same without a default. */
export function optional<Value> ({ description, read }: Setting<Value>): Setting<Value | undefined> {
  return { description, read, preset: undefined }
}

export function switchedOn (): Setting<'on' | undefined> {
  return optional(oneOf(['on'], 'on', 'on, or not set'))
}
