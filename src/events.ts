import { channel } from 'node:diagnostics_channel'

/**
 * What happens here, on `node:diagnostics_channel` (docs/reference/events.md): for metrics, traces and an audit trail. No event holds a
 * token or a secret. An event is made only while somebody listens; a listener is called at once, in the order of events, so it
 * must be fast.
 */

/** What every event of a request says of it. */
export interface RequestEvent {
  readonly method: string
  /** The pattern of the route, never the path as it was sent; undefined where no route matched. */
  readonly route: string | undefined
  readonly requestId: string
}

/** `scopegate:verified`: a caller is known. Whether it may call the route is decided afterwards. */
export interface VerifiedEvent extends RequestEvent {
  readonly issuer: string
  readonly clientId: string | undefined
  readonly subject: string | undefined
  /** The token had been verified before. */
  readonly cached: boolean
  /** From the first look at the token to the principal, with its time in the queue; undefined for a cached one. */
  readonly durationMs: number | undefined
}

/** `scopegate:refused`: the response to a request is a refusal. */
export interface RefusedEvent extends RequestEvent {
  /** Of docs/reference/reasons.md. */
  readonly reason: string
  readonly status: number
  readonly detail: string | undefined
  readonly hint: string | undefined
  /** Of the caller, after TRUST_PROXY; undefined for a Unix socket. */
  readonly address: string | undefined
  /** Of a verified token, as for a 403. */
  readonly clientId: string | undefined
  /** What the refused token claims. Anybody can write it. */
  readonly unverifiedClient: string | undefined
}

/** `scopegate:keys`: a fetch of an issuer's key set has ended, or the state of its keys has changed. */
export type KeysEvent = { readonly issuer: string } & (
  | {
    readonly event: 'fetched'
    readonly result: 'ok' | 'failed'
    readonly durationMs: number
    readonly knownKeys: number
    readonly error?: string
  }
  | { readonly event: 'unavailable', readonly error: string, readonly knownKeys: number }
  | { readonly event: 'available', readonly afterMs: number }
  | { readonly event: 'loaded' | 'ambiguous', readonly kids: readonly string[] }
  | { readonly event: 'changed', readonly added: readonly string[], readonly removed: readonly string[] }
  | { readonly event: 'expired', readonly removed: readonly string[] }
)

/** `scopegate:client`: the client has requested a token, or warns. */
export type ClientEvent = { readonly clientId: string, readonly scope: readonly string[] } & (
  /** `outcome` is `ok`, or the code of the ClientError. */
  | { readonly event: 'token', readonly outcome: string, readonly durationMs: number }
  | { readonly event: 'warning', readonly code: string, readonly message: string }
)

/** A channel whose messages have one type. */
export interface EventChannel<E> {
  /** Whether anybody listens: asked before an event is made. */
  readonly hasSubscribers: boolean
  readonly publish: (event: E) => void
  /** Returns what ends the subscription. */
  readonly subscribe: (listener: (event: E) => void) => () => void
}

function channelOf<E> (name: string): EventChannel<E> {
  const own = channel(name)
  return {
    get hasSubscribers () { return own.hasSubscribers },
    publish: (event) => { own.publish(event) },
    subscribe (listener) {
      const onMessage = (message: unknown): void => listener(message as E)
      own.subscribe(onMessage)
      return () => { own.unsubscribe(onMessage) }
    }
  }
}

export const verified = channelOf<VerifiedEvent>('scopegate:verified')
export const refused = channelOf<RefusedEvent>('scopegate:refused')
export const keys = channelOf<KeysEvent>('scopegate:keys')
export const client = channelOf<ClientEvent>('scopegate:client')
