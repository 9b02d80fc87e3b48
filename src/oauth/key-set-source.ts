/** Which key a fetch is for. `alg` undefined and an empty `kid`: none in particular. */
export interface WantedKey {
  readonly kid: string
  readonly alg: string | undefined
  /** Over a connection that was not used before: behind one address another node may respond. */
  readonly newConnection: boolean
}

/** A response of the issuer that may hold a key set: `text` is to be read by `readKeySet`. */
export interface KeySetResponse {
  readonly text: string
}

/** The port of the keyring: one fetch of the whole key set. Rejects with a KeySetError, or any other error, when there is none. */
export type FetchKeySet = (wanted: WantedKey) => Promise<KeySetResponse>

export interface KeySetErrorDetails {
  /** Of the HTTP response. */
  readonly status?: number
  /** The pause that the issuer requests by its Retry-After, bounded by the source. */
  readonly retryAfterMs?: number
}

/** No key set, or none with a key for us. The message is for the log. */
export class KeySetError extends Error {
  override readonly name = 'KeySetError'
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined

  constructor (message: string, { status, retryAfterMs }: KeySetErrorDetails = {}) {
    super(message)
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}

/** Where the key set of one issuer comes from. */
export interface KeySetSource {
  readonly fetchKeySet: FetchKeySet
  readonly close: () => Promise<void>
}

/** A JWK Set, as `JSON.parse` gives it. */
export interface JwkSet { readonly keys: readonly object[] }

/** Keys that are known without a fetch over the network: the set itself, or a function that returns it. */
export type StaticKeys = JwkSet | (() => JwkSet | Promise<JwkSet>)

/** For tests, and for issuers that publish no keys. What the function throws counts as an issuer that does not respond. */
export function keySetFrom (keys: StaticKeys): KeySetSource {
  return {
    fetchKeySet: async () => ({ text: textOf(typeof keys === 'function' ? await keys() : keys) }),
    close: () => Promise.resolve()
  }
}

/** JSON.stringify gives undefined for what JSON has no text for, whatever its type says. */
function textOf (keys: JwkSet): string {
  const text = JSON.stringify(keys) as string | undefined
  if (text === undefined) throw new KeySetError('keys: the function returned no key set, such as { keys: [...] }')
  return text
}
