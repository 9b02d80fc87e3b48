import { isUtf8 } from 'node:buffer'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { shown } from '../src/oauth/printable.ts'

/** A request body that is refused; `detail` is for the response and for the log. */
export class BadBody extends Error {
  readonly statusCode: 400 | 415
  readonly detail: string
  readonly headers: Readonly<Record<string, string>>

  constructor (statusCode: 400 | 415, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.statusCode = statusCode
    this.detail = detail
    this.headers = headers
  }
}

/** A coding of the body that we would have to undo (RFC 9110 §15.5.16). An empty value and `identity` are none. */
export function refusedCoding ({ headers }: FastifyRequest): BadBody | undefined {
  const coding = headers['content-encoding']
  if (coding === undefined || /^(identity)?$/i.test(coding.trim()) || !hasBody(headers)) return undefined
  return new BadBody(415, 'Content-Encoding is not accepted: send the body without it', { 'accept-encoding': 'identity' })
}

function hasBody (headers: FastifyRequest['headers']): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** JSON only, and only in UTF-8 (RFC 8259 §8.1): a reader that replaces other bytes would change what was sent. */
export function readJsonBodies (app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('text/plain')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (isUtf8(body)) void parse(request, body.toString(), done)
    else done(new BadBody(400, 'body: not UTF-8'))
  })
}

type Validation = NonNullable<FastifyError['validation']>[number]

/** What is wrong with a body, without a value of it; undefined: the error is of another kind. */
export function detailOf (error: FastifyError | BadBody, request: FastifyRequest): string | undefined {
  if (error instanceof BadBody) return error.detail
  const { validation, validationContext = 'request' } = error
  if (validation === undefined) return detailOfCode(error.code, request)
  if (validationContext === 'body' && !hasBody(request.headers)) return EMPTY
  return `${validationContext}: ${validation.map(detailOfRule).join(', ')}`
}

function detailOfRule ({ instancePath, message = 'invalid', params }: Validation): string {
  const { additionalProperty } = (params as Validation['params'] | undefined) ?? {}
  const name = typeof additionalProperty === 'string' ? `: "${shown(additionalProperty)}"` : ''
  return `${shown(instancePath)} ${message}${name}`.trim()
}

const EMPTY = 'body: empty, JSON is expected'

function detailOfCode (code: string, { headers }: FastifyRequest): string | undefined {
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return headers['content-type'] === undefined
      ? 'Content-Type is missing: application/json is expected'
      : 'Content-Type is not application/json'
  }
  return DETAILS[code]
}

const DETAILS: Readonly<Record<string, string>> = {
  FST_ERR_CTP_EMPTY_JSON_BODY: EMPTY,
  FST_ERR_CTP_INVALID_JSON_BODY: 'body: not valid JSON',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body: too long',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'body: its length is not that of Content-Length'
}
