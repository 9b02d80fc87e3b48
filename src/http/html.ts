/** Text that is HTML already: made by `html` alone. */
export class Html {
  readonly text: string

  constructor (text: string) {
    this.text = text
  }
}

type Value = string | number | Html | readonly Html[] | undefined

/** A template of HTML in which every value is escaped, for the text of an element and for an attribute in double quotes. */
export function html (parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.reduce((before, part, at) => before + textOf(values[at - 1]) + part))
}

function textOf (value: Value): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.text
  if (typeof value === 'object') return value.map(({ text }) => text).join('')
  return String(value).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
