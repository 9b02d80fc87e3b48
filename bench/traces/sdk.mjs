/** Loaded before the service: an SDK that makes every span and sends them nowhere, with the context and propagation of the SDK for Node. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'

const storage = new AsyncLocalStorage()

context.setGlobalContextManager({
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (active, work, self, ...values) => storage.run(active, () => work.call(self, ...values)),
  bind: (_context, target) => target,
  enable () { return this },
  disable () { return this }
})
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
trace.setGlobalTracerProvider(new BasicTracerProvider())
