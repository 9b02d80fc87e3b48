/** What is wrong with a member of a realm object. `at` is its path, `clients[0].clientId`; empty for the object itself. */
export interface ShapeError {
  readonly at: string
  readonly expected: string
}

/** Reads one value of a realm object: what is used of it is returned, what is wrong with it is added to `errors`. */
export type Reader = (value: unknown, at: string, errors: ShapeError[]) => unknown

function expected (errors: ShapeError[], at: string, what: string): undefined {
  errors.push({ at, expected: what })
  return undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Java reads null as "not there". */
const present = (object: Record<string, unknown>): [string, unknown][] =>
  Object.entries(object).filter(([, value]) => value !== null && value !== undefined)

export const text: Reader = (value, at, errors) =>
  typeof value === 'string' ? value : expected(errors, at, 'text')

/** A name: it becomes part of an address. */
export const filled: Reader = (value, at, errors) =>
  value === '' ? expected(errors, at, 'text that is not empty') : text(value, at, errors)

export const flag: Reader = (value, at, errors) =>
  typeof value === 'boolean' ? value : expected(errors, at, 'true or false')

export const whole: Reader = (value, at, errors) =>
  Number.isSafeInteger(value) ? value : expected(errors, at, 'a whole number')

/** The value of an attribute: text, or what the admin console sends where text is meant (`"enabled": false`). */
export const word: Reader = (value, at, errors) =>
  ['string', 'boolean', 'number'].includes(typeof value) ? String(value) : expected(errors, at, 'text')

export const listOf = (item: Reader): Reader => (value, at, errors) =>
  Array.isArray(value)
    ? value.map((one: unknown, index) => item(one, `${at}[${index}]`, errors))
    : expected(errors, at, 'a list')

export const mapOf = (item: Reader): Reader => (value, at, errors) =>
  isObject(value)
    ? Object.fromEntries(present(value).map(([name, one]) => [name, item(one, `${at}.${name}`, errors)]))
    : expected(errors, at, 'an object')

/** An object of which only the named members are read; `required` must be there. */
export const membersOf = (members: Readonly<Record<string, Reader>>, required?: string): Reader => (value, at, errors) => {
  if (!isObject(value)) { expected(errors, at, 'an object'); return }
  const given = new Map(present(value))
  const within = (name: string): string => at === '' ? name : `${at}.${name}`
  if (required !== undefined && !given.has(required)) expected(errors, within(required), 'there')
  const read = Object.entries(members).filter(([name]) => given.has(name))
  return Object.fromEntries(read.map(([name, reader]) => [name, reader(given.get(name), within(name), errors)]))
}
