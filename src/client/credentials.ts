import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { ClientSecretPost, None } from 'oauth4webapi'
import type { ClientAuth } from 'oauth4webapi'
import type { TlsMaterial } from '../http/connections.ts'
import { createAssertion, readAssertionKey } from './assertion.ts'
import type { KeyProblem } from './assertion.ts'
import { SecretUnavailable } from './errors.ts'
import { mayRotate, readMaterial } from './material.ts'
import type { Material } from './material.ts'
import type { ClientOptions } from './options.ts'
import { isOneLine, withoutLineBreak } from './text.ts'

/** What one token request proves the client with. */
export interface Proof {
  /** To be compared only: whether the issuer would receive the same credentials again. */
  readonly of: string
  /** For a request to this issuer: the audience of an assertion. */
  readonly authentication: (audience: string) => ClientAuth
  /** To be called when the issuer has issued a token for it: the APIs receive the certificate that this token may be bound to. */
  readonly issued: () => void
}

/** The credentials of a client (RFC 6749 section 2.3), read again for each token request. */
export interface Credentials {
  /** Throws {@link SecretUnavailable}. */
  readonly read: () => Promise<Proof>
  /** Whether another reading may give others. */
  readonly rotate: boolean
  /** What connections to the issuer use: the certificate that was read last. The same object until it changes. */
  readonly tls: () => TlsMaterial | undefined
  /** What connections to the APIs use: with `mtls` the certificate of the newest token. The same object until it changes. */
  readonly apiTls: () => TlsMaterial | undefined
}

/** What authenticates a client apart from its connections. */
interface Authenticating {
  readonly rotate: boolean
  readonly read: () => Promise<Pick<Proof, 'of' | 'authentication'>>
}

/** `options` have been checked: one kind of credentials is there. `ca` as in the options. */
export function createCredentials (options: ClientOptions, ca: readonly string[] | undefined): Credentials {
  const authorities: TlsMaterial | undefined = ca === undefined ? undefined : { ca }
  const { clientCertificate, mtls } = options
  const authenticating = authenticatingBy(options)
  const certificate = mtls ?? clientCertificate
  if (certificate !== undefined) return withCertificate(certificate, authenticating, authorities, mtls !== undefined)
  const tls = (): TlsMaterial | undefined => authorities
  const read = async (): Promise<Proof> => ({ ...await authenticating.read(), issued: () => undefined })
  return { rotate: authenticating.rotate, read, tls, apiTls: tls }
}

function authenticatingBy (options: ClientOptions): Authenticating {
  const { clientSecret, clientKey, clientAssertion } = options
  if (clientAssertion !== undefined) return { rotate: true, read: () => readAssertion(clientAssertion) }
  if (clientKey !== undefined) return { rotate: isRead(clientKey) && mayRotate(clientKey), read: keyReader(clientKey, options) }
  if (clientSecret === undefined) return { rotate: false, read: () => Promise.resolve({ of: '', authentication: () => None() }) }
  return { rotate: mayRotate(clientSecret), read: () => readSecret(clientSecret, options.clientAuthentication) }
}

async function readSecret (material: Material, method: ClientOptions['clientAuthentication']): ReturnType<Authenticating['read']> {
  const secret = await readLine(material, 'the secret')
  const inForm = method === 'client_secret_post' || method === 'post'
  return { of: secret, authentication: () => inForm ? ClientSecretPost(secret) : withBasic(secret) }
}

/**
 * RFC 6749 section 2.3.1 and appendix B. The library encodes `-`, `.` and `_` too, which that form leaves as they are: an issuer that does
 * not decode would not recognise the client.
 */
function withBasic (secret: string): ClientAuth {
  return (_issuer, { client_id: clientId }, _body, headers) => {
    headers.set('authorization', `Basic ${Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString('base64')}`)
  }
}

function formEncoded (text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}

async function readLine (material: Material, what: string): Promise<string> {
  const text = await readMaterial(material, what)
  if (!isOneLine(text)) throw new SecretUnavailable(`${what} has line breaks in it`)
  return withoutLineBreak(text)
}

async function readAssertion (material: Material): ReturnType<Authenticating['read']> {
  const assertion = await readLine(material, 'the assertion')
  return { of: assertion, authentication: () => withAssertion(assertion) }
}

type GivenKey = NonNullable<ClientOptions['clientKey']>

function isRead (key: GivenKey): key is Material {
  return typeof key === 'string' || typeof key === 'function' || 'file' in key
}

function keyReader (given: GivenKey, options: ClientOptions): Authenticating['read'] {
  const choice = { clientKeyId: options.clientKeyId, clientKeyAlgorithm: options.clientKeyAlgorithm }
  return async () => {
    const key = isRead(given) ? await readMaterial(given, 'the key') : given
    const assertionKey = usable(() => readAssertionKey(key, choice))
    return {
      of: typeof key === 'string' ? key : '',
      authentication: (audience) => withAssertion(createAssertion(assertionKey, withoutLineBreak(options.clientId), audience, Date.now()))
    }
  }
}

function usable<Key> (read: () => Key): Key {
  try {
    return read()
  } catch (error) {
    throw new SecretUnavailable(`the key cannot be used: expected ${(error as KeyProblem).message}`)
  }
}

/** RFC 7523 section 2.2. */
function withAssertion (assertion: string): ClientAuth {
  return (_issuer, { client_id: clientId }, body) => {
    body.set('client_id', clientId)
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    body.set('client_assertion', assertion)
  }
}

type GivenCertificate = NonNullable<ClientOptions['clientCertificate']>

/** RFC 8705 section 2: the handshake proves the certificate; without other credentials it proves the client, which the form names. */
function withCertificate (
  { cert, key }: GivenCertificate, authenticating: Authenticating, authorities: TlsMaterial | undefined, alsoForApis: boolean
): Credentials {
  let current = authorities
  let forApis = authorities
  let read = ''
  return {
    rotate: authenticating.rotate || mayRotate(cert) || mayRotate(key),
    tls: () => current,
    apiTls: () => forApis,
    async read () {
      const proof = await authenticating.read()
      const identity = { cert: await readMaterial(cert, 'the certificate'), key: await readMaterial(key, 'the key of the certificate') }
      const of = `${identity.cert}\n${identity.key}`
      if (of !== read) {
        const problem = identityProblem(identity)
        if (problem !== undefined) throw new SecretUnavailable(`certificate and key cannot be used: ${UNUSABLE[problem]}`)
        current = { ...authorities, identity }
        read = of
      }
      const used = current
      return { of: `${proof.of}\n${of}`, authentication: proof.authentication, issued: () => { if (alsoForApis) forApis = used } }
    }
  }
}

const UNUSABLE = {
  'not PEM': 'expected a certificate and its key as PEM',
  'another key': 'the key does not belong to the certificate'
}

/** Undefined: the certificate can be read, and the key is its own. */
export function identityProblem ({ cert, key }: { readonly cert: string, readonly key: string }): keyof typeof UNUSABLE | undefined {
  try {
    createSecureContext({ cert, key })
    return undefined
  } catch {
    return isOfAnother(cert, key) ? 'another key' : 'not PEM'
  }
}

function isOfAnother (cert: string, key: string): boolean {
  try {
    return !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
  } catch {
    return false
  }
}
