/** So many lists are kept, of texts of at most so many characters: less than a megabyte. */
const KEPT = 256
const LONGEST = 256

const kept = new Map<string, readonly string[]>()

/**
 * The words of a `scope` claim (RFC 6749 §3.3), frozen. The clients of a realm have few different sets of scopes: their tokens share one
 * list, which costs no memory for each token, and stays in the cache of the processor.
 */
export function scopeList (scope: string): readonly string[] {
  const known = kept.get(scope)
  if (known !== undefined) return known
  const list = Object.freeze(scope.split(' '))
  if (scope.length > LONGEST) return list
  if (kept.size === KEPT) kept.clear()
  kept.set(scope, list)
  return list
}
