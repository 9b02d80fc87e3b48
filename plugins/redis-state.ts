import type { FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'
import { READINESS } from './names.ts'
// Its addition to the types of Fastify.
import type {} from './readiness.ts'

export interface RedisTexts {
  /** Of the readiness. */
  readonly condition: string
  /** What follows for callers, while Redis is unavailable. */
  readonly meanwhile: string
  /** From then on. */
  readonly afterwards: string
  readonly level: 'warn' | 'error'
}

export interface RedisState {
  /** A command was executed. */
  readonly worked: () => void
  /** A command was not: returns the cause. */
  readonly failed: (error: Error) => string
}

/** Milliseconds. A connection that is asked so often is never silent for long without being noticed. */
const ASKED_EVERY_MS = 5_000
const RECONNECT_MS = 2_000

/**
 * Whether Redis does what it is there for, in the readiness and in the log, each change once. `ask` sends it a command of the kind that
 * requests need, every five seconds, so that the state is true where no request comes, too. Ends the connection with the application.
 */
export function redisState (app: FastifyInstance, redis: Redis, texts: RedisTexts, ask: () => Promise<unknown>): RedisState {
  const { condition, meanwhile, afterwards, level } = texts
  let problem: string | undefined = 'not connected yet'
  let isReported = false
  let isRefused = false
  let isClosing = false
  let reconnecting: NodeJS.Timeout | undefined
  redis.on('connect', () => { isRefused = false })
  redis.on('error', (error: Error) => {
    isRefused = isReply(error)
    report(causeOf(error))
  })
  // After an error it is that error which says why.
  redis.on('close', () => { report(problem ?? 'the connection was closed') })
  redis.on('ready', () => {
    if (isRefused) connectLater()
    else worked()
  })
  if (app.hasDecorator(READINESS)) {
    app[READINESS].watch(condition, () => problem === undefined ? undefined
      : { severity: 'degraded', text: `Redis is unavailable (${problem}): ${meanwhile}` })
  }
  const asking = setInterval(() => { if (redis.status === 'ready') ask().then(worked, failed) }, ASKED_EVERY_MS).unref()
  app.addHook('onClose', (_instance, done) => {
    clearInterval(asking)
    clearTimeout(reconnecting)
    isClosing = true
    isReported = true
    redis.disconnect()
    done()
  })

  /** The database that the address names does not exist: ioredis would go on with another one. */
  function connectLater (): void {
    // Its other end may not respond to the end of the connection: `end` comes when ioredis has given it up.
    redis.once('end', () => {
      if (!isClosing) reconnecting = setTimeout(() => { redis.connect().catch(() => undefined) }, RECONNECT_MS).unref()
    })
    redis.disconnect()
  }

  function worked (): void {
    if (problem === undefined) return
    if (isReported) app.log.info(`Redis is available again: ${afterwards}`)
    problem = undefined
    isReported = false
  }

  function failed (error: Error): string {
    // A server that is connected can refuse the command: a replica that is read-only, memory that is used up, missing rights.
    if (redis.status === 'ready') report(causeOf(error))
    return problem ?? causeOf(error)
  }

  function report (cause: string): void {
    problem = cause
    if (isReported) return
    isReported = true
    app.log[level]({ cause }, `Redis is unavailable: ${meanwhile}`)
  }

  return { worked, failed }
}

const isReply = ({ name }: Pick<Error, 'name'>): boolean => name === 'ReplyError'

/**
 * The code of a system error, or the word with which a reply of Redis begins (READONLY, OOM, WRONGPASS, NOPERM), or what the client says of
 * itself (Command timed out). None of them contains the address.
 */
function causeOf ({ code, name, message }: Error & { readonly code?: string }): string {
  return code ?? (isReply({ name }) ? /^[A-Z]+/.exec(message)?.[0] : undefined) ?? (name === 'Error' ? message : name)
}
