import type { Claims, Principal } from './principal.ts'

/**
 * What a verified token holds in memory: its text, its claims as parsed, and the principal made of them, as V8 lays them out in Node
 * (no pointer compression). Within a fifth of what is measured for the tokens of Keycloak (test/oauth/held-bytes.test.ts). Names and
 * short texts that no other token has cost more than is counted here, short texts that all have cost less.
 */
export function heldBytes (token: string, principal: Principal, claims: Claims = principal.claims): number {
  const { scopes, clientRoles } = principal
  return ENTRY + token.length + valueBytes(claims) + scopes.length * SCOPE + Object.keys(clientRoles).length * CLIENT_ROLES
}

/** The entry, the principal, their places in map and list, and the views of the header line. */
const ENTRY = 400
const SCOPE = 40
const CLIENT_ROLES = 32
const OBJECT = 24
const EMPTY_OBJECT = 56
const ARRAY = 48
const SLOT = 8
/** An object with more members than this is a hash table. */
const MOST_FIELDS = 128
const TABLE_SLOT = 48
const TEXT = 24
/** JSON.parse keeps short texts once for all tokens. */
const SHORT_TEXT_LENGTH = 10
const DOUBLE = 16

function valueBytes (value: unknown): number {
  if (typeof value === 'string') return value.length <= SHORT_TEXT_LENGTH ? SLOT : TEXT + value.length
  if (typeof value === 'number') return Number.isInteger(value) ? 0 : DOUBLE
  if (typeof value !== 'object' || value === null) return 0
  const parts = Object.values(value)
  let bytes = 0
  for (const part of parts) bytes += valueBytes(part)
  if (Array.isArray(value)) return bytes + ARRAY + parts.length * SLOT
  if (parts.length === 0) return EMPTY_OBJECT
  return bytes + OBJECT + parts.length * (parts.length > MOST_FIELDS ? TABLE_SLOT : SLOT)
}
