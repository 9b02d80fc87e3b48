import type { FastifyInstance } from 'fastify'
import { PREFLIGHT } from '../src/oauth/access-declaration.ts'
import type { AccessRow } from '../src/oauth/access-matrix.ts'
import { registeredRoutes, type PrintedRoute } from './registered-routes.ts'

/** Routes of a guard's context that were registered before the guard, so that its onRoute hook has not seen them. */
export interface EarlyRoutes {
  /** @fastify/cors registers an OPTIONS route: undeclared, it is open for a preflight only, also when it was there before the guard. */
  readonly rows: readonly AccessRow[]
  /** Everything that is wrong with the others. */
  readonly problems: readonly string[]
}

/** Every route that is registered so far. */
export function routesSoFar (app: FastifyInstance): ReadonlySet<string> {
  return new Set(registeredRoutes(app).map(placeOf))
}

/**
 * The guard enforces what these routes declare, but they are not in the matrix: with `unlisted: 'refuse'` they stop the start. `hook`: the
 * name of the guard's hook, which shows in the router's drawing which routes it holds; the error handler of those that its onRoute hook has
 * seen has the same. Routes outside of it are listed at level debug.
 */
export function earlyRoutes (app: FastifyInstance, hook: string, early: ReadonlySet<string>, unlisted: 'refuse' | 'public'): EarlyRoutes {
  const routes = registeredRoutes(app)
  const outside = routes.filter(({ onRequest }) => !onRequest.includes(hook)).map(nameOf)
  if (outside.length > 0) app.log.debug({ routes: outside }, 'routes outside of the context of this access policy')
  const before = routes.filter((route) => route.onRequest.includes(hook) && route.errorHandler !== hook && early.has(placeOf(route)))
  const rows = before.filter(isOptions).map(preflightRow)
  return { rows, problems: problemsOf(app, before.filter((route) => !isOptions(route)).map(nameOf), unlisted) }
}

function nameOf ({ method, path }: Pick<PrintedRoute, 'method' | 'path'>): string {
  return `${method} ${path}`
}

/** However a later route names the parameters of the same place: they are drawn as one. */
function placeOf ({ method, path, constraints }: PrintedRoute): string {
  const withoutNames = path.split('/').map((segment) => [...new Set(segment.replace(/:[^|().:-]*/g, ':').split('|'))].join('|')).join('/')
  return `${method} ${withoutNames} ${constraints}`
}

function isOptions ({ method }: Pick<PrintedRoute, 'method'>): boolean {
  return method === 'OPTIONS'
}

function preflightRow ({ method, path }: PrintedRoute): AccessRow {
  return Object.freeze({ method, url: path, access: PREFLIGHT, by: 'registered before the access policy' })
}

function problemsOf (app: FastifyInstance, routes: readonly string[], unlisted: 'refuse' | 'public'): string[] {
  if (unlisted === 'refuse') {
    return routes.map((route) => `${route}: registered before the access policy; await the registration of the policy first`)
  }
  if (routes.length > 0) {
    app.log.warn(
      { routes },
      'routes registered before the access policy: they are not in the access matrix; await the registration of the policy first'
    )
  }
  return []
}
