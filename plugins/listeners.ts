import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import fp from 'fastify-plugin'
import { listenOnAllAddresses } from './all-addresses.ts'
import { closeBetweenConnections } from './close-between.ts'
import { FirstRequests } from './first-requests.ts'
import type { Caller } from '../src/oauth/fair-lines.ts'
import type { Presented } from '../src/oauth/verification.ts'
import { createLimitedServer, LIMITS, type Limits, type ListenerTls } from './limited-server.ts'
import { LISTENERS } from './names.ts'
import { OpenConnections } from './open-connections.ts'
import { Admission } from './overload.ts'
import { OVERLOAD, type OverloadLimits } from './overload-limits.ts'
import { RawRefusals } from './raw-refusals.ts'
import { RefusalLines } from './refusal-lines.ts'
import { RequestsUnderWay } from './under-way.ts'
import { isBodyLong } from './unread-body.ts'

export interface ListenerOptions {
  /** Of the whole head of a request. */
  readonly maxHeaderSize: number
  readonly log: () => Pick<FastifyBaseLogger, 'debug' | 'info' | 'warn'>
  /** The id of a request that is refused before Fastify. */
  readonly idOf: (request: IncomingMessage) => string
  /** Lines of the log about refused requests, a second and reason. */
  readonly refusalsPerSecond: number
  /** Shorter ones, in tests. */
  readonly limits: Partial<Limits>
  readonly overload?: Partial<OverloadLimits>
  /** Where the folder docs/ is published, for the type of a problem. */
  readonly docsUrl: string | undefined
  readonly tls?: ListenerTls | undefined
}

/**
 * The servers of an application: `localhost` listens on several addresses, and Fastify makes a server for each. For Fastify's
 * `serverFactory`; all of them have the same limits, and where Node would send a bare status, our problem body is sent.
 */
export class Listeners {
  readonly servers: Server[] = []
  /**
   * Called with a request whose connection was closed before the response was complete, and whether that was because it could not be read:
   * then it was refused (RawRefusals). Not with one that was refused before Fastify.
   */
  readonly left: Array<(request: IncomingMessage, wasUnread: boolean) => void> = []
  /** Whose request it is, for the waiting lines of an overload; until it is set, by the peer of the connection. */
  callerOf: (request: IncomingMessage) => Presented = ({ socket }) => ({
    caller: { address: socket.remoteAddress ?? '', client: '' }, standing: 'new'
  })

  /** A request of this suspect was refused, since it would have waited too long. */
  turnedAway: ((caller: Caller) => void) | undefined

  readonly #options: ListenerOptions
  readonly #limits: Limits
  /** Of all listeners: requests that wait because the process is busy. */
  readonly admission: Admission
  readonly refusalLines: RefusalLines
  readonly #underWay: RequestsUnderWay
  readonly refusals: RawRefusals
  readonly #firstRequests = new FirstRequests()
  readonly open: OpenConnections
  #handler: RequestListener = () => undefined
  readonly #expecting = new WeakSet<IncomingMessage>()

  constructor (options: ListenerOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.refusalLines = new RefusalLines(options.refusalsPerSecond, options.log)
    this.refusals = new RawRefusals({
      log: options.log,
      lines: this.refusalLines,
      docsUrl: options.docsUrl,
      idOf: options.idOf,
      unreadOf: (socket) => this.#underWay.unreadOf(socket),
      canSend: (socket) => (options.tls === undefined || this.#underWay.knows(socket)) && this.#underWay.isFree(socket)
    })
    this.open = new OpenConnections(this.#limits.connections, (socket) => this.#underWay.isIdle(socket))
    this.admission = new Admission({
      limits: { ...OVERLOAD, ...options.overload },
      log: options.log,
      serve: (request, response) => this.#handler(request, response),
      refuse: (request, response) => this.refusals.shed(response, this.#isKept(request, response)),
      callerOf: (request) => this.callerOf(request),
      turnedAway: (caller) => this.turnedAway?.(caller),
      arePipelined: () => this.#underWay.hasExcess
    })
    this.#underWay = new RequestsUnderWay({
      most: this.#limits.requestsUnderWay,
      left: (request) => {
        if (this.refusals.wasRefused(request)) return
        for (const call of this.left) call(request, this.refusals.wasUnread(request))
      },
      refuse: (request, response) => this.refusals.refuse(503, request, response, { 'retry-after': '1', connection: 'keep-alive' })
    })
  }

  readonly factory = (handler: RequestListener): Server => {
    const limits = this.#limits
    // Fastify has one for all its listeners.
    this.#handler = handler
    const { tls, maxHeaderSize } = this.#options
    const server = createLimitedServer(limits, maxHeaderSize, tls)
    server.on('connection', (socket: Socket) => {
      this.admission.accepted()
      this.#firstRequests.open(socket)
    })
    server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
      keepAddress(socket)
      this.#underWay.open(socket)
      this.open.add(socket)
    })
    server.on('request', (request, response) => this.#accept(request, response))
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      this.#expecting.add(request)
      this.#accept(request, response)
    })
    server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => { this.refusals.refuse(417, request, response) })
    server.on('connect', (request: IncomingMessage, socket: Socket) => this.refusals.refuseTunnel(request, socket))
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => this.refusals.refuseUnread(error.code ?? '', socket))
    const closeIdle = server.closeIdleConnections.bind(server)
    // Also called by `close` of Node and of Fastify; while the application closes, again every CLOSE_IDLE_MS.
    server.closeIdleConnections = () => {
      if (this.#firstRequests.areExpected(limits.firstRequestMs)) return
      closeIdle()
      this.#firstRequests.closeSilent()
    }
    closeBetweenConnections(server)
    this.servers.push(server)
    return server
  }

  /** Whether the caller still waits for `100 Continue` before it sends the body. */
  expectsContinue (request: IncomingMessage): boolean {
    return this.#expecting.has(request)
  }

  /** Sends `100 Continue` to a caller that waits for it. */
  continue (request: IncomingMessage, response: ServerResponse): void {
    if (this.#expecting.delete(request)) response.writeContinue()
  }

  closeIdle (): void {
    for (const server of this.servers) server.closeIdleConnections()
  }

  closeAll (): void {
    for (const server of this.servers) server.closeAllConnections()
  }

  #accept (request: IncomingMessage, response: ServerResponse): void {
    if (this.#underWay.begin(request, response)) this.admission.enter(request, response)
  }

  /** Not where the rest of a body would be read as the next request of the caller. */
  #isKept (request: IncomingMessage, response: ServerResponse): boolean {
    return response.shouldKeepAlive && !isBodyLong(request) && !this.expectsContinue(request)
  }
}

/** Node keeps the address of a peer from when it is first asked for; of a closed connection it is not to be had. */
function keepAddress (socket: Socket): void {
  Reflect.get(socket, 'remoteAddress')
}

export interface ListenersOptions { readonly listeners: Listeners }

declare module 'fastify' {
  interface FastifyInstance {
    listeners: Listeners
    [LISTENERS]: Listeners
  }
}

/** Makes the listeners of an application known to it, as `app.listeners`. */
export default fp<ListenersOptions>((app, { listeners }, done) => {
  app.decorate('listeners', listeners)
  app.decorate(LISTENERS, listeners)
  listenOnAllAddresses(app, listeners.servers)
  app.addHook('onClose', (_app, next) => {
    listeners.admission.stop()
    next()
  })
  done()
}, { name: 'listeners' })
