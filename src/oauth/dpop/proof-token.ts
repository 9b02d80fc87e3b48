import { readJsonPart } from '../strict-json.ts'

const MAX_PROOF_CHARACTERS = 4_096

/** A proof as it was decoded. Nothing of it is verified. */
export interface DecodedProof {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
  /** What is signed. */
  readonly input: string
  readonly signature: Buffer
}

/** The value of a DPoP header → its parts, as strictly as an access token is read; or what is wrong, in words for the log. */
export function decodeProof (text: string): DecodedProof | string {
  if (text.length > MAX_PROOF_CHARACTERS) return `${text.length} characters`
  const parts = text.split('.', 4)
  const [head = '', body = '', last = ''] = parts
  if (parts.length !== 3 || head === '' || body === '' || last === '') return 'not three parts'
  const signature = Buffer.from(last, 'base64url')
  if (signature.toString('base64url') !== last) return 'signature not_base64url'
  const header = readJsonPart(head)
  if (typeof header === 'string') return `header ${header}`
  const claims = readJsonPart(body)
  return typeof claims === 'string' ? `payload ${claims}` : { header, claims, input: `${head}.${body}`, signature }
}
