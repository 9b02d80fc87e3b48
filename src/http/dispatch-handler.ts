import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { undiciClass } from './undici.ts'

type Controller = Dispatcher.DispatchController
type Handler = Dispatcher.DispatchHandler

/** The head of a response, as undici reports it. */
export interface Head {
  readonly controller: Controller
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly statusMessage: string | undefined
}

/** Passes a response on to a handler of undici, of whichever age. */
export interface Passing {
  readonly start: (controller: Controller, context: unknown) => void
  readonly head: (head: Head) => void
  readonly data: (controller: Controller, chunk: Buffer) => void
  readonly end: (controller: Controller, trailers: IncomingHttpHeaders) => void
  readonly error: (controller: Controller, error: Error) => void
}

/** What the undici class really has; its declaration leaves it out. */
interface Wrapper {
  readonly onResponseStart: (controller: Controller, status: number, headers: IncomingHttpHeaders, statusMessage?: string) => void
  readonly onResponseData: (controller: Controller, chunk: Buffer) => void
  readonly onResponseEnd: (controller: Controller, trailers: IncomingHttpHeaders) => void
}

/** A handler from the fetch of Node 20 speaks an older protocol: undici's own wrapper translates. */
export function passTo (handler: Handler): Passing {
  const wrapper = new (undiciClass('DecoratorHandler', 'handler/decorator-handler.js'))(handler) as Wrapper & Handler
  return {
    start: (controller, context) => { wrapper.onRequestStart?.(controller, context) },
    head (head) {
      const { controller, status, headers, statusMessage } = head
      if (isOld(handler)) passHead(handler, head)
      else wrapper.onResponseStart(controller, status, headers, statusMessage)
    },
    data: (controller, chunk) => { wrapper.onResponseData(controller, chunk) },
    end: (controller, trailers) => { wrapper.onResponseEnd(controller, trailers) },
    error: (controller, error) => { wrapper.onResponseError?.(controller, error) }
  }
}

/** undici hands the lines of a repeated header, such as Set-Cookie, to an older fetch as one list, which that one makes one line of. */
function passHead (handler: OldHandler, { controller, status, headers, statusMessage }: Head): void {
  const lines = Object.entries(headers)
    .flatMap(([name, value]) => [value].flat().flatMap((line) => [Buffer.from(name, 'latin1'), Buffer.from(String(line), 'latin1')]))
  if (handler.onHeaders(status, lines, () => { controller.resume() }, statusMessage) === false) controller.pause()
}

/** What the fetch of Node 20 to 24 and undici 6 expect. */
export interface OldHandler {
  readonly onConnect: (abort: (reason?: Error) => void) => void
  readonly onResponseStarted?: () => void
  readonly onHeaders: (status: number, headers: readonly Buffer[], resume: () => void, statusText?: string) => boolean | undefined
  readonly onData: (chunk: Buffer) => boolean | undefined
  readonly onComplete: (trailers: readonly unknown[] | null) => void
  readonly onError: (error: Error) => void
}

export function isOld (handler: object): handler is OldHandler {
  return 'onHeaders' in handler && typeof handler.onHeaders === 'function'
}
