import { decodeText } from '../../http/text.ts'
import { authorizationOf, readCredentials } from '../../oauth/credentials.ts'
import { Refusal } from '../../oauth/errors.ts'
import type { Presentation } from './binding.ts'

/** Standard input, as far as the doctor needs it. */
export type Input = AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean | undefined, readonly destroy?: () => unknown }

/** What stands on standard input. A refusal: of a request that is refused before a token is read. */
export type Presented =
  | { readonly kind: 'nothing' }
  | TokenPresented
  | { readonly kind: 'refused', readonly refusal: Refusal }
  | { readonly kind: 'no_token', readonly sentence: string }

/** `presentation`: as an Authorization header has it; undefined for a token alone. */
interface TokenPresented {
  readonly kind: 'token'
  readonly token: string
  readonly note: string | undefined
  readonly presentation?: Presentation
}

/** More than any request head or token response has. */
const MAX_BYTES = 1024 * 1024
/** A pipe that nobody writes to and nobody closes must not hold the doctor. */
const FIRST_PART_MS = { unasked: 2_000, asked: 60_000 }

/**
 * The text on standard input; empty on a terminal, and when nothing comes; undefined: it is not text. `asked`: it was announced
 * (`--token-stdin`).
 */
export async function readInput (input: Input, asked: boolean): Promise<string | undefined> {
  if (input.isTTY === true && !asked) return ''
  const parts = input[Symbol.asyncIterator]()
  const read: Buffer[] = []
  let bytes = 0
  try {
    for (
      let part = await withinMs(parts.next(), FIRST_PART_MS[asked ? 'asked' : 'unasked']);
      part?.done === false;
      part = await withinMs(parts.next(), FIRST_PART_MS.asked)
    ) {
      read.push(Buffer.from(part.value))
      bytes += part.value.length
      if (bytes > MAX_BYTES) break
    }
  } finally {
    input.destroy?.()
  }
  return decodeText(Buffer.concat(read))
}

async function withinMs<T> (work: Promise<T>, limitMs: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => { timer = setTimeout(resolve, limitMs, undefined) })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** `announced`: standard input was, with `--token-stdin`. `dpop`: the service reads the scheme DPoP. */
interface Reading {
  readonly announced?: boolean
  readonly dpop?: boolean
}

/**
 * A token, a token response (JSON), the value of an Authorization header, or the head of a request as `curl -v` prints it: the header is
 * then read as the service reads it. Nothing of the text is in the result but the token.
 */
export function readPresented (text: string | undefined, { announced = false, dpop = false }: Reading = {}): Presented {
  if (text === undefined) return { kind: 'no_token', sentence: 'Standard input is not text, and contains no token.' }
  const trimmed = text.trim()
  if (trimmed === '') {
    return announced ? { kind: 'no_token', sentence: 'Standard input is empty, and contains no token.' } : { kind: 'nothing' }
  }
  const head = linesSent(trimmed)
  const lines = valuesIn(head, 'authorization')
  if (lines.length > 0) {
    const proofs = valuesIn(head, 'dpop')
    return credentialsIn(() => authorizationOf(lines.flatMap((value) => ['authorization', value])), {
      dpop,
      // One without a value is none.
      proofs: !head.some((line) => REQUEST_LINE.test(line)) ? undefined : proofs.join('') === '' && proofs.length === 1 ? 0 : proofs.length,
      note: `standard input is a request with ${lines.length} Authorization line${lines.length === 1 ? '' : 's'}`
    })
  }
  if (trimmed.startsWith('{')) return inResponse(trimmed)
  if (tokensIn(trimmed) > 1) {
    return { kind: 'no_token', sentence: `Standard input contains ${tokensIn(trimmed)} tokens: the doctor explains one.` }
  }
  return /^(?:bearer|dpop)(?:\s|$)/i.test(trimmed) ? credentialsIn(() => trimmed, { dpop }) : alone(trimmed)
}

/** Words with the three parts of a signed JWT, each in a line of its own. */
function tokensIn (text: string): number {
  return text.split(/[\r\n]+/).filter((line) => /^(?:(?:bearer|dpop)\s+)?[\w-]+\.[\w-]+\.[\w-]+$/i.test(line.trim())).length
}

/** The first line of a whole head. */
const REQUEST_LINE = /^[A-Z]+ \S+ HTTP\/\d/

/** Of `curl -v` only the lines that it sent. */
function linesSent (text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/)
  return lines.some((line) => /^> /.test(line)) ? lines.filter((line) => /^> /.test(line)).map((line) => line.slice(2)) : lines
}

function valuesIn (lines: readonly string[], name: string): string[] {
  return lines.flatMap((line) => {
    const [, written, value] = /^([\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? []
    return written?.toLowerCase() === name && value !== undefined ? [value] : []
  })
}

/** A token without a scheme: how it will be presented is not known. */
function alone (token: string): Presented {
  const presented = credentialsIn(() => `Bearer ${token}`, { dpop: false })
  if (presented.kind !== 'token') return presented
  return { kind: 'token', token: presented.token, note: undefined }
}

interface Header {
  readonly dpop: boolean
  readonly proofs?: number | undefined
  readonly note?: string
}

function credentialsIn (read: () => string, { dpop, proofs, note }: Header): Presented {
  try {
    const { scheme, token } = readCredentials(read(), dpop)
    return { kind: 'token', token, note, presentation: { scheme, proofs } }
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', refusal: error }
    throw error
  }
}

function inResponse (text: string): Presented {
  const { access_token: token, error } = objectOf(text)
  if (typeof token === 'string') {
    const presented = readPresented(token)
    return presented.kind === 'token'
      ? { ...presented, note: 'standard input is a token response: its access_token is explained' }
      : presented
  }
  if (typeof error === 'string') {
    return {
      kind: 'no_token',
      sentence:
        `Standard input is an error response of a token endpoint (${/^[a-z_]{1,40}$/.test(error) ? error : 'unknown error'}) and ` +
        'contains no token: the token request failed.'
    }
  }
  return {
    kind: 'no_token',
    sentence: 'Standard input is JSON without access_token: the doctor reads a token, a token response, or the head of a request.'
  }
}

function objectOf (text: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text)) as Record<string, unknown>
  } catch {
    return {}
  }
}
