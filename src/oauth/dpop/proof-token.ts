import { readJsonPart } from '../strict-json.ts'

const MAX_PROOF_CHARACTERS = 4_096

/** A first part of a proof that was decoded before: most callers send the same one with each proof. */
export interface KnownHeader {
  readonly head: string
  readonly header: DecodedProof['header']
}

/** A proof as it was decoded. Nothing of it is verified. */
export interface DecodedProof {
  /** As received: the first of the three parts. */
  readonly head: string
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  /** What is signed. */
  readonly input: string
  readonly signature: Buffer
}

/**
 * The value of a DPoP header → its parts, as strictly as an access token is read; or what is wrong, in words for the log. A known header
 * is given back as the same object, so that what was found out about it still holds.
 */
export function decodeProof (text: string, known?: KnownHeader): DecodedProof | string {
  if (text.length > MAX_PROOF_CHARACTERS) return `${text.length} characters`
  const parts = text.split('.', 4)
  const [head = '', body = '', last = ''] = parts
  if (parts.length !== 3 || head === '' || body === '' || last === '') return 'not three parts'
  const signature = Buffer.from(last, 'base64url')
  if (signature.toString('base64url') !== last) return 'signature not_base64url'
  const header = head === known?.head ? known.header : readJsonPart(head)
  if (typeof header === 'string') return `header ${header}`
  const claims = readJsonPart(body)
  return typeof claims === 'string' ? `payload ${claims}` : { head, header, claims, input: `${head}.${body}`, signature }
}
