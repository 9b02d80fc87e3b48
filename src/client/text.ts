/** Files and Kubernetes secrets often end with one line break, which belongs to neither an id nor a secret. */
export function withoutLineBreak (value: string): string {
  return value.replace(/\r?\n$/, '')
}

/** Text of one line, apart from a line break at its end. */
export function isOneLine (value: unknown): value is string {
  return typeof value === 'string' && /^[^\r\n]+$/.test(withoutLineBreak(value))
}

/** RFC 6749 section 3.3: a scope is a word of printable ASCII without quote and backslash. */
export function isScopeWord (word: unknown): word is string {
  return typeof word === 'string' && /^[\x21\x23-\x5B\x5D-\x7E]+$/.test(word)
}
