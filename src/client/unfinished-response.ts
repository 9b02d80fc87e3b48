const READERS = ['arrayBuffer', 'blob', 'bytes', 'formData', 'json', 'text'] as const

/**
 * A response of `fetch` whose body is still arriving. Where its connection is closed for a reason, that is what reading rejects with,
 * in place of `TypeError: terminated`. The error of the stream `body` itself remains that one; its cause is the reason.
 */
export function unfinished (response: Response, ending: { readonly reason: unknown }): Response {
  for (const name of READERS) {
    const read = Reflect.get(response, name) as (() => Promise<unknown>) | undefined // Node 20 has no bytes()
    if (read !== undefined) define(response, name, () => orReason(Reflect.apply(read, response, []), ending))
  }
  const { clone } = response
  define(response, 'clone', () => unfinished(Reflect.apply(clone, response, []), ending))
  return response
}

function define (response: Response, name: string, value: () => unknown): void {
  Object.defineProperty(response, name, { value, configurable: true, writable: true })
}

async function orReason (work: Promise<unknown>, ending: { readonly reason: unknown }): Promise<unknown> {
  try {
    return await work
  } catch (error) {
    throw ending.reason ?? error
  }
}
