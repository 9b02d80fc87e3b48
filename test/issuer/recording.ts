import { createPublicKey, verify } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import type { Test } from 'tap'
import { decoded, formRequest, readJson, send } from './wire.ts'
import type { Received, Sent } from './wire.ts'

type Json = Readonly<Record<string, unknown>>

export interface RecordedCase {
  readonly case: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly headers?: Readonly<Record<string, string>>
    readonly form?: Readonly<Record<string, string | readonly string[]>>
    readonly body?: string
  }
  readonly response: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly body: unknown
  }
}

/** Where a recorded case is replayed: against which issuer, with which keys. */
export interface Stage {
  readonly port: number
  readonly keys: readonly (JsonWebKey & { readonly kid?: string })[]
}

export const recorded = (topic: string): readonly RecordedCase[] => readJson(`../recordings/${topic}.json`) as RecordedCase[]

/** `xxxx… (4000 characters)` and `test_api_access test… (3199 characters)` as they were sent. */
function whole (text: string): string {
  const [, start, length] = /^(.*)… \((\d+) characters\)$/s.exec(text) ?? []
  if (start === undefined) return text
  return start.endsWith('x') ? start.padEnd(Number(length), 'x') : ''.padEnd(Number(length), 'test_api_access ')
}

const mapTexts = (value: unknown, change: (text: string) => string): unknown => {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((one) => mapTexts(one, change))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mapTexts(one, change)]))
}

function sentOf ({ request: { method, path, headers = {}, form, body } }: RecordedCase): Sent {
  if (form === undefined) return { method, path, headers, body }
  const asForm = formRequest(path, mapTexts(form, whole) as Record<string, string>)
  return { ...asForm, method, headers: { ...asForm.headers, ...headers } }
}

const UUID = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

/** Members whose value differs from run to run, and what it always looks like. */
const VOLATILE = new Map<string, RegExp>([
  ['kid', /^(?:[\w-]{43}|[0-9a-f-]{36})$/], ['jti', new RegExp(`^(?:[a-z]{6}:)?${UUID}$`)], ['sub', new RegExp(`^${UUID}$`)],
  ['sid', /^[\w-]{24}$/], ['session_state', /^[\w-]{24}$/], ['at_hash', /^[\w-]{22}$/],
  ['exp', /^\d{10}$/], ['iat', /^\d{10}$/], ['expires_in', /^(?:300|299|60)$/],
  ['n', /^[\w-]{342}$/], ['x5t', /^[\w-]{27}$/], ['x5t#S256', /^[\w-]{43}$/], ['x5c', /^MIIC/], ['public_key', /^MIIBIjAN/]
])

/** The order of these claims differs from realm to realm: sorted. All others stay as they are. */
function settled (object: Json): readonly string[] {
  const names = Object.keys(object)
  const isToken = names.includes('iss') && names.includes('typ')
  const end = isToken ? names.findLastIndex((name) => ['scope', 'acr', 'azp'].includes(name)) + 1 : names.length
  return [...names.slice(0, end), ...names.slice(end).sort()]
}

const jwtOrSelf = (value: unknown): unknown => {
  if (typeof value !== 'string' || !/^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) return value
  const { header, payload } = decoded(value)
  return { header, payload }
}

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

const sorted = (values: readonly unknown[]): string[] => values.map((value) => JSON.stringify(value)).sort()

const wordsOf = (scope: unknown): readonly string[] => String(scope).split(' ').sort()

/** What must hold between the members of a token: how long it lives, and what kind of `jti` it has. */
function compareToken (t: Test, actual: Json, wanted: Json, at: string): void {
  const lifeOf = ({ exp, iat }: Json): number => Number(exp) - Number(iat)
  const kindOf = ({ jti }: Json): string => String(jti).slice(0, -36)
  if ('exp' in wanted) t.equal(lifeOf(actual), lifeOf(wanted), `${at} lives as long`)
  if ('jti' in wanted) t.equal(kindOf(actual), kindOf(wanted), `${at} has the same kind of jti`)
}

function compareObject (t: Test, actual: unknown, wanted: Json, at: string): void {
  if (!isObject(actual)) {
    t.fail(`${at} is an object`)
    return
  }
  t.same(settled(actual), settled(wanted), `${at} has the members in order`)
  compareToken(t, actual, wanted, at)
  for (const [member, value] of Object.entries(wanted)) compare(t, actual[member], value, `${at}.${member}`)
}

function compareList (t: Test, actual: unknown, wanted: readonly unknown[], at: string): void {
  const list: readonly unknown[] = Array.isArray(actual) ? actual : []
  t.equal(list.length, wanted.length, `${at} has as many`)
  if (wanted.some(isObject)) wanted.forEach((one, index) => compare(t, list[index], one, `${at}.${index}`))
  else t.same(sorted(list), sorted(wanted), `${at} as a set`)
}

/** Members in order, values by kind where they differ between runs, `scope` and lists as sets. */
export function compare (t: Test, found: unknown, wanted: unknown, at: string): void {
  const actual = jwtOrSelf(found)
  const name = at.slice(at.lastIndexOf('.') + 1)
  const pattern = VOLATILE.get(name)
  if (pattern !== undefined) t.match(String(actual), pattern, `${at} looks like it`)
  else if (isObject(wanted)) compareObject(t, actual, wanted, at)
  else if (Array.isArray(wanted)) compareList(t, actual, wanted, at)
  else if (name === 'scope') t.same(wordsOf(actual), wordsOf(wanted), `${at} as a set`)
  else t.equal(actual, name === 'refresh_expires_in' ? wholeLife(wanted) : wanted, at)
}

/** Keycloak's number is less by one where a second has begun since the session did. */
const wholeLife = (seconds: unknown): unknown => seconds === 1799 ? 1800 : seconds

const SECURITY = {
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'SAMEORIGIN',
  'x-robots-tag': 'none'
}

const TELLING = [
  'cache-control', 'pragma', 'content-type', 'location', 'access-control-allow-origin', 'access-control-allow-methods', 'allow',
  'www-authenticate'
]

function compareHeaders (t: Test, received: Received, wanted: Readonly<Record<string, string>>): void {
  t.match(received.headers, SECURITY)
  for (const name of new Set([...TELLING, ...Object.keys(wanted)])) t.equal(received.headers[name], wanted[name], name)
}

function checkSignature (t: Test, token: string, keys: Stage['keys']): void {
  const [header, payload, signature = ''] = token.split('.')
  const { headerText, header: { kid } } = decoded(token)
  t.match(headerText, /^\{"alg":"RS256","typ" : "(?:JWT|at\+jwt)","kid" : "[\w-]+"\}$/, 'header bytes')
  const key = createPublicKey({ key: keys.find((one) => one.kid === kid) ?? {}, format: 'jwk' })
  t.ok(verify('RSA-SHA256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')), 'signed by a listed key')
}

/** Sends what was sent to Keycloak, and holds what comes back against what came back. */
export async function replay (t: Test, one: RecordedCase, { port, keys }: Stage): Promise<void> {
  const received = await send(port, sentOf(one))
  const here = (text: string): string => whole(text).replaceAll('http://localhost:8080', `http://localhost:${port}`)
  const { status, headers, body } = mapTexts(one.response, here) as RecordedCase['response']
  t.equal(received.status, status, 'status')
  compareHeaders(t, received, headers)
  if (typeof body === 'string') {
    // Recorded as "as above", or nothing at all.
    t.equal(received.text === '', body === '', 'body there or not')
    return
  }
  const found = JSON.parse(received.text) as Json
  compare(t, found, body, 'body')
  for (const token of [found['access_token'], found['id_token']]) if (typeof token === 'string') checkSignature(t, token, keys)
}
