import { destination, pino, type Logger } from 'pino'
import type { Config } from './config.ts'

export interface Log {
  readonly logger: Logger
  /** Writes out what is still in memory; for the end of the process. */
  readonly flush: () => void
}

/** At most so much waits in memory; beyond it lines are dropped rather than memory filled. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024

/** A request as a line of words; reason, detail and hint of a refusal below it. */
const READABLE = {
  sync: true,
  translateTime: 'SYS:HH:MM:ss',
  ignore: 'reqId,method,route,status,ms,client,came,went,issuer,audience,jwksUrl,fault',
  messageFormat: ({ msg, method, route, status, ms, client = '' }: Record<string, unknown>) =>
    msg === 'request' ? [method, route, status, `${String(ms)} ms`, client].join(' ') : String(msg)
}

/** JSON, written in blocks: a write for every line costs more than the request. Nothing is lost at a clean end. */
function inBlocks (): ReturnType<typeof destination> {
  return destination({ dest: 1, sync: false, minLength: 8 * 1024, maxLength: MAX_PENDING_BYTES, periodicFlush: 200 })
}

/** Where a handler of somebody's own might log what came in. Wildcards would cost every line. */
const SECRET_MEMBERS = ['headers.authorization', 'headers.cookie', 'req.headers.authorization', 'req.headers.cookie', 'authorization', 'client_secret']

/** JSON in production and into pipes, readable on a terminal (pino-pretty, where it is installed). Requests are logged without headers. */
export async function createLog ({ logLevel, production }: Pick<Config, 'logLevel' | 'production'>, terminal: boolean): Promise<Log> {
  const options = { level: logLevel, base: null, redact: SECRET_MEMBERS }
  const pretty = terminal && !production ? await import('pino-pretty').then(({ default: build }) => build, () => undefined) : undefined
  if (pretty !== undefined) return { logger: pino(options, pretty(READABLE)), flush: () => undefined }
  const blocks = inBlocks()
  return { logger: pino(options, blocks), flush: () => blocks.flushSync() }
}
