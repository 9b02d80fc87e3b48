import fc from 'fast-check'

/**
 * Structured tokens for property tests, and what the rules of a resource server say about them. Written from RFC 6749, 6750, 7515, 7519,
 * 8725 and 9068 and the limits of design.md, not from src/oauth: where the two disagree, one of them is wrong.
 */

/** A value as text: for what JSON can write and JavaScript cannot hold. `twice`: some member is in it twice. */
export class Written {
  readonly text: string
  readonly value: unknown
  readonly twice: boolean

  constructor (text: string) {
    this.text = text
    this.value = JSON.parse(text)
    this.twice = /"a".*"(?:a|\\u0061)":/.test(text)
  }
}

/** Name and value; a name may come twice. */
export type Member = readonly [name: string, value: unknown]

export interface Spelling {
  /** Put between the parts of the JSON, in turn. */
  readonly blanks: readonly string[]
  /** Inside nested values. */
  readonly indent: string | number
  /** Every character of names and strings as \uXXXX, for each member in turn. */
  readonly escaped: readonly boolean[]
}

export const PLAIN: Spelling = { blanks: [''], indent: 0, escaped: [false] }

/** The same members in another spelling are the same object. */
export function writeObject (members: readonly Member[], { blanks, indent, escaped }: Spelling): string {
  let at = 0
  const blank = (): string => blanks[at++ % blanks.length] ?? ''
  const parts = members.map(([name, value], index) => {
    const escape = escaped[index % escaped.length] === true
    return `${blank()}${quoted(name, escape)}${blank()}:${blank()}${written(value, indent, escape)}${blank()}`
  })
  return `${blank()}{${parts.length === 0 ? blank() : parts.join(',')}}${blank()}`
}

function quoted (text: string, escape: boolean): string {
  if (!escape) return JSON.stringify(text)
  const units = Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`)
  return `"${units.join('')}"`
}

function written (value: unknown, indent: string | number, escape: boolean): string {
  if (value instanceof Written) return value.text
  return typeof value === 'string' ? quoted(value, escape) : JSON.stringify(value, null, indent)
}

export interface Rules {
  readonly issuer: string
  readonly audience: string
  readonly algorithm: string
  readonly kid: string
  readonly nowSeconds: number
}

/**
 * What is wrong with a really signed token, or undefined if it is to be accepted. Dates within a few seconds of a limit are not
 * for this.
 */
export function faultOf (header: readonly Member[], claims: readonly Member[], token: string, rules: Rules): string | undefined {
  if (token.length > 15_000) return 'over 15,000 bytes'
  if (isTwice(header) || isTwice(claims)) return 'a member twice'
  if (depthOf(header) > 16 || depthOf(claims) > 16) return 'deeper than 16'
  return headerFault(valuesOf(header), rules) ?? shapeFault(valuesOf(claims)) ?? meaningFault(valuesOf(claims), rules)
}

type Values = ReadonlyMap<string, unknown>

export function valuesOf (members: readonly Member[]): Values {
  return new Map(members.map(([name, value]) => [name, value instanceof Written ? value.value : value]))
}

function isTwice (members: readonly Member[]): boolean {
  return new Set(members.map(([name]) => name)).size < members.length || members.some(([, value]) => value instanceof Written &&
    value.twice)
}

function depthOf (members: readonly Member[]): number {
  return 1 + Math.max(0, ...members.map(([, value]) => depth(value instanceof Written ? value.value : value)))
}

function depth (value: unknown): number {
  return typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depth)) : 0
}

const FORBIDDEN_MEMBERS = ['crit', 'b64', 'zip', 'enc', 'jwk', 'jku', 'x5u', 'x5c']

/** RFC 8725 §3.1, §3.10, RFC 7515 §4.1.9 (media types without regard to case), RFC 9068 §2.1; Keycloak says JWT or nothing. */
function headerFault (header: Values, { algorithm, kid }: Rules): string | undefined {
  const typ = header.get('typ')
  if (FORBIDDEN_MEMBERS.some((one) => header.has(one))) return 'a header member that would change how the token is read'
  if (header.get('alg') !== algorithm) return 'alg'
  if (header.get('kid') !== kid) return 'kid'
  if (header.has('typ') && !(typeof typ === 'string' && /^(?:application\/)?(?:jwt|at\+jwt)$/i.test(typ))) return 'header typ'
  return undefined
}

/** Registered claims have the types of their definitions (RFC 7519 §4.1, RFC 9068 §2.2, OpenID Connect, Keycloak's roles). */
function shapeFault (claims: Values): string | undefined {
  const wrong = (names: readonly string[], isRight: (value: unknown) => boolean): string | undefined =>
    names.find((one) => claims.has(one) && !isRight(claims.get(one)))
  return ['iss', 'aud', 'exp'].find((name) => !claims.has(name)) ??
    wrong(['iss', 'sub', 'azp', 'client_id', 'jti', 'typ', 'sid'], (value) => typeof value === 'string') ??
    wrong(['exp', 'iat', 'nbf', 'auth_time'], (value) => typeof value === 'number' && value >= 0 && value <= 253_402_300_799) ??
    wrong(['aud'], (value) => typeof value === 'string' || isListOfStrings(value)) ??
    wrong(['cnf'], isRecord) ??
    wrong(['realm_access'], isRoles) ??
    wrong(['resource_access'], (value) => isRecord(value) && Object.values(value).every(isRoles)) ??
    wrong(['scope'], isScope)
}

function meaningFault (claims: Values, { issuer, audience, nowSeconds }: Rules): string | undefined {
  const exp = claims.get('exp') as number
  if (claims.get('iss') !== issuer) return 'another issuer'
  if (![claims.get('aud')].flat().includes(audience)) return 'another audience'
  if (claims.get('typ') !== 'Bearer' && claims.get('typ') !== 'bearer') return 'no access token'
  if (claims.get('cnf') !== undefined) return 'a confirmation that cannot be checked'
  if (exp <= nowSeconds) return 'expired'
  if (exp > nowSeconds + 86_400) return 'valid for too long'
  return ['iat', 'nbf'].find((name) => claims.has(name) && claims.get(name) as number > nowSeconds + 5)
}

/** RFC 6749 §3.3; Keycloak writes "" where there is none. */
function isScope (value: unknown): boolean {
  return typeof value === 'string' && (value === '' || value.split(' ').every((word) => /^[!#-[\]-~]+$/.test(word)))
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isListOfStrings (value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function isRoles (value: unknown): boolean {
  return isRecord(value) && (!Object.hasOwn(value, 'roles') || isListOfStrings(value.roles))
}

/** Of a unit that fast-check knows by name, it would list every character of Unicode first, which takes seconds. */
const upTo = (max: number): fc.Arbitrary<string> => fc.integer({ min: 0, max }).map((code) => String.fromCodePoint(code))
const character = fc.oneof(upTo(0x7E), upTo(0x7FF), upTo(0xFFFF), upTo(0x10FFFF), fc.constantFrom('e\u0301', 'ﬀ', '👩‍👩‍👧', '\u202e'))
const text = fc.oneof(
  fc.string({ unit: character, maxLength: 12 }),
  fc.constantFrom('', ' ', '\0', '"', '\\', '\ud800', '":"', 'Bearer')
)

/** What may stand where nobody expects it. */
export const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  text, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null),
  fc.array(text, { maxLength: 3 }), fc.dictionary(text, fc.oneof(text, fc.integer()), { maxKeys: 3 }), fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(
    '1e400', '-1e400', '-0', '1E2', '0.1e1', '123456789012345678901234567890', '1e-400', '[]', '{}', '{"a":1,"a":1}',
    '[{"a":{},"\\u0061":2}]'
  )
    .map((one) => new Written(one)),
  fc.integer({ min: 10, max: 22 }).map((deep) => new Written(`${'['.repeat(deep)}${']'.repeat(deep)}`)),
  fc.integer({ min: 3, max: 10 }).map((deep) => new Written(`${'{"b":['.repeat(deep)}${']}'.repeat(deep)}`))
)

/** Names that mean something in one of the two halves, or to JavaScript. */
const name = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'then', 'toJSON'),
  fc.constantFrom('crit', 'b64', 'zip', 'enc', 'jwk', 'jku', 'x5u', 'x5c', 'x5t', 'cty', 'alg', 'kid', 'typ'),
  fc.constantFrom(
    'iss', 'aud', 'exp', 'iat', 'nbf', 'sub', 'azp', 'client_id', 'jti', 'sid', 'scope', 'cnf', 'auth_time', 'realm_access',
    'resource_access', 'acr'
  ),
  text
)

/** As a claim or a header member that means nothing to anybody. */
export function unknownName (known: readonly string[]): fc.Arbitrary<string> {
  const meaningful = new Set([...known, ...FORBIDDEN_MEMBERS, 'sid', 'auth_time', 'cnf'])
  return fc.oneof(name, text).filter((one) => !meaningful.has(one))
}

/** Not deeper than allowed, and no member twice. */
export function isHarmless (value: unknown): boolean {
  return !isTwice([['', value]]) && depthOf([['', value]]) <= 16
}

const blanks = fc.array(fc.constantFrom('', '', ' ', '\n', '\t', '\r\n', '  '), { minLength: 1, maxLength: 7 })
export const spelling: fc.Arbitrary<Spelling> = fc.record({
  blanks, indent: fc.constantFrom(0, 0, 1, '\t'), escaped: fc.array(fc.boolean(), { minLength: 1, maxLength: 5 })
})

/** One change of an object. `twice` adds the member without taking the old one away. */
export type Change =
  | { readonly kind: 'set' | 'twice', readonly name: string, readonly value: unknown }
  | { readonly kind: 'remove', readonly name: string }

export function changesOf (likely: Readonly<Record<string, readonly unknown[]>>): fc.Arbitrary<readonly Change[]> {
  const known = fc.constantFrom(...Object.keys(likely))
  const set = (named: fc.Arbitrary<string>, valued: fc.Arbitrary<unknown>): fc.Arbitrary<Change> =>
    fc.record({ kind: fc.constant('set' as const), name: named, value: valued })
  const change: fc.Arbitrary<Change> = fc.oneof(
    { weight: 6, arbitrary: known.chain((one) => set(fc.constant(one), fc.constantFrom(...likely[one] ?? []))) },
    { weight: 1, arbitrary: set(known, anyValue) },
    { weight: 3, arbitrary: set(text, anyValue) },
    { weight: 1, arbitrary: set(name, anyValue) },
    { weight: 1, arbitrary: known.map((one) => ({ kind: 'remove' as const, name: one })) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('twice' as const), name, value: anyValue }) }
  )
  return fc.array(change, { maxLength: 4 })
}

export function changed (members: readonly Member[], changes: readonly Change[]): readonly Member[] {
  return changes.reduce<readonly Member[]>((done, change) => {
    if (change.kind === 'twice') return [...done, [change.name, change.value]]
    const others = done.filter(([one]) => one !== change.name)
    return change.kind === 'set' ? [...others, [change.name, change.value]] : others
  }, members)
}

/** The same members in another order, the same for the same numbers. */
export function shuffled<T> (items: readonly T[], numbers: readonly number[]): readonly T[] {
  return items.map((item, index) => ({ item, at: numbers[index % numbers.length] ?? 0 })).sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
