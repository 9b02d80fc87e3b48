import fp from 'fastify-plugin'
import { READINESS } from './names.ts'

/**
 * Something an operator or an orchestrator should know. `unavailable`: send no requests; `degraded`: it works, for now; `notice`:
 * as configured.
 */
export interface Condition {
  readonly severity: 'unavailable' | 'degraded' | 'notice'
  readonly text: string
}

/** Whoever knows of a condition gives it here under its name, as long as it holds. */
export interface Readiness {
  readonly watch: (name: string, condition: () => Condition | undefined) => void
  readonly conditions: () => ReadonlyArray<readonly [name: string, condition: Condition]>
}

declare module 'fastify' {
  interface FastifyInstance {
    readiness: Readiness
    [READINESS]: Readiness
    /** From now on: readiness 503, and every response closes its connection, while requests are still served. */
    beginDrain: () => void
  }
}

export default fp((app, _options, done) => {
  const watched = new Map<string, () => Condition | undefined>()
  let draining = false
  app.decorate('readiness', {
    watch: (name, condition) => void watched.set(name, condition),
    conditions: () => [...watched].flatMap(([name, ask]) => {
      const condition = ask()
      return condition === undefined ? [] : [[name, condition] as const]
    })
  })
  app.decorate(READINESS, app.readiness)
  app.decorate('beginDrain', () => { draining = true })
  app.readiness.watch('draining', () => draining ? { severity: 'unavailable', text: 'the process is about to end' } : undefined)
  app.addHook('onRequest', (_request, reply, next) => {
    if (draining) reply.header('connection', 'close')
    next()
  })
  done()
}, { name: 'readiness' })
