import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { Test } from 'tap'
import { buildApp, type AppOptions } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import type { SettingFiles } from '../../src/config/setting-files.ts'
import { newKey, TestIssuer, type Json, type SigningKey } from './issuer.ts'

export interface Respond {
  readonly status: number
  readonly headers: Headers
  readonly challenge: string
  readonly body: Json
  readonly text: string
}

export interface Service {
  readonly app: FastifyInstance
  readonly issuer: TestIssuer
  readonly url: string
  /** Every log line so far, parsed. */
  readonly lines: Json[]
  get: (path: string, token?: string, headers?: Record<string, string>) => Promise<Respond>
  ask: (path: string, init: RequestInit) => Promise<Respond>
}

export interface ServiceOptions extends AppOptions {
  readonly issuer?: TestIssuer
  readonly key?: SigningKey
  readonly environment?: Record<string, string>
  /** What stands in the files that settings name. */
  readonly files?: SettingFiles
  /** Before it listens: routes of the test's own. */
  readonly prepare?: (app: FastifyInstance) => unknown
  /** Do not wait until the keys are known. */
  readonly impatient?: boolean
}

/** The whole service against an issuer, both over real HTTP; ends with the test. */
export async function startService (t: Test, options: ServiceOptions = {}): Promise<Service> {
  const issuer = options.issuer ?? await TestIssuer.start(options.key ?? newKey())
  const lines: Json[] = []
  const sink = new PassThrough()
  sink.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n').map((line) => JSON.parse(line) as Json)))
  const config = loadConfig({ ISSUER: issuer.issuer, AUDIENCE: 'test_api', ...options.environment }, { files: options.files ?? {} })
  const { clock, limits, overload, pages } = options
  const logger = pino({ level: config.logLevel, base: null }, sink)
  const app = await buildApp(config, { logger, ...clock && { clock }, ...limits && { limits }, ...overload && { overload }, pages })
  await options.prepare?.(app)
  const url = await app.listen({ host: 'localhost', port: 0 })
  t.teardown(async () => {
    await app.close()
    await issuer.stop()
  })
  if (options.impatient !== true) await until(() => app.keyring.state().knownKeys > 0)

  const ask = async (path: string, init: RequestInit): Promise<Respond> => {
    const response = await fetch(`${url}${path}`, init)
    const text = await response.text()
    return {
      status: response.status, headers: response.headers, challenge: response.headers.get('www-authenticate') ?? '', text,
      body: /json/.test(response.headers.get('content-type') ?? '') && text !== '' ? JSON.parse(text) as Json : {}
    }
  }
  const get: Service['get'] = (path, token, headers = {}) =>
    ask(path, { headers: { ...token !== undefined && { authorization: `Bearer ${token}` }, ...headers } })
  return { app, issuer, url, lines, get, ask }
}

/** Waits for a condition that another part brings about; fails loudly after five seconds. */
export async function until (condition: () => boolean, withinMs = 5_000): Promise<void> {
  const end = Date.now() + withinMs
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
