/** A value of a token for the log: short, one line, printable ASCII; everything else is escaped. */
export function printable (value: unknown): string {
  const json = JSON.stringify(value) as string | undefined ?? 'absent'
  const text = json.replace(/[^\x20-\x7E]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}
