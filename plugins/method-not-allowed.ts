import { METHODS } from 'node:http'
import type { HTTPMethods } from 'fastify'
import fp from 'fastify-plugin'

/** A tunnel, not a request: Node hands it to nobody and closes the connection. */
const NO_REQUEST = new Set(['CONNECT'])

/**
 * 405 with `Allow` where Fastify would say 404: for each path as registered, a route of its own for every other method. It is as open
 * as the path's most open method; on a protected path only a caller with a valid token learns more than 401. Register it last.
 */
export default fp((app, _options, done) => {
  for (const method of METHODS) if (!NO_REQUEST.has(method) && !app.supportedMethods.includes(method)) app.addHttpMethod(method)

  const byUrl = new Map<string, { methods: Set<string>, open: boolean }>()
  for (const { method, url, access } of app.accessOf()) {
    const path = byUrl.get(url) ?? { methods: new Set(), open: false }
    path.methods.add(method)
    path.open ||= access.mode !== 'protected'
    byUrl.set(url, path)
  }
  for (const [url, { methods, open }] of byUrl) {
    const allow = [...methods].sort()
    const others = app.supportedMethods.filter((method) => !methods.has(method)) as HTTPMethods[]
    app.route({
      method: others,
      url,
      exposeHeadRoute: false,
      config: { auth: open ? 'public' : { scopes: [] }, allow },
      // Never reached: request-shape answers by `allow` before a body is read.
      handler: Function.prototype as () => void
    })
  }
  done()
}, { name: 'method-not-allowed', dependencies: ['access-policy', 'request-shape'] })
