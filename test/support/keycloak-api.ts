import { PassThrough } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import type { Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { readSettingFiles } from '../../src/config/setting-files.ts'
import { ADDRESSES } from './two-addresses.ts'

export type Json = Record<string, unknown>

export interface Respond {
  readonly status: number
  readonly challenge: string
  readonly body: Json
}

/** What the log has of a refused request, and what the caller received. */
export interface Refused extends Respond {
  readonly reason: unknown
  readonly detail: unknown
  readonly hint: unknown
}

export interface Api {
  readonly url: string
  readonly app: FastifyInstance
  /** Every log line so far, parsed. */
  readonly lines: readonly Json[]
  get: (path: string, token?: string) => Promise<Respond>
  post: (path: string, body: Json, token?: string) => Promise<Respond>
  /** GET with a token that is refused: the response, and the log's words for it. */
  refusal: (token: string, path?: string) => Promise<Refused>
}

export interface ApiOptions {
  /** Before it listens: routes of the test's own. */
  readonly prepare?: (app: FastifyInstance) => unknown
  /** Do not wait until the keys are known. */
  readonly impatient?: boolean
  /** Which of the addresses of `localhost` it is called at; it must listen there. */
  readonly address?: string | undefined
  /** Where it listens, if its address must be known before. */
  readonly port?: number
}

/** The service against an issuer that runs already, over real HTTP; ends with the test. */
export async function startApi (
  t: Test, environment: Record<string, string>, { prepare, impatient = false, address, port = 0 }: ApiOptions = {}
): Promise<Api> {
  const lines: Json[] = []
  const sink = new PassThrough()
  sink.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trim().split('\n').map((line) => JSON.parse(line) as Json)))
  const app = await buildApp(loadConfig(environment, { files: readSettingFiles(environment) }), { logger: pino({ base: null }, sink) })
  await prepare?.(app)
  const listening = await app.listen({ host: 'localhost', port })
  t.teardown(() => app.close())
  if (address !== undefined) t.same(app.addresses().map(addressOf).sort(), ADDRESSES, 'two listeners')
  const url = address === undefined ? listening : listening.replace(new URL(listening).hostname, address)
  if (!impatient) await soon(() => app.keyring.state().knownKeys > 0)

  const ask = async (path: string, token: string | undefined, init: RequestInit = {}): Promise<Respond> => {
    const headers = { 'content-type': 'application/json', ...token !== undefined && { authorization: `Bearer ${token}` } }
    const response = await fetch(`${url}${path}`, { ...init, headers })
    return { status: response.status, challenge: response.headers.get('www-authenticate') ?? '', body: await response.json() as Json }
  }
  const get: Api['get'] = (path, token) => ask(path, token)
  return {
    url,
    app,
    lines,
    get,
    post: (path, body, token) => ask(path, token, { method: 'POST', body: JSON.stringify(body) }),
    async refusal (token, path = '/api/private') {
      const response = await get(path, token)
      const lineOf = (): Json | undefined => lines.find(({ reqId, status }) => reqId === response.body.request_id && status !== undefined)
      await soon(() => lineOf() !== undefined)
      const { reason, detail, hint } = lineOf() ?? {}
      return { ...response, reason, detail, hint }
    }
  }
}

const addressOf = (place: ReturnType<FastifyInstance['addresses']>[number]): string => typeof place === 'string' ? place : place.address

/** Waits for a condition that another part brings about; fails loudly. */
export async function soon (condition: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const end = Date.now() + withinMs
  while (!await condition()) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
