/** Reads one value of a realm file: what it is good for comes back, what is wrong with it goes to `faults`, in words. */
export type Reader = (value: unknown, at: string, faults: string[]) => unknown

function expected (faults: string[], at: string, what: string): undefined {
  faults.push(`${at} must be ${what}`)
  return undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Java reads null as "not there". */
const present = (object: Record<string, unknown>): [string, unknown][] =>
  Object.entries(object).filter(([, value]) => value !== null && value !== undefined)

export const text: Reader = (value, at, faults) =>
  typeof value === 'string' ? value : expected(faults, at, 'text')

/** A name: it becomes part of an address. */
export const filled: Reader = (value, at, faults) =>
  value === '' ? expected(faults, at, 'text that is not empty') : text(value, at, faults)

export const flag: Reader = (value, at, faults) =>
  typeof value === 'boolean' ? value : expected(faults, at, 'true or false')

export const whole: Reader = (value, at, faults) =>
  Number.isSafeInteger(value) ? value : expected(faults, at, 'a whole number')

/** The value of an attribute: text, or what the admin console sends where text is meant (`"enabled": false`). */
export const word: Reader = (value, at, faults) =>
  ['string', 'boolean', 'number'].includes(typeof value) ? String(value) : expected(faults, at, 'text')

export const listOf = (item: Reader): Reader => (value, at, faults) =>
  Array.isArray(value)
    ? value.map((one: unknown, index) => item(one, `${at}[${index}]`, faults))
    : expected(faults, at, 'a list')

export const mapOf = (item: Reader): Reader => (value, at, faults) =>
  isObject(value)
    ? Object.fromEntries(present(value).map(([name, one]) => [name, item(one, `${at}.${name}`, faults)]))
    : expected(faults, at, 'an object')

/** An object of which only the named members are read; `required` must be there. */
export const membersOf = (members: Readonly<Record<string, Reader>>, required?: string): Reader => (value, at, faults) => {
  if (!isObject(value)) { expected(faults, at, 'an object'); return }
  const given = new Map(present(value))
  const within = (name: string): string => at === '' ? name : `${at}.${name}`
  if (required !== undefined && !given.has(required)) expected(faults, within(required), 'there')
  const read = Object.entries(members).filter(([name]) => given.has(name))
  return Object.fromEntries(read.map(([name, reader]) => [name, reader(given.get(name), within(name), faults)]))
}
