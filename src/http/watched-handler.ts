import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { isOld } from './dispatch-handler.ts'
import type { OldHandler } from './dispatch-handler.ts'

export type ResponseHeaders = Readonly<Record<string, string>>

/** Looks at a response before the handler of `fetch` does. An error that `start` or `data` returns keeps it from the handler. */
export interface Receiver {
  /** Header names are in lower case, repeated ones joined with a comma. */
  readonly start?: (status: number, headers: ResponseHeaders) => Error | undefined
  readonly data?: (chunk: Buffer) => Error | undefined
}

export interface Watcher {
  readonly receiver: Receiver
  /** Each connection that the request is sent over. `abort` closes it. */
  begin: (abort: (reason: Error) => void) => void
  end: (complete: boolean) => void
  cancel: (reason: unknown) => void
}

type Handler = Dispatcher.DispatchHandler
type Controller = Dispatcher.DispatchController

/**
 * In the protocol of the handler. The fetch of Node 20 to 24 has the older one, which undici 7 has inside too: a translation there and
 * back would be a tenth of what a call costs.
 */
export function watchedHandler (handler: Handler, watcher: Watcher): Handler {
  return isOld(handler) ? new OldWatchedHandler(handler, watcher) : new WatchedHandler(handler, watcher)
}

abstract class Watched<H> {
  protected readonly handler: H
  protected readonly watcher: Watcher

  constructor (handler: H, watcher: Watcher) {
    this.handler = handler
    this.watcher = watcher
  }
}

class WatchedHandler extends Watched<Handler> implements Handler {
  onRequestStart (controller: Controller, context: unknown): void {
    this.handler.onRequestStart?.(controller, context)
    this.watcher.begin((reason) => { controller.abort(reason) })
  }

  onResponseStart (controller: Controller, status: number, headers: IncomingHttpHeaders, statusMessage?: string): void {
    if (status < 200) return // an early hint; the response follows
    const refused = this.watcher.receiver.start?.(status, joined(Object.entries(headers)))
    if (refused === undefined) this.handler.onResponseStart?.(controller, status, headers, statusMessage)
    else this.watcher.cancel(refused)
  }

  onResponseData (controller: Controller, chunk: Buffer): void {
    const refused = this.watcher.receiver.data?.(chunk)
    if (refused === undefined) this.handler.onResponseData?.(controller, chunk)
    else this.watcher.cancel(refused)
  }

  onResponseEnd (controller: Controller, trailers: IncomingHttpHeaders): void {
    this.watcher.end(true)
    this.handler.onResponseEnd?.(controller, trailers)
  }

  onResponseError (controller: Controller, error: Error): void {
    this.watcher.end(false)
    this.handler.onResponseError?.(controller, error)
  }
}

class OldWatchedHandler extends Watched<OldHandler> implements OldHandler {
  onConnect (abort: (reason?: Error) => void): void {
    this.handler.onConnect(abort)
    this.watcher.begin(abort)
  }

  onResponseStarted (): void {
    this.handler.onResponseStarted?.()
  }

  onHeaders (status: number, lines: readonly Buffer[], resume: () => void, statusText?: string): boolean {
    if (status < 200) return true // an early hint; the response follows
    const refused = this.watcher.receiver.start?.(status, joined(pairsOf(lines)))
    if (refused === undefined) return this.handler.onHeaders(status, lines, resume, statusText) !== false
    this.watcher.cancel(refused)
    return false
  }

  onData (chunk: Buffer): boolean {
    const refused = this.watcher.receiver.data?.(chunk)
    if (refused === undefined) return this.handler.onData(chunk) !== false
    this.watcher.cancel(refused)
    return false
  }

  onComplete (trailers: readonly unknown[] | null): void {
    this.watcher.end(true)
    this.handler.onComplete(trailers)
  }

  onError (error: Error): void {
    this.watcher.end(false)
    this.handler.onError(error)
  }
}

function pairsOf (lines: readonly Buffer[]): ReadonlyArray<readonly [string, string]> {
  const texts = lines.map((line) => line.toString('latin1'))
  return texts.flatMap((text, at): ReadonlyArray<readonly [string, string]> => at % 2 === 0 ? [[text, texts[at + 1] ?? '']] : [])
}

function joined (pairs: ReadonlyArray<readonly [string, unknown]>): ResponseHeaders {
  const headers = new Map<string, string>()
  for (const [given, value] of pairs) {
    const name = given.toLowerCase()
    const before = headers.get(name)
    headers.set(name, before === undefined ? String(value) : `${before},${String(value)}`)
  }
  return Object.fromEntries(headers)
}
