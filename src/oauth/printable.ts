const MAX_LENGTH = 100

/** A value of a token for the log: short, one line, printable ASCII as JSON; everything else is escaped. */
export function printable (value: unknown): string {
  const json = JSON.stringify(value) as string | undefined ?? 'absent'
  return bounded(json.replace(/[^\x20-\x7E]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`))
}

/** A text of a token for the log, as `printable` gives it, without the quotes. */
export function printableText (text: unknown): string {
  return printable(text).replace(/^"|"$/g, '')
}

function bounded (text: string): string {
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text
}

const UNPRINTABLE = /[^\x20-\x7E]/
const SHOWN_LENGTH = 200

/** A text for the log as it is, if it is short and printable ASCII; else escaped and cut. Costs a search where nothing is to be done. */
export function shown (value: string | undefined): string {
  const text = String(value)
  const cut = text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text
  if (!UNPRINTABLE.test(cut)) return cut
  return cut.replace(/[^\x20-\x7E]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
