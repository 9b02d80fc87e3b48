import type { IncomingMessage } from 'node:http'
import { plain, Refusal } from './responses.ts'

/** Keycloak allows so many bytes for one parameter; here they are for the whole body. */
const MAX_BYTES = 131_072
const MAX_PARAMETERS = 1000

const MALFORMED = /%(?![0-9a-f]{2})/i

/** One form-encoded text, decoded; `undefined` for a broken percent escape. Bytes that are not UTF-8 are replaced. */
export function formDecoded (text: string): string | undefined {
  if (MALFORMED.test(text)) return undefined
  return String(new URLSearchParams(`text=${text.replaceAll('&', '%26')}`).get('text'))
}

/** Reads a body to its end, so that the response gets through, and keeps no more of it than is allowed. */
async function readBody (request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= MAX_BYTES) chunks.push(chunk)
  }
  if (bytes > MAX_BYTES) throw plain(413)
  return Buffer.concat(chunks).toString()
}

const isForm = (contentType = ''): boolean => /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(contentType)

/** The parameters of a form; none where the body is anything else. A form that cannot be read is refused. */
export async function readForm (request: IncomingMessage): Promise<URLSearchParams> {
  const body = await readBody(request)
  if (!isForm(request.headers['content-type'])) return new URLSearchParams()
  const form = new URLSearchParams(body)
  if (MALFORMED.test(body)) throw new Refusal(400, 'invalid_request', 'The form has a broken percent escape')
  if (form.size > MAX_PARAMETERS) throw new Refusal(400, 'invalid_request', `The form has more than ${MAX_PARAMETERS} parameters`)
  return form
}
