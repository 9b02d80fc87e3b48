import type { FastifyInstance } from 'fastify'

/** One entry of the router, as its drawing shows it. */
export interface PrintedRoute {
  readonly method: string
  /** For messages only: parameters of one place are drawn as one (`:id|:itemId`), and a path with a line break is cut. */
  readonly path: string
  /** JSON of its constraints; empty without. */
  readonly constraints: string
  /** The names of its onRequest hooks; known once the application is ready. */
  readonly onRequest: readonly string[]
  /** The name of its error handler, where it has one of its own. */
  readonly errorHandler: string
}

/** Drawing, segment of the path, constraints. */
const ROUTE = /^([│├└─ ]*)(.*?) \([A-Z, -]+\) ?(.*)$/
const META = /^[│ ]*• \((onRequest|errorHandler)\) (.*)$/
const NO_ROUTES = '(empty tree)'

/**
 * The routes that the router holds at this moment, also those that no onRoute hook of ours has seen. Fastify gives them in one form
 * only, a drawn tree for each method: each line adds to the path of the line that it is indented under. What can be relied on: a method
 * that has a route has an entry here. What cannot: `/x/*` is missing beside `*`, and the paths are for people to read.
 */
export function registeredRoutes (app: FastifyInstance): readonly PrintedRoute[] {
  return app.supportedMethods.flatMap((method) =>
    routesDrawn(method, app.printRoutes({ method: method, commonPrefix: false, includeMeta: ['onRequest', 'errorHandler'] })))
}

function routesDrawn (method: string, drawing: string): PrintedRoute[] {
  const segments: string[] = []
  const routes: PrintedRoute[] = []
  for (const line of drawing.split('\n').filter((one) => one !== '' && one !== NO_ROUTES)) {
    const [, meta, names = ''] = META.exec(line) ?? []
    const last = routes.at(-1)
    if (meta !== undefined && last !== undefined) {
      const drawn = [JSON.parse(names) as string | string[]].flat().map((name) => name.replace(/\(\)$/, ''))
      routes[routes.length - 1] = meta === 'onRequest' ? { ...last, onRequest: drawn } : { ...last, errorHandler: drawn.join() }
      continue
    }
    const [, indent = '', segment = line, constraints = ''] = ROUTE.exec(line) ?? []
    segments.length = Math.min(segments.length, Math.max(0, indent.length / 4 - 1))
    segments.push(segment)
    routes.push({ method, path: segments.join(''), constraints, onRequest: [], errorHandler: '' })
  }
  return routes
}
