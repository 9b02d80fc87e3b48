interface Ending { readonly reason: unknown }

const READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'] as const
const endings = new WeakMap<Response, Ending>()
/** One for each prototype of a response: to define the methods on every response would be a twentieth of what a call costs. */
const prototypes = new WeakMap<object, object>()

/**
 * A response of `fetch` whose body is still arriving. Where its connection is closed for a reason, that is what reading rejects with,
 * in place of `TypeError: terminated`. The error of the stream `body` itself remains that one; its cause is the reason.
 */
export function unfinished (response: Response, ending: Ending): Response {
  endings.set(response, ending)
  return Object.setPrototypeOf(response, prototypeOver(Object.getPrototypeOf(response) as object)) as Response
}

function prototypeOver (given: object): object {
  const known = prototypes.get(given)
  if (known !== undefined) return known
  const prototype = Object.create(given) as object
  for (const name of READERS) {
    const read = Reflect.get(given, name) as (() => Promise<unknown>) | undefined // Node 20 has no bytes()
    if (read !== undefined) define(prototype, name, function () { return orReason(Reflect.apply(read, this, []), endingOf(this)) })
  }
  const clone = Reflect.get(given, 'clone') as () => Response
  define(prototype, 'clone', function () { return unfinished(Reflect.apply(clone, this, []), endingOf(this)) })
  prototypes.set(given, prototype)
  return prototype
}

function define (prototype: object, name: string, value: (this: Response) => unknown): void {
  Object.defineProperty(prototype, name, { value, configurable: true, writable: true })
}

/** Each object with such a prototype is in the map. */
function endingOf (response: Response): Ending {
  return endings.get(response) as Ending
}

async function orReason (work: Promise<unknown>, ending: Ending): Promise<unknown> {
  try {
    return await work
  } catch (error) {
    throw ending.reason ?? error
  }
}
