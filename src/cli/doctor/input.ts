import { decodeText } from '../../config/text.ts'
import { authorizationOf, readCredentials } from '../../oauth/credentials.ts'
import { Refusal } from '../../oauth/errors.ts'

/** Standard input, as far as the doctor needs it. */
export type Input = AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean | undefined, readonly destroy?: () => unknown }

/** What stands on standard input. A refusal: of a request that is refused before a token is read. */
export type Presented =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'token', readonly token: string, readonly note: string | undefined }
  | { readonly kind: 'refused', readonly refusal: Refusal }
  | { readonly kind: 'no_token', readonly sentence: string }

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

/**
 * A token, a token response (JSON), `Bearer <token>`, or the head of a request as `curl -v` prints it: then the Authorization lines are
 * read as the service reads them. Nothing of the text is in the result but the token.
 */
export function readPresented (text: string | undefined, announced = false): Presented {
  if (text === undefined) return { kind: 'no_token', sentence: 'Standard input is not text, and contains no token.' }
  const trimmed = text.trim()
  if (trimmed === '') {
    return announced ? { kind: 'no_token', sentence: 'Standard input is empty, and contains no token.' } : { kind: 'nothing' }
  }
  const lines = authorizationLines(trimmed)
  if (lines.length > 0) {
    return credentialsIn(
      () => authorizationOf(lines.flatMap((value) => ['authorization', value])),
      `standard input is a request with ${lines.length} Authorization line${lines.length === 1 ? '' : 's'}`
    )
  }
  if (trimmed.startsWith('{')) return inResponse(trimmed)
  if (tokensIn(trimmed) > 1) {
    return { kind: 'no_token', sentence: `Standard input contains ${tokensIn(trimmed)} tokens: the doctor explains one.` }
  }
  return /^bearer(?:\s|$)/i.test(trimmed) ? credentialsIn(() => trimmed) : credentialsIn(() => `Bearer ${trimmed}`)
}

/** Words with the three parts of a signed JWT, each in a line of its own. */
function tokensIn (text: string): number {
  return text.split(/[\r\n]+/).filter((line) => /^(?:bearer\s+)?[\w-]+\.[\w-]+\.[\w-]+$/i.test(line.trim())).length
}

/** Of `curl -v` only the lines that it sent. */
function authorizationLines (text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/)
  const sent = lines.some((line) => /^> /.test(line)) ? lines.filter((line) => /^> /.test(line)).map((line) => line.slice(2)) : lines
  return sent.flatMap((line) => /^authorization:[ \t]*(.*?)[ \t]*$/i.exec(line)?.slice(1) ?? [])
}

function credentialsIn (read: () => string, note?: string): Presented {
  try {
    return { kind: 'token', token: readCredentials(read()).token, note }
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
