import type { FastifyInstance } from 'fastify'

/** Drawing, segment of the path, methods. Not of this form: a blank line, and the note that there is none. */
const LINE = /^([│├└─ ]+)(.*?) \(([A-Z, -]+)\).*$/

/**
 * The routes that the router holds at this moment, as `METHOD path`, also those that no onRoute hook has seen. Fastify gives them in one
 * form only, a drawn tree: each line adds to the path of the line that it is indented under.
 */
export function registeredRoutes (app: FastifyInstance): readonly string[] {
  const path: string[] = []
  return app.printRoutes({ commonPrefix: false }).split('\n').flatMap((line) => {
    const found = LINE.exec(line) as unknown as [string, string, string, string] | null
    if (found === null) return []
    const [, drawing, segment, methods] = found
    path.length = drawing.length / 4 - 1
    path.push(segment)
    return methods.split(', ').map((method) => `${method} ${path.join('')}`)
  })
}
