import type * as Api from '@opentelemetry/api'
import type { Context, Span } from '@opentelemetry/api'

type Headers = Readonly<Record<string, unknown>>
type Attributes = Readonly<Record<string, string | number>>
/** `root`: the work serves many requests, so it is a part of none of them. `remote`: it is one request to another service. */
interface SpanOptions { readonly attributes: Attributes, readonly root?: boolean, readonly remote?: boolean }

/** Where @opentelemetry/api keeps what an SDK has registered, in every copy of its major version 1. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

/** Spans by @opentelemetry/api, which is loaded only where an SDK was registered before. */
export interface Tracing {
  /** Runs the work in a span, which is the active one in it; an error of the work is the status of the span. */
  readonly inSpan: <T>(name: string, options: SpanOptions, work: () => Promise<T>) => Promise<T>
  /** Adds to the span that is active, if one is. */
  readonly describe: (attributes: Attributes) => void
  /** The active span of an instrumentation, or what the caller's `traceparent` says, as the registered propagator reads it. */
  readonly contextOf: (headers: Headers) => Context
  readonly within: (context: Context, work: () => void) => void
  /** Undefined where no valid span is known. */
  readonly traceIdOf: (context: Context) => string | undefined
  /** Writes the active context for the next service, `traceparent` by W3C. */
  readonly inject: (headers: { set: (name: string, value: string) => void }) => void
}

let tracing: Tracing | undefined

/** Whether an SDK is registered: costs one look at a symbol. */
export function isTraced (): boolean {
  return REGISTERED in globalThis
}

/** What `loadTracing` has loaded. */
export function loadedTracing (): Tracing | undefined {
  return tracing
}

/** Undefined where no SDK is registered: then nothing is loaded, and nothing else happens. */
export async function loadTracing (): Promise<Tracing | undefined> {
  if (!isTraced()) return undefined
  return (tracing ??= tracingBy(await import('@opentelemetry/api')))
}

function tracingBy ({ context, propagation, trace, SpanKind, SpanStatusCode, isSpanContextValid }: typeof Api): Tracing {
  const fail = (span: Span, error: unknown): void => {
    const { reason, code, name: kind } = error as { readonly reason?: string, readonly code?: string, readonly name: string }
    const name = reason ?? code ?? kind
    span.setAttribute('error.type', name).setStatus({ code: SpanStatusCode.ERROR, message: name })
  }
  return {
    inSpan: (name, { remote = false, ...options }, work) => trace.getTracer('scopegate').startActiveSpan(name, {
      ...options, kind: remote ? SpanKind.CLIENT : SpanKind.INTERNAL
    }, async (span) => {
      try {
        return await work()
      } catch (error) {
        fail(span, error)
        throw error
      } finally {
        span.end()
      }
    }),
    describe: (attributes) => { trace.getActiveSpan()?.setAttributes(attributes) },
    contextOf (headers) {
      const active = context.active()
      return trace.getSpan(active) === undefined ? propagation.extract(active, headers) : active
    },
    within: (parent, work) => { context.with(parent, work) },
    traceIdOf (parent) {
      const found = trace.getSpanContext(parent)
      return found !== undefined && isSpanContextValid(found) ? found.traceId : undefined
    },
    inject: (headers) => { propagation.inject(context.active(), headers, { set: (target, name, value) => { target.set(name, value) } }) }
  }
}
