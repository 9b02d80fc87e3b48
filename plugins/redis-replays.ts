import type { FastifyInstance } from 'fastify'
import { Redis } from 'ioredis'
import { Unavailable } from '../src/oauth/errors.ts'
import { PROOF_WINDOW } from '../src/oauth/dpop/proof-rules.ts'
import type { Replays } from '../src/oauth/dpop/replays.ts'
import { READINESS } from './names.ts'

/** Longer than a proof can be used, by the difference of the clocks of two replicas. */
const KEPT_MS = (PROOF_WINDOW.pastSeconds + PROOF_WINDOW.futureSeconds + 30) * 1000
const LIMITS = { connectTimeoutMs: 2_000, commandTimeoutMs: 1_000, mostDelayMs: 2_000 } as const

/**
 * The proofs that all replicas have seen, in Redis: `SET NX PX`, one command for each request with a proof. What Redis does not confirm is
 * refused (503), and only that: bearer tokens never come here. The state is in the readiness and in the log, each change once.
 */
export function redisReplays (app: FastifyInstance, redisUrl: string): Replays {
  const redis = new Redis(redisUrl, {
    connectTimeout: LIMITS.connectTimeoutMs,
    commandTimeout: LIMITS.commandTimeoutMs,
    // A command that is sent again would find its own first attempt, and look like a replay.
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => Math.min(attempt * 100, LIMITS.mostDelayMs)
  })
  let problem: string | undefined = 'not connected yet'
  let isReported = false
  redis.on('error', (error: Error) => { report(causeOf(error)) })
  // After an error it is that error which says why.
  redis.on('close', () => { report(problem ?? 'the connection was closed') })
  redis.on('ready', available)
  if (app.hasDecorator(READINESS)) {
    app[READINESS].watch('replays_unavailable', () => problem === undefined ? undefined
      : { severity: 'degraded', text: `Redis is unavailable (${problem}): requests with DPoP proofs get 503, others are not affected` })
  }
  app.addHook('onClose', (_instance, done) => {
    isReported = true
    redis.disconnect()
    done()
  })

  function available (): void {
    if (isReported) app.log.info('Redis is available again: DPoP proofs are accepted')
    problem = undefined
    isReported = false
  }

  function report (cause: string): void {
    problem = cause
    if (isReported) return
    isReported = true
    app.log.error({ cause }, 'Redis is unavailable: requests with DPoP proofs get 503, others are not affected')
  }

  return {
    firstUse: async (name) => {
      const reply = await redis.set(`scopegate:dpop:${name}`, 1, 'PX', KEPT_MS, 'NX').catch((error: unknown) => {
        // A server that is connected can refuse the command: a replica that is read-only, memory that is used up, missing rights.
        if (redis.status === 'ready') report(causeOf(error as Error))
        throw new Unavailable('replays_unavailable', 1, { detail: `Redis: ${problem ?? causeOf(error as Error)}` })
      })
      if (problem !== undefined) available()
      return reply === 'OK'
    }
  }
}

/**
 * The code of a system error, or the word with which a reply of Redis begins (READONLY, OOM, WRONGPASS, NOPERM), or what the client says of
 * itself (Command timed out). None of them contains the address.
 */
function causeOf ({ code, name, message }: Error & { readonly code?: string }): string {
  return code ?? (name === 'ReplyError' ? /^[A-Z]+/.exec(message)?.[0] : undefined) ?? (name === 'Error' ? message : name)
}
