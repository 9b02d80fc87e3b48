import type { FastifyPluginCallback } from 'fastify'

/** The metrics of an application, for Prometheus; on the management listener, or to every caller. */
export interface MetricsRouteOptions {
  readonly metrics: { readonly contentType: string, readonly text: () => Promise<string> }
}

export const metricsRoute: FastifyPluginCallback<MetricsRouteOptions> = (app, { metrics }, done) => {
  app.get('/metrics', { config: { auth: 'public' } }, async (_request, reply) =>
    reply.type(metrics.contentType).header('cache-control', 'no-store').send(await metrics.text()))
  done()
}
