/** Claims in the making, without a prototype: no name in a realm file can reach one. */
export type Claims = Record<string, unknown>

export const noClaims = (): Claims => Object.create(null) as Claims

const isNested = (value: unknown): value is Claims => typeof value === 'object' && value !== null && !Array.isArray(value)

/** `a.b\.c` is member `b.c` of claim `a`. */
const pathOf = (claimName: string): readonly string[] =>
  (claimName.match(/(?:\\.|[^\\.])+/gs) ?? []).map((part) => part.replaceAll(/\\(.)/gs, '$1'))

/** A name that is one step of a path whatever is in it. */
export const asStep = (name: string): string => name.replaceAll(/[\\.]/g, '\\$&')

/** Puts a value under a claim name as mappers spell it; `undefined` and a path through something else put nothing. */
export function setClaim (claims: Claims, claimName: string, value: unknown): void {
  const path = [...pathOf(claimName)]
  const last = path.pop()
  if (last === undefined || value === undefined) return
  let within = claims
  for (const step of path) {
    const next = within[step] ?? noClaims()
    if (!isNested(next)) return
    within[step] = next
    within = next
  }
  within[last] = value
}

function parsed (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The text of a realm file as the JSON type that a mapper names; `undefined` where it is none of that type. */
export function typed (text: string, type: string | undefined): unknown {
  if (type === 'boolean') return text.toLowerCase() === 'true'
  if (type === 'JSON') return parsed(text)
  if (type !== 'long' && type !== 'int') return text
  return /^[+-]?\d+$/.test(text) ? Number(text) : undefined
}

/** The order in which Keycloak writes the claims it knows; the order of all others means nothing. */
const ORDER = [
  'exp', 'iat', 'jti', 'iss', 'aud', 'sub', 'typ', 'azp', 'sid', 'at_hash', 'acr', 'cnf', 'allowed-origins',
  'realm_access', 'resource_access', 'scope'
] as const

/** The claims in Keycloak's order, without those that are `undefined`. */
export function inOrder (claims: Readonly<Claims>): Claims {
  const names = new Set<string>([...ORDER, ...Object.keys(claims)])
  const ordered = noClaims()
  for (const name of names) if (claims[name] !== undefined) ordered[name] = claims[name]
  return ordered
}
