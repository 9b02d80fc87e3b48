/** JSON that cannot be read: what belongs at a place of the text. `offset` counts UTF-16 units. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  readonly offset: number

  constructor (expected: string, offset: number) {
    super(`${expected} is expected`)
    this.offset = offset
  }
}

const SPACE = /[ \t\n\r]*/y
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const LITERAL = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y

/** One walk through a JSON text (RFC 8259). */
class Walk {
  readonly places = new Map<string, number>()
  readonly #text: string
  #at = 0

  constructor (text: string) {
    this.#text = text
  }

  whole (): void {
    this.#value('')
    this.#skip()
    if (this.#at < this.#text.length) throw new JsonError('the end of the file', this.#at)
  }

  #value (path: string): void {
    this.#skip()
    this.places.set(path, this.#at)
    const next = this.#text[this.#at]
    if (next === '{') this.#list('}', () => this.#member(path))
    else if (next === '[') this.#list(']', (index) => this.#value(`${path}[${index}]`))
    else if (this.#take(STRING) === undefined && this.#take(LITERAL) === undefined) throw new JsonError('a value', this.#at)
  }

  #member (path: string): void {
    this.#skip()
    const place = this.#at
    const name = this.#take(STRING)
    if (name === undefined) throw new JsonError('a name in double quotes', place)
    this.#skip()
    if (this.#take(/:/y) === undefined) throw new JsonError('a colon', this.#at)
    const own = JSON.parse(name) as string
    this.#value(path === '' ? own : `${path}.${own}`)
  }

  #list (end: '}' | ']', item: (index: number) => void): void {
    this.#at++
    this.#skip()
    if (this.#text[this.#at] === end) { this.#at++; return }
    for (let index = 0; ; index++) {
      item(index)
      this.#skip()
      const next = this.#text[this.#at]
      if (next !== ',' && next !== end) throw new JsonError(`a comma or ${end}`, this.#at)
      this.#at++
      if (next === end) return
    }
  }

  #skip (): void {
    this.#take(SPACE)
  }

  #take (pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const [taken] = pattern.exec(this.#text) ?? []
    this.#at += taken?.length ?? 0
    return taken
  }
}

/** Where each value of a JSON text stands, by its path as in `clients[0].clientId`. Throws a JsonError where it is not JSON. */
export function jsonPlaces (text: string): ReadonlyMap<string, number> {
  const walk = new Walk(text)
  walk.whole()
  return walk.places
}

/** An offset as editors count: from 1. */
export function lineAndColumn (text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n')
  return `Line ${before.length}, column ${String(before.at(-1)).length + 1}`
}
