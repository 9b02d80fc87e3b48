import { pino, type Logger } from 'pino'
import { BlockWriter } from './block-writer.ts'
import type { Config } from './config.ts'
import { jsonLine, printableLine, type LineWriter } from './log-line.ts'

export interface Log {
  readonly logger: Logger
  /** For a line of each request, in half of the time that the logger needs. Undefined where a person reads the log. */
  readonly writeLine?: LineWriter
  /** Writes out what is still in memory; for the end of the process. */
  readonly flush: () => Promise<void>
  /** Lines that were dropped since the start, because nobody has read them. */
  readonly dropped: () => number
}

/** JSON for standard output; what waits in memory is bounded, and nothing is lost at a clean end. */
const BLOCKS = { fd: 1, blockBytes: 16 * 1024, afterMs: 200, maxPendingBytes: 16 * 1024 * 1024 }

/** The members of a line in words; reason, detail and hint of a refusal stand below it. */
type Shown = Readonly<Record<string, unknown>>
const IN_WORDS: Readonly<Record<string, (line: Shown) => readonly unknown[]>> = {
  request: ({ method, route, status, ms, client }) => [method, route, status, typeof ms === 'number' ? `${ms} ms` : undefined, client],
  audit: ({ decision, method, route, client, issuer }) => ['audit:', decision, method, route, client, issuer],
  'a request that cannot be read': ({ msg, status }) => [msg, status]
}

const READABLE = {
  sync: true,
  translateTime: 'SYS:HH:MM:ss',
  ignore: 'reqId,method,route,status,ms,client,added,removed,kids,issuer,audience,jwksUrl,fault,error,decision,audit',
  messageFormat: (line: Shown) =>
    (IN_WORDS[String(line.msg)]?.(line) ?? [line.msg]).filter((word) => word !== undefined && word !== '').join(' ')
}

/** Where a handler of somebody's own might log what was received. Wildcards would cost every line. */
const SECRET_MEMBERS = [
  'headers.authorization', 'headers.cookie', 'req.headers.authorization', 'req.headers.cookie', 'authorization', 'client_secret'
]

/** JSON in production and into pipes, readable on a terminal (pino-pretty, where it is installed). Requests are logged without headers. */
export async function createLog ({ logLevel, production }: Pick<Config, 'logLevel' | 'production'>, terminal: boolean): Promise<Log> {
  const options = { level: logLevel, base: null, redact: SECRET_MEMBERS }
  const pretty = terminal && !production ? await import('pino-pretty').then(({ default: build }) => build, () => undefined) : undefined
  if (pretty !== undefined) {
    const readable = pretty(READABLE)
    const logger = pino(options, { write: (line) => void readable.write(keptEscapes(line)) })
    return { logger, flush: () => Promise.resolve(), dropped: () => 0 }
  }
  const blocks = new BlockWriter(BLOCKS)
  const logger = pino(options, { write: (line) => blocks.write(printableLine(line)) })
  const writeLine: LineWriter = (level, members, msg) => blocks.write(jsonLine(level, members, msg))
  return { logger, writeLine, flush: () => blocks.flush(), dropped: () => blocks.droppedInAll }
}

/** A line of JSON for a reader that writes its values to a terminal: control and direction characters stay escapes there too. */
export function keptEscapes (line: string): string {
  return printableLine(line).replace(
    /\\\\|\\[bfr]|\\u(?:00[01][0-9a-f]|007f|00[89][0-9a-f]|20[0-9a-f]{2}|feff)/gi,
    (found) => found === '\\\\' ? found : `\\${found}`
  )
}
