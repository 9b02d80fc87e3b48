import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Lease } from './connections.ts'
import { undiciClass } from './undici.ts'

export type ResponseHeaders = Readonly<Record<string, string>>

/** What watches an exchange. An error that it returns ends the exchange. */
export interface Receiver {
  /** Header names are in lower case, repeated ones joined with a comma. */
  readonly start?: (status: number, headers: ResponseHeaders) => Error | undefined
  readonly data?: (chunk: Buffer) => Error | undefined
  /** The exchange is over: the response is complete, or it failed, or it was aborted. Called once. */
  readonly over?: (complete: boolean) => void
}

/** One `fetch` with a deadline over its whole response. */
export interface Exchange {
  /** For one `fetch` with an address, not with a `Request`: that one is collected together with the way to its signal. */
  readonly options: RequestInit
  /** Aborts when the exchange is aborted; its reason is the one that was given. */
  readonly signal: AbortSignal
  /** Ends the exchange and closes its connection. No effect when it is over. */
  readonly giveUp: (reason: unknown) => void
}

type Controller = Dispatcher.DispatchController
/** What the undici class really has; its declaration leaves it out. */
interface Passing {
  readonly onResponseStart: (controller: Controller, status: number, headers: IncomingHttpHeaders, statusMessage?: string) => void
  readonly onResponseData: (controller: Controller, chunk: Buffer) => void
  readonly onResponseEnd: (controller: Controller, trailers: IncomingHttpHeaders) => void
}
type Handler = Dispatcher.DispatchHandler

/**
 * The deadline is a timer that holds what it ends: AbortSignal.timeout and AbortSignal.any are collected by Node 20 and then never fire.
 * It ends the exchange twice: through the signal of `fetch`, which then rejects, and at the connection, whatever became of the signal.
 */
export function beginExchange ({ dispatcher, release }: Lease, deadlineMs: number, late: () => Error, receiver: Receiver): Exchange {
  const abort = new AbortController()
  let connection: Controller | undefined
  let over = false

  function end (complete = false): void {
    if (over) return
    over = true
    clearTimeout(timer)
    release(complete)
    receiver.over?.(complete)
  }

  function giveUp (reason: unknown): void {
    if (over) return
    end()
    abort.abort(reason)
    connection?.abort(reason instanceof Error ? reason : new Error('aborted'))
  }

  const timer = setTimeout(() => giveUp(late()), deadlineMs).unref()
  const watched = dispatcher.compose((next) => (options, handler) => next(options, watch(handler, receiver, {
    begin: (controller) => { connection = controller },
    end,
    giveUp
  })))
  const options: RequestInit = { redirect: 'manual', signal: abort.signal }
  return { options: Object.assign(options, { dispatcher: watched }), signal: abort.signal, giveUp }
}

interface Watched {
  readonly begin: (controller: Controller) => void
  readonly end: (complete?: boolean) => void
  readonly giveUp: (reason: unknown) => void
}

/** A handler from the fetch of Node 20 speaks an older protocol: undici's own wrapper translates. */
function watch (handler: Handler, receiver: Receiver, { begin, end, giveUp }: Watched): Handler {
  const passing = new (undiciClass('DecoratorHandler', 'handler/decorator-handler.js'))(handler) as Passing & Handler
  return {
    onRequestStart (controller, context: unknown) {
      begin(controller)
      passing.onRequestStart?.(controller, context)
    },
    onResponseStart (controller, status, headers, statusMessage) {
      if (status < 200) return // an early hint; the response follows
      const refused = receiver.start?.(status, joined(headers))
      if (refused !== undefined) giveUp(refused)
      else if (isOld(handler)) passHead(handler, controller, status, headers, statusMessage)
      else passing.onResponseStart(controller, status, headers, statusMessage)
    },
    onResponseData (controller, chunk) {
      const refused = receiver.data?.(chunk)
      if (refused === undefined) passing.onResponseData(controller, chunk)
      else giveUp(refused)
    },
    onResponseEnd (controller, trailers) {
      end(true)
      passing.onResponseEnd(controller, trailers)
    },
    onResponseError (controller, error) {
      end()
      passing.onResponseError?.(controller, error)
    }
  }
}

/** undici hands the lines of a repeated header, such as Set-Cookie, to an older fetch as one list, which that one makes one line of. */
function passHead (
  handler: OldHandler, controller: Controller, status: number, headers: IncomingHttpHeaders, statusMessage?: string
): void {
  const lines = Object.entries(headers).flatMap(([name, value]) => [value].flat().flatMap((line) => [Buffer.from(name, 'latin1'), Buffer.from(String(line), 'latin1')]))
  if (handler.onHeaders(status, lines, () => { controller.resume() }, statusMessage) === false) controller.pause()
}

interface OldHandler {
  readonly onHeaders: (status: number, headers: readonly Buffer[], resume: () => void, statusMessage?: string) => unknown
}

function isOld (handler: object): handler is OldHandler {
  return 'onHeaders' in handler && typeof handler.onHeaders === 'function'
}

function joined (headers: IncomingHttpHeaders): ResponseHeaders {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]))
}

/** Ends with the work, or rejects with the reason of the signal: a `fetch` can lose its signal and never end. */
export async function untilGivenUp<Result> (work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let lost = (): void => undefined
  const givenUp = new Promise<never>((_resolve, reject) => { lost = () => { reject(signal.reason as Error) } })
  signal.addEventListener('abort', lost, { once: true })
  try {
    return await Promise.race([work, givenUp])
  } finally {
    signal.removeEventListener('abort', lost)
  }
}
