import rateLimit from '@fastify/rate-limit'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { REFUSED } from './names.ts'

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
  connectTimeout: 1_000, commandTimeout: 250, socketTimeout: 1_000, maxRetriesPerRequest: 0, enableOfflineQueue: false
} as const

/**
 * Limits each verified client, never an address: callers behind one gateway do not share a limit, and a caller that is refused uses up
 * nobody's. Runs after the access policy; register it after the guard and before the routes. A Redis that is unreachable limits nothing.
 */
export default fp<RateLimitOptions>(async (app, { perMinute, redisUrl }) => {
  const redis = redisUrl === undefined ? undefined : await connect(redisUrl)
  await app.register(rateLimit, {
    max: perMinute,
    timeWindow: '1 minute',
    keyGenerator: keyOf,
    allowList: ({ optionalPrincipal }) => optionalPrincipal === undefined,
    errorResponseBuilder (request, { after }) {
      const detail = `the client has sent more than ${perMinute} requests in a minute; try again in ${after}`
      request[REFUSED] = { reason: 'rate_limited', detail }
      return new TooManyRequests(detail)
    },
    ...redis && { redis, nameSpace: NAMESPACE, skipOnError: true }
  })

  async function connect (address: string): Promise<object> {
    const { Redis } = await import('ioredis')
    const redis = new Redis(address, REDIS)
    let isReachable = true
    redis.on('error', ({ message }: Error) => {
      if (isReachable) app.log.warn({ error: message }, 'Redis is unreachable: clients are not limited until it responds')
      isReachable = false
    })
    app.readiness.watch('rate_limit_unavailable', () => isReachable ? undefined
      : { severity: 'degraded', text: 'Redis is unreachable: clients are not limited until it responds' })
    redis.on('ready', () => {
      if (!isReachable) app.log.info('Redis is reachable again')
      isReachable = true
    })
    app.addHook('onClose', (_app, done) => {
      redis.disconnect()
      done()
    })
    return redis
  }
}, { name: 'rate-limit', dependencies: ['scopegate', 'readiness'] })

/** Two issuers may know clients of one name. A token without a client is counted by its subject; requests without one are not counted. */
function keyOf ({ optionalPrincipal: caller }: FastifyRequest): string {
  return caller === undefined
    ? ''
    : JSON.stringify([caller.issuer, caller.clientId ?? '', caller.clientId === undefined ? caller.subject ?? '' : ''])
}
