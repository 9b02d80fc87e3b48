/** Whatever can be reached from a value and is not frozen, by its path. */
export function thawed (value: unknown, at = ''): string[] {
  if (typeof value !== 'object' || value === null) return []
  return [...Object.isFrozen(value) ? [] : [at], ...Object.entries(value).flatMap(([name, inner]) => thawed(inner, `${at}.${name}`))]
}
