import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'
import { REFUSED } from './names.ts'
import { redisState } from './redis-state.ts'

export interface RateLimitOptions {
  /** Of one verified client, over all routes that require a token. */
  readonly perMinute: number
  /** Where the replicas count together; without it each counts for itself. */
  readonly redisUrl: string | undefined
}

/** A client sends more than it may (RFC 6585 §4). `Retry-After` is set by the library. */
export class TooManyRequests extends Error {
  readonly statusCode = 429
}

const NAMESPACE = 'scopegate-rate:'
/**
 * A Redis that does not respond must not hold a request: then nothing is limited. One that stays silent for a second counts as
 * unreachable, and no request waits for it any more.
 */
const REDIS = {
  connectTimeout: 1_000, commandTimeout: 250, socketTimeout: 1_000, disconnectTimeout: 100, maxRetriesPerRequest: 0,
  enableOfflineQueue: false
} as const

/** Clients whose requests are counted in memory; beyond it, the count of the one that called longest ago is deleted. */
const CLIENTS = 10_000

/**
 * Limits each verified client, never an address: callers behind one gateway do not share a limit, and a caller that is refused uses up
 * nobody's. Runs after the access policy; register it after the guard and before the routes. A Redis that is unreachable limits nothing.
 */
export default fp<RateLimitOptions>(async (app, { perMinute, redisUrl }) => {
  const redis = redisUrl === undefined ? undefined : await connect(redisUrl)
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: '1 minute',
    cache: CLIENTS,
    keyGenerator: keyOf,
    allowList: ({ optionalPrincipal }) => optionalPrincipal === undefined,
    errorResponseBuilder (request, { after }) {
      const detail = `the client has sent more than ${perMinute} requests in a minute; try again in ${after}`
      request[REFUSED] = { reason: 'rate_limited', detail }
      return new TooManyRequests(detail)
    },
    ...redis && { redis, nameSpace: NAMESPACE, skipOnError: true }
  })

  if (redis !== undefined) noticeFailures(app, redis)
}, { name: 'rate-limit', dependencies: ['scopegate', 'readiness'] })

async function connect (address: string): Promise<Redis> {
  const { Redis } = await import('ioredis')
  return new Redis(address, REDIS)
}

/** The command that the library has defined. Where it fails, the library skips the limit, and does not say so. */
interface Counting { rateLimit: (...parameters: unknown[]) => void }

function noticeFailures (app: FastifyInstance, redis: Redis): void {
  const counting = redis as unknown as Counting
  const count = counting.rateLimit.bind(redis)
  const asked = (): Promise<void> => new Promise((resolve, reject) => {
    count(`${NAMESPACE}asked`, 1, 1, false, false, (error: Error | null) => { if (error === null) resolve(); else reject(error) })
  })
  const state = redisState(app, redis, {
    condition: 'rate_limit_unavailable', meanwhile: 'clients are not limited', afterwards: 'clients are limited', level: 'warn'
  }, asked)
  counting.rateLimit = (...parameters) => {
    const done = parameters.pop() as (error: Error | null, result: unknown) => void
    count(...parameters, (error: Error | null, result: unknown) => {
      if (error === null) state.worked()
      else state.failed(error)
      done(error, result)
    })
  }
}

/** Two issuers may know clients of one name. A token without a client is counted by its subject; requests without one are not counted. */
function keyOf ({ optionalPrincipal: caller }: FastifyRequest): string {
  return caller === undefined
    ? ''
    : JSON.stringify([caller.issuer, caller.clientId ?? '', caller.clientId === undefined ? caller.subject ?? '' : ''])
}
