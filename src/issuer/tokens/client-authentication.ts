import { createHash, timingSafeEqual } from 'node:crypto'
import { notImitated, Refusal } from '../http/responses.ts'
import type { Client, Directory } from '../realm/directory.ts'
import { formDecoded } from '../http/form.ts'

const INVALID = 'Invalid client or Invalid client credentials'

/** Takes as long for every wrong secret, whatever its length. */
export function isSame (given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(expected))
}

/** RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. What cannot be read is as if it were not there. */
function readBasic (authorization = ''): { readonly clientId?: string, readonly secret?: string } {
  const encoded = /^basic +([a-z0-9+/]+={0,2})$/i.exec(authorization)?.[1] ?? ''
  const credentials = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString())
  if (credentials === null) return {}
  const [clientId, secret] = credentials.slice(1).map(formDecoded)
  if (clientId === undefined || secret === undefined) {
    throw new Refusal(400, 'unauthorized_client', 'Unexpected error when authenticating client')
  }
  return { clientId, secret }
}

function checkSecret (client: Client, secret: string | undefined): void {
  const matches = isSame(secret ?? '', client.secret ?? '')
  const usable = client.bearerOnly !== true && client.secret !== undefined
  if (!usable || secret === undefined || !matches) throw new Refusal(401, 'unauthorized_client', INVALID)
}

function refuseAssertion (form: URLSearchParams): never {
  if (!form.has('client_assertion_type')) throw new Refusal(400, 'invalid_client', 'Parameter client_assertion_type is missing')
  if (!form.has('client_assertion')) throw new Refusal(400, 'invalid_client', 'client_assertion parameter missing')
  throw new Refusal(400, 'invalid_client', notImitated('client_assertion'))
}

/**
 * The client that sends this request, or a refusal. What the form says wins over Basic, part by part. A public client
 * proves nothing.
 */
export function authenticateClient (directory: Directory, authorization: string | undefined, form: URLSearchParams): Client {
  const basic = readBasic(authorization)
  const clientId = form.get('client_id') ?? basic.clientId
  const client = clientId === undefined ? undefined : directory.client(clientId)
  if (client === undefined) {
    if (form.has('client_assertion')) refuseAssertion(form)
    throw new Refusal(401, 'invalid_client', INVALID)
  }
  if (client.publicClient === true) return client
  const type = client.clientAuthenticatorType ?? 'client-secret'
  if (type === 'client-jwt' || type === 'client-secret-jwt') refuseAssertion(form)
  if (type !== 'client-secret') throw new Refusal(400, 'invalid_client', notImitated(`client authenticator ${type}`))
  checkSecret(client, form.get('client_secret') ?? basic.secret)
  return client
}
