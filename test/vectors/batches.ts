/** Does the work for every item, a few at a time and in their order: the machine is shared. */
export async function inBatches<T, R> (items: readonly T[], work: (item: T) => Promise<R>, size = 20): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < items.length; at += size) results.push(...await Promise.all(items.slice(at, at + size).map(work)))
  return results
}

/** RFC 6750 §2.1: what may stand after `Bearer `. Any other text is a malformed request (400), not a bad token. */
export function isToken68 (text: string): boolean {
  return /^[A-Za-z0-9\-._~+/]+=*$/.test(text)
}
