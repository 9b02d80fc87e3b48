/** The signature algorithms that can be configured: asymmetric only (RFC 8725 §3.1, §3.2). */
export const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'] as const

export type Algorithm = typeof ALGORITHMS[number]

export function isAlgorithm (name: unknown): name is Algorithm {
  return (ALGORITHMS as readonly unknown[]).includes(name)
}
