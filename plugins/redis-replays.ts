import type { FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { Unavailable } from '../src/oauth/errors.ts'
import { PROOF_WINDOW } from '../src/oauth/dpop/proof-rules.ts'
import type { Replays } from '../src/oauth/dpop/replays.ts'
import { redisState } from './redis-state.ts'

/** Longer than a proof can be used, by the difference of the clocks of two replicas. */
const KEPT_MS = (PROOF_WINDOW.pastSeconds + PROOF_WINDOW.futureSeconds + 30) * 1000
const PREFIX = 'scopegate:dpop:'
const LIMITS = {
  connectTimeoutMs: 2_000, commandTimeoutMs: 1_000, socketTimeoutMs: 2_000, disconnectTimeoutMs: 100, mostDelayMs: 2_000
} as const

/**
 * The proofs that all replicas have seen, in Redis: `SET NX PX`, one command for each request with a proof. What Redis does not confirm is
 * refused (503), and only that: bearer tokens never come here. The state is in the readiness and in the log, each change once.
 */
export function redisReplays (app: FastifyInstance, redisUrl: string): Replays {
  const redis = new Redis(redisUrl, {
    connectTimeout: LIMITS.connectTimeoutMs,
    commandTimeout: LIMITS.commandTimeoutMs,
    // A connection that does not respond is closed, with the commands that wait for a response on it.
    socketTimeout: LIMITS.socketTimeoutMs,
    disconnectTimeout: LIMITS.disconnectTimeoutMs,
    // A command that is sent again would find its own first attempt, and look like a replay.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.min(attempt * 100, LIMITS.mostDelayMs)
  })
  const state = redisState(app, redis, {
    condition: 'replays_unavailable',
    meanwhile: 'requests with DPoP proofs get 503, others are not affected',
    afterwards: 'DPoP proofs are accepted',
    level: 'error'
  }, () => redis.set(`${PREFIX}asked`, 1, 'PX', LIMITS.commandTimeoutMs))
  return {
    firstUse: async (name) => {
      const reply = await redis.set(`${PREFIX}${name}`, 1, 'PX', KEPT_MS, 'NX').catch((error: unknown) => {
        throw new Unavailable('replays_unavailable', 1, { detail: `Redis: ${state.failed(error as Error)}` })
      })
      state.worked()
      return reply === 'OK'
    }
  }
}
