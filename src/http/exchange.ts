import type { Dispatcher } from 'undici'
import type { Lease } from './connections.ts'
import { watchedHandler } from './watched-handler.ts'
import type { Receiver, Watcher } from './watched-handler.ts'

/** What watches an exchange. An error that `start` or `data` returns ends the exchange. */
export interface ExchangeReceiver extends Receiver {
  /** For the deadline. */
  late: () => Error
  /** The exchange is over: the response is complete, or it failed, or it was canceled. Called once. */
  over?: (complete: boolean) => void
  /** It was canceled for this reason, after `over`. Called once. A `fetch` that waits for a connection rejects only once there is one. */
  canceled: (reason: unknown) => void
}

/**
 * One `fetch` with a deadline over its whole response.
 * The deadline is a timer that holds what it ends: AbortSignal.timeout and AbortSignal.any are collected by Node 20 and then never fire.
 * It ends the exchange at the connection; a signal for `fetch` would cost more than all the rest of this, and is the receiver's to add.
 */
export class Exchange implements Watcher {
  readonly receiver: ExchangeReceiver
  isOver = false
  readonly #lease: Lease
  readonly #timer: NodeJS.Timeout
  #abort: ((reason: Error) => void) | undefined
  #abortedBy: Error | undefined

  constructor (lease: Lease, deadlineMs: number, receiver: ExchangeReceiver) {
    this.receiver = receiver
    this.#lease = lease
    this.#timer = setTimeout(expire, deadlineMs, this).unref()
  }

  /** For one `fetch` with an address, not with a `Request`: that one is collected together with the way to its signal. */
  optionsWith (given: RequestInit): RequestInit {
    return Object.assign(given, { redirect: 'manual', dispatcher: this } as const)
  }

  /** As of a dispatcher of undici. */
  dispatch (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#lease.dispatcher.dispatch(options, watchedHandler(handler, this))
  }

  begin (abort: (reason: Error) => void): void {
    this.#abort = abort
    if (this.#abortedBy !== undefined) abort(this.#abortedBy)
  }

  end (complete: boolean): void {
    if (this.isOver) return
    this.isOver = true
    clearTimeout(this.#timer)
    this.#lease.release(complete)
    this.receiver.over?.(complete)
  }

  expire (): void {
    this.cancel(this.receiver.late())
  }

  /** Ends the exchange and closes its connection. No effect when it is over. */
  cancel (reason: unknown): void {
    if (this.isOver) return
    this.end(false)
    this.#abortedBy = reason instanceof Error ? reason : new Error('aborted')
    this.receiver.canceled(reason)
    this.#abort?.(this.#abortedBy)
  }
}

function expire (exchange: Exchange): void {
  exchange.expire()
}

/** Ends with the work, or rejects with the reason of the signal: a `fetch` can lose its signal and never end. */
export async function untilAborted<Result> (work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let lost = (): void => undefined
  const canceled = new Promise<never>((_resolve, reject) => { lost = () => { reject(signal.reason as Error) } })
  signal.addEventListener('abort', lost, { once: true })
  try {
    return await Promise.race([work, canceled])
  } finally {
    signal.removeEventListener('abort', lost)
  }
}
