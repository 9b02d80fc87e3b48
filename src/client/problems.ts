import { X509Certificate } from 'node:crypto'
import { addressProblem } from '../http/addresses.ts'
import { readAssertionKey } from './assertion.ts'
import { identityProblem } from './credentials.ts'
import { readProofKey } from './dpop.ts'
import type { SettingsProblem } from './errors.ts'
import type { AssertionAlgorithm, ClientOptions } from './options.ts'
import { isOneLine, isScopeWord } from './text.ts'

type Given = Readonly<Record<keyof ClientOptions, unknown>>
type Found = SettingsProblem | false

/** What authenticates by which option; the first name is the one that follows from the option. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  clientSecret: ['client_secret_basic', 'client_secret_post', 'basic', 'post'],
  clientKey: ['private_key_jwt'],
  clientAssertion: ['private_key_jwt'],
  clientCertificate: ['tls_client_auth', 'self_signed_tls_client_auth']
}
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

/** Everything that is wrong with the options, whatever the types of their values. No value is quoted. */
export function problemsOf (options: unknown): readonly SettingsProblem[] {
  if (typeof options !== 'object' || options === null) return [{ option: 'options', expected: 'an object with the options of the client' }]
  const given = options as Given
  const { issuer, tokenEndpoint, clientId, allowInsecureHttp = false } = given
  const allow = allowInsecureHttp === true
  return [
    (issuer === undefined) === (tokenEndpoint === undefined) &&
    { option: 'issuer', expected: 'either the issuer or the tokenEndpoint, not both' },
    issuer !== undefined && addressProblemOf('issuer', issuer, allow),
    tokenEndpoint !== undefined && addressProblemOf('tokenEndpoint', tokenEndpoint, allow),
    !isOneLine(clientId) && { option: 'clientId', expected: 'the id of a client at the issuer, without line breaks' },
    ...credentialProblems(given),
    dpopProblem(given.dpop),
    ...parameterProblems(given),
    ...apiProblems(given.apiUrl, allow),
    ...limitProblems(given),
    ...switchProblems(given)
  ].filter((problem) => problem !== false)
}

function credentialProblems (given: Given): readonly Found[] {
  const set = Object.keys(METHODS).filter((option) => given[option as keyof Given] !== undefined)
  const { clientSecret, clientKey, clientAssertion, clientCertificate, mtls, clientAuthentication, clientKeyAlgorithm, clientKeyId } = given
  const [kind = mtls === undefined ? 'clientSecret' : 'mtls'] = set
  const methods = METHODS[kind === 'mtls' ? 'clientCertificate' : kind] ?? []
  return [
    set.length > 1 && { option: kind, expected: `one kind of credentials, not ${set.join(' and ')}` },
    kind === 'clientSecret' && !isSource(clientSecret) && !isOneLine(clientSecret) &&
    { option: 'clientSecret', expected: 'the secret of the client without line breaks, a function that returns it, or { file }' },
    kind === 'clientKey' && keyProblem(clientKey, clientKeyAlgorithm),
    kind === 'clientAssertion' &&
    !isSource(clientAssertion) &&
    { option: 'clientAssertion', expected: 'a function that returns the assertion, or { file }' },
    kind === 'clientCertificate' && certificateProblem(kind, clientCertificate),
    ...mtls === undefined ? [] : mtlsProblems(given),
    clientAuthentication !== undefined && !methods.some((method) => method === clientAuthentication) &&
    { option: 'clientAuthentication', expected: methodSentence(clientAuthentication, methods) },
    clientKeyId !== undefined && !isOneLine(clientKeyId) && { option: 'clientKeyId', expected: 'the kid of the key' },
    clientKeyAlgorithm !== undefined && !ALGORITHMS.some((name) => name === clientKeyAlgorithm) &&
    { option: 'clientKeyAlgorithm', expected: `one of ${ALGORITHMS.join(', ')}` }
  ]
}

function methodSentence (method: unknown, fitting: readonly string[]): string {
  const option = Object.keys(METHODS).find((name) => METHODS[name]?.some((one) => one === method))
  const names = fitting.filter((name) => name !== 'basic' && name !== 'post').join(' or ')
  return option === undefined ? names : `${names}, or ${option} for this method`
}

/** A function, or `{ file }`. */
function isSource (value: unknown): boolean {
  return typeof value === 'function' ||
    (typeof value === 'object' && value !== null && 'file' in value && typeof value.file === 'string' && value.file !== '')
}

function keyProblem (key: unknown, algorithm: unknown): Found {
  if (isSource(key)) return false
  if (typeof key !== 'string' && !(typeof key === 'object' && key !== null)) {
    return { option: 'clientKey', expected: 'a private key as PEM or JWK, a function that returns it, or { file }' }
  }
  try {
    const known = ALGORITHMS.find((name) => name === algorithm) as AssertionAlgorithm | undefined
    readAssertionKey(key, { clientKeyId: undefined, clientKeyAlgorithm: known })
    return false
  } catch (error) {
    return { option: 'clientKey', expected: (error as Error).message }
  }
}

/** Plain http has no handshake: the token would not be bound. */
function mtlsProblems ({ mtls, clientCertificate, issuer = '', tokenEndpoint = issuer }: Given): readonly Found[] {
  return [
    certificateProblem('mtls', mtls),
    clientCertificate !== undefined &&
    { option: 'mtls', expected: 'one certificate: mtls alone, which authenticates the client too, or clientCertificate alone' },
    /^http:/i.test(String(tokenEndpoint)) && { option: 'mtls', expected: 'an issuer with https: a certificate is presented in TLS only' }
  ]
}

function certificateProblem (option: 'clientCertificate' | 'mtls', given: unknown): Found {
  const { cert, key } = typeof given === 'object' && given !== null ? given as Readonly<Record<string, unknown>> : {}
  const problem = typeof cert === 'string' && typeof key === 'string' ? identityProblem({ cert, key }) : undefined
  if (problem === 'another key') return { option, expected: 'a certificate with its own key: the key does not belong to the certificate' }
  const usable = problem === undefined && [cert, key].every((part) => typeof part === 'string' || isSource(part))
  return !usable && { option, expected: 'a certificate and its key, { cert, key }, each as PEM or { file }' }
}

function dpopProblem (dpop: unknown): Found {
  if (dpop === undefined || typeof dpop === 'boolean') return false
  const { key } = typeof dpop === 'object' && dpop !== null ? dpop as Readonly<Record<string, unknown>> : {}
  if (typeof key !== 'string' && !(typeof key === 'object' && key !== null)) {
    return { option: 'dpop', expected: 'true or false, or { key } with a private key as PEM or JWK' }
  }
  try {
    readProofKey(key)
    return false
  } catch (error) {
    return { option: 'dpop', expected: `{ key } with ${(error as Error).message}` }
  }
}

/** Those of a client, of one of its APIs, or of one call. */
export function parameterProblems ({
  scope = [], audience, resource
}: Readonly<Record<'scope' | 'audience' | 'resource', unknown>>): readonly SettingsProblem[] {
  const resources: readonly unknown[] = Array.isArray(resource) ? resource : [resource ?? 'https://none']
  return [
    !(Array.isArray(scope) && Array.from(scope).every(isScopeWord)) &&
    { option: 'scope', expected: 'a list of scope names, each one word without spaces, quotes and backslashes' },
    audience !== undefined && !isOneLine(audience) && { option: 'audience', expected: 'the name of an audience' },
    !resources.every((one) => typeof one === 'string' && URL.canParse(one) && !one.includes('#')) &&
    { option: 'resource', expected: 'an absolute address without a fragment, or a list of them (RFC 8707)' }
  ].filter((problem) => problem !== false)
}

function apiProblems (apiUrl: unknown, allow: boolean): readonly Found[] {
  const apis: readonly unknown[] = Array.isArray(apiUrl) ? apiUrl : [apiUrl]
  if (apis.length === 0) return [{ option: 'apiUrl', expected: 'the address of an API, or a list of them' }]
  return apis.flatMap((api): readonly Found[] => {
    if (typeof api !== 'object' || api === null) return [addressProblemOf('apiUrl', api, allow)]
    const { url, scope, audience, resource } = api as Readonly<Record<string, unknown>>
    const parameters = parameterProblems({ scope, audience, resource }).map(({ option, expected }) => ({
      option: `apiUrl.${option}`, expected
    }))
    return [addressProblemOf('apiUrl', url, allow), ...parameters]
  })
}

function limitProblems ({ tokenDeadlineMs = 1000, apiDeadlineMs = 1, maxRetryAfterMs = 0 }: Given): readonly Found[] {
  return [
    !isWithin(tokenDeadlineMs, 1000, 30_000) && { option: 'tokenDeadlineMs', expected: 'a number of milliseconds from 1000 to 30000' },
    !isWithin(apiDeadlineMs, Number.MIN_VALUE, 2 ** 31 - 1) && { option: 'apiDeadlineMs', expected: 'a positive number of milliseconds' },
    !isWithin(maxRetryAfterMs, 0, 60_000) && { option: 'maxRetryAfterMs', expected: 'a number of milliseconds from 0 to 60000' }
  ]
}

function isWithin (value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most
}

function switchProblems (given: Given): readonly Found[] {
  const { allowInsecureHttp = false, useEnvProxy = false, stepUp = false, onWarning, now, random, ca } = given
  const switches = Object.entries({ allowInsecureHttp, useEnvProxy, stepUp }).filter(([, value]) => typeof value !== 'boolean')
  const functions = Object.entries({ onWarning, now, random }).filter(([, value]) => value !== undefined && typeof value !== 'function')
  return [
    ca !== undefined && !areAuthorities(ca) && { option: 'ca', expected: 'the certificates of authorities as PEM' },
    ...switches.map(([option]) => ({ option, expected: 'true or false' })),
    ...functions.map(([option]) => ({ option, expected: 'a function' }))
  ]
}

/** Node ignores what it cannot read here. */
function areAuthorities (ca: unknown): boolean {
  const texts: readonly unknown[] = Array.isArray(ca) ? ca : [ca]
  if (!texts.every((text): text is string => typeof text === 'string' && text.includes('-----BEGIN CERTIFICATE-----'))) return false
  try {
    const blocks = texts.flatMap((text) => text.split(/(?=-----BEGIN CERTIFICATE-----)/).filter((block) => block.startsWith('-----BEGIN')))
    return blocks.every((block) => new X509Certificate(block).raw.length > 0)
  } catch {
    return false
  }
}

/** Where a secret or a token may be sent (RFC 6750 section 5.3). */
export function addressProblemOf (option: string, address: unknown, allowInsecureHttp: boolean): Found {
  const rules = { allowInsecureHttp, insecureSwitch: 'allowInsecureHttp (ALLOW_INSECURE_HTTP=on)', allowQuery: option !== 'issuer' }
  const expected = typeof address === 'string'
    ? addressProblem(address.replace(/^https?:/i, (scheme) => scheme.toLowerCase()), rules)
    : 'an address such as https://host/path'
  return expected !== undefined && { option, expected }
}
