/** The confirmations (`cnf`, RFC 7800) that can be checked: of a DPoP key (RFC 9449 §6.1), and of a client certificate (RFC 8705 §3.1). */
export type ConfirmationMethod = 'jkt' | 'x5t#S256'

/** What a token is bound to: SHA-256 thumbprints in base64url. At least one. */
export interface Confirmation {
  /** Of the public key that signs the DPoP proofs (RFC 7638). */
  readonly jkt?: string
  /** Of the client certificate of the connection. */
  readonly certificate?: string
}

const METHODS: readonly string[] = ['jkt', 'x5t#S256'] satisfies readonly ConfirmationMethod[]
/** Registered for `cnf`, and never checked here: a token that has one of them may not be used without its proof. */
const UNCHECKED: readonly string[] = ['jwk', 'jwe', 'kid', 'jku', 'osc']
const SHA_256 = /^[\w-]{43}$/

/**
 * Whether `cnf` holds only confirmations that are checked here, and at least one. Members that are not confirmations are tolerated beside
 * one: Keycloak writes `kc-jkt-type`.
 */
export function isConfirmable (cnf: unknown, checked: readonly ConfirmationMethod[] = []): boolean {
  if (typeof cnf !== 'object' || cnf === null) return false
  const members = new Map(Object.entries(cnf))
  const names = [...members.keys()]
  const methods = names.filter((name) => METHODS.includes(name))
  return methods.length > 0 && !names.some((name) => UNCHECKED.includes(name)) &&
    methods.every((name) => (checked as readonly string[]).includes(name) && isThumbprint(members.get(name)))
}

function isThumbprint (value: unknown): boolean {
  return typeof value === 'string' && SHA_256.test(value)
}

/** `cnf` of a token that was read → what it is bound to. */
export function confirmationOf (cnf: unknown): Confirmation | undefined {
  if (cnf === undefined) return undefined
  const { jkt, 'x5t#S256': certificate } = cnf as { readonly jkt?: string, readonly 'x5t#S256'?: string }
  return Object.freeze({ ...jkt !== undefined && { jkt }, ...certificate !== undefined && { certificate } })
}
