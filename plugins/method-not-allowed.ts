import fp from 'fastify-plugin'
import createRouter, { type HTTPMethod } from 'find-my-way'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { MethodNotAllowed } from './error-handler.ts'
import { AUTHENTICATE } from './names.ts'
import { isPreflight } from './preflight.ts'

/** A path of the application, in one method. `open`: at least one of the routes there can be called without a token. */
interface Place { open: boolean }

interface Found {
  readonly allow: readonly string[]
  readonly open: boolean
}

/**
 * 405 with `Allow` where Fastify would respond 404: another method has a route for this very path. It is as open as the most open of those
 * routes; where all of them are protected, only a caller with a valid token learns more than 401. Nothing is added to the application's
 * own router, so no route can collide with it or be hidden by it. Register it before the access policy, whose hook would respond 404.
 */
export default fp((app, _options, done) => {
  let methodsAt: ((method: string, url: string) => Found) | undefined
  app.addHook('onRequest', (request, reply, next) => {
    if (!request.is404 && !isUndeclaredOptions(request)) { next(); return }
    methodsAt ??= placesOf(app)
    const { allow, open } = methodsAt(request.method, request.raw.url as string)
    if (allow.length === 0) { next(); return }
    refuse(request, reply, allow, open, next)
  })
  done()
}, { name: 'method-not-allowed', dependencies: ['error-handler'] })

/** An OPTIONS route that is there for preflights alone; for any other request to it, the path has no such method. */
function isUndeclaredOptions (request: FastifyRequest): boolean {
  return request.method === 'OPTIONS' && request.access?.mode === 'preflight' && !isPreflight(request)
}

function refuse (
  request: FastifyRequest, reply: FastifyReply, allow: readonly string[], open: boolean, next: HookHandlerDoneFunction
): void {
  const refusal = new MethodNotAllowed(allow)
  if (open) { next(refusal); return }
  reply.header('cache-control', 'no-store')
  Promise.resolve().then(() => request[AUTHENTICATE]()).then(() => next(refusal), (error: unknown) => next(error as Error))
}

/** The application's routes in a router of their own: for a request that no route has matched, the methods that have one for its path. */
function placesOf (app: FastifyInstance): (method: string, url: string) => Found {
  const router = createRouter(app.initialConfig.routerOptions)
  const methods = new Set<HTTPMethod>()
  for (const { method, url, access } of app.access.routes()) {
    if (access.mode === 'preflight') continue
    methods.add(method as HTTPMethod)
    const open = access.mode !== 'protected'
    const known = router.findRoute(method as HTTPMethod, url)?.store as Place | undefined
    if (known === undefined) router.on(method as HTTPMethod, url, () => undefined, { open })
    else known.open ||= open
  }
  return (method, url) => {
    const places = [...methods].flatMap((one) => {
      const place = router.find(one, url)?.store as Place | undefined
      return place === undefined ? [] : [{ method: one, ...place }]
    })
    // The method has a route here, for other versions or hosts.
    if (places.some((place) => place.method === method)) return { allow: [], open: false }
    return { allow: places.map((place) => place.method).sort(), open: places.some(({ open }) => open) }
  }
}
