import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { Lease } from './connections.ts'
import { passTo } from './dispatch-handler.ts'

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

/**
 * The deadline is a timer that holds what it ends: AbortSignal.timeout and AbortSignal.any are collected by Node 20 and then never fire.
 * It ends the exchange twice: through the signal of `fetch`, which then rejects, and at the connection, whatever became of the signal.
 */
export function beginExchange ({ dispatcher, release }: Lease, deadlineMs: number, late: () => Error, receiver: Receiver): Exchange {
  const abort = new AbortController()
  let connection: Dispatcher.DispatchController | undefined
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
  readonly begin: (controller: Dispatcher.DispatchController) => void
  readonly end: (complete?: boolean) => void
  readonly giveUp: (reason: unknown) => void
}

function watch (handler: Dispatcher.DispatchHandler, receiver: Receiver, { begin, end, giveUp }: Watched): Dispatcher.DispatchHandler {
  const passing = passTo(handler)
  return {
    onRequestStart (controller, context: unknown) {
      begin(controller)
      passing.start(controller, context)
    },
    onResponseStart (controller, status, headers, statusMessage) {
      if (status < 200) return // an early hint; the response follows
      const refused = receiver.start?.(status, joined(headers))
      if (refused !== undefined) giveUp(refused)
      else passing.head({ controller, status, headers, statusMessage })
    },
    onResponseData (controller, chunk) {
      const refused = receiver.data?.(chunk)
      if (refused === undefined) passing.data(controller, chunk)
      else giveUp(refused)
    },
    onResponseEnd (controller, trailers) {
      end(true)
      passing.end(controller, trailers)
    },
    onResponseError (controller, error) {
      end()
      passing.error(controller, error)
    }
  }
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
