import type * as TLS from 'node:tls'
import type { Dispatcher } from 'undici'
import { undici, undiciClass } from './undici.ts'

export interface ConnectionOptions {
  /** Bounds what no exchange waits for any more: a connection attempt, or a proxy that does not respond to CONNECT. */
  readonly timeoutMs: number
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY decide; also without this when Node itself is set to use them (NODE_USE_ENV_PROXY). */
  readonly useEnvProxy?: boolean | undefined
  /** Looked at before each exchange: another object opens new connections. */
  readonly tls?: (() => TlsMaterial | undefined) | undefined
}

/** PEM texts. */
export interface TlsMaterial {
  /** Authorities that are trusted in addition to those of Node. */
  readonly ca?: readonly string[]
  /** The certificate of this client, with its chain, and its key. */
  readonly identity?: { readonly cert: string, readonly key: string }
}

/** A dispatcher for one exchange. */
export interface Lease {
  readonly dispatcher: Dispatcher
  /** To be called once. Connections of a failed exchange are not used again. */
  readonly release: (reusable: boolean) => void
}

/** Connections of their own, apart from Node's global pool, directly or through the proxies of the environment. */
export interface Connections {
  /** Throws what the loading of undici throws, or for a proxy address that cannot be read; the next call tries again. */
  readonly lease: (newConnection?: boolean) => Lease
  /** Closes every connection that is idle, now or later. */
  readonly retire: () => void
  /** Closes every connection, those in use too. Never rejects. */
  readonly close: () => Promise<void>
}

interface Shared {
  readonly dispatcher: Dispatcher
  readonly tls: TlsMaterial | undefined
  users: number
}

/** A dispatcher is dropped after a failure: undici connects once more after an abort, and would keep that connection. */
export function createConnections (options: ConnectionOptions): Connections {
  const live = new Set<Shared>()
  let kept: Shared | undefined
  let closed = false

  function open (): Shared {
    const tls = options.tls?.()
    const shared = { dispatcher: createDispatcher(options, tls), tls, users: 0 }
    live.add(shared)
    return shared
  }

  function drop (shared: Shared): void {
    if (shared.users > 0 || shared === kept) return
    live.delete(shared)
    queueMicrotask(() => { void shared.dispatcher.destroy() }) // not in the middle of undici's parser, which reports the end
  }

  function retire (shared = kept): void {
    if (shared === kept) kept = undefined
    if (shared !== undefined) drop(shared)
  }

  return {
    lease (newConnection = false) {
      if (closed) throw new Error('the connections are closed')
      if (kept !== undefined && kept.tls !== options.tls?.()) retire()
      const shared = newConnection ? open() : kept ??= open()
      shared.users++
      return {
        dispatcher: shared.dispatcher,
        release (reusable) {
          shared.users--
          if (reusable) drop(shared)
          else retire(shared)
        }
      }
    },
    retire () {
      closed = true
      retire()
    },
    async close () {
      closed = true
      await Promise.allSettled([...live].map(({ dispatcher }) => dispatcher.destroy()))
    }
  }
}

/** Plain http through an http proxy is sent in absolute form (RFC 9112 section 3.2.2), everything else through CONNECT. */
function createDispatcher ({ timeoutMs, useEnvProxy = false }: ConnectionOptions, material?: TlsMaterial): Dispatcher {
  const ca = material?.ca === undefined ? {} : { ca: [...nodesAuthorities(), ...material.ca] }
  const requestTls = { timeout: timeoutMs, ...ca, ...material?.identity }
  const limits = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs }
  if (!useEnvProxy && !nodeUsesEnvProxy()) {
    return new (undiciClass('Agent', 'dispatcher/agent.js'))({ ...limits, connect: requestTls })
  }
  const { EnvHttpProxyAgent, Pool } = undici()
  const limitedPool = (origin: string | URL, given: object): Dispatcher => new Pool(origin, { ...given, ...limits })
  const proxyTls = { timeout: timeoutMs, ...ca }
  return new EnvHttpProxyAgent({
    ...limits, connect: requestTls, requestTls, proxyTls, proxyTunnel: false, clientFactory: limitedPool, factory: limitedPool
  })
}

/** With those of NODE_EXTRA_CA_CERTS where Node can list them (22.15 and later). */
function nodesAuthorities (): readonly string[] {
  const tls = process.getBuiltinModule('node:tls')
  return (tls as Partial<typeof TLS>).getCACertificates?.('default') ?? tls.rootCertificates
}

/** Where undici keeps the dispatcher of every fetch: version 8, that of Node 26, and those before it. */
const GLOBAL_DISPATCHERS = [Symbol.for('undici.globalDispatcher.2'), Symbol.for('undici.globalDispatcher.1')]

/** NODE_USE_ENV_PROXY=1, `--use-env-proxy` and NODE_OPTIONS come together in the dispatcher that Node puts in place at its start. */
function nodeUsesEnvProxy (): boolean {
  return GLOBAL_DISPATCHERS.some((name) => {
    const dispatcher: unknown = Reflect.get(globalThis, name)
    return typeof dispatcher === 'object' && dispatcher?.constructor.name === 'EnvHttpProxyAgent'
  })
}
