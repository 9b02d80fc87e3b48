/**
 * Sends the spans of a process to an OpenTelemetry collector: `node --import ./tracing.mjs …`, or in NODE_OPTIONS. Its address is
 * OTEL_EXPORTER_OTLP_ENDPOINT (otherwise http://localhost:4318), the name of the service OTEL_SERVICE_NAME.
 */
import { FastifyOtelInstrumentation } from '@fastify/otel'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { defaultResource, detectResources, envDetector } from '@opentelemetry/resources'
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node'

const provider = new NodeTracerProvider({
  resource: defaultResource().merge(detectResources({ detectors: [envDetector] })),
  // What is younger than this when a process ends is lost: the service drains for longer.
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { scheduledDelayMillis: 1_000 })]
})
provider.register()

// A server span for each request. Without it the spans of Scopegate are children of the gateway's span.
const requests = new FastifyOtelInstrumentation({ registerOnInitialization: true, instrumentHooks: false, instrumentHandler: false })
requests.setTracerProvider(provider)
