import fp from 'fastify-plugin'
import { refused, type RefusedEvent } from '../src/events.ts'

/** So many are kept, the newest. */
export const REFUSALS_KEPT = 50

/** `at`: ms since 1970. */
export type RecentRefusal = RefusedEvent & { readonly at: number }

declare module 'fastify' {
  interface FastifyInstance {
    /** The last refusals of this process, the newest first. */
    recentRefusals: () => readonly RecentRefusal[]
  }
}

/** Keeps the last refusals for a page, while the application is open. What they say of a token is not verified. */
export default fp((app, _options, done) => {
  const kept: RecentRefusal[] = []
  const end = refused.subscribe((event) => {
    if (kept.unshift({ ...event, at: Date.now() }) > REFUSALS_KEPT) kept.pop()
  })
  app.decorate('recentRefusals', () => kept)
  app.addHook('onClose', (_app, next) => {
    end()
    next()
  })
  done()
}, { name: 'recent-refusals' })
