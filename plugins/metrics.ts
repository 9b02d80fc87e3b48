import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { client, keys, refused } from '../src/events.ts'
import type { Keyring } from '../src/oauth/keyring.ts'
// Their additions to the types of Fastify.
import './auth.ts'
import './readiness.ts'
import { observeListeners } from './listener-metrics.ts'
import { LISTENERS, READINESS, TRUSTED_ISSUERS, VERIFICATION } from './names.ts'
import { observeRequests } from './request-metrics.ts'
import { scrapedCounter, scrapedGauge } from './scraped.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The metrics of docs/reference/metrics.md. Sends nothing: serve it where callers of the API do not reach it. */
    metrics: Metrics
  }
}

export interface Metrics {
  readonly contentType: string
  /** In the text format of Prometheus. */
  readonly text: () => Promise<string>
}

/** What the service adds. */
export interface MetricsOptions {
  /** Lines of the log that were dropped since the start. */
  readonly droppedLines?: (() => number) | undefined
}

/** Seconds, of fetches from an issuer: they end with a time-out of 30 s at the latest. */
const FETCH_BUCKETS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/**
 * The metrics of the guard in whose context it is registered, and of the process. Every label has a bounded number of values: patterns of
 * routes, methods, statuses, reasons, configured issuers. Events of other guards of the same process count too, but for foreign issuers.
 */
const plugin = fp<MetricsOptions>((app, { droppedLines }, done) => {
  if (app.hasDecorator('metrics')) {
    done(new Error('app.metrics is a decorator of this application already, and scopegate/metrics adds one of this name: rename yours'))
    return
  }
  const registry = new Registry()
  const registers = [registry]
  const listeners = app.hasDecorator(LISTENERS) ? app[LISTENERS] : undefined
  if (listeners) observeListeners(listeners, registers)
  const shedEarly = (): number => listeners?.admission.shed ?? 0
  const stops = [...countRefusals(registers, shedEarly), ...observeIssuers(app, registers), observeTokenRequests(registers)]
  const times = observeRequests(app, registers)
  countVerifications(app, registers)
  showConditions(app, registers)
  if (droppedLines) scrapedCounter(registers, 'scopegate_log_lines_dropped_total', 'Lines of the log that were dropped.', droppedLines)
  const ofProcess = processRegistry()
  const text = async (): Promise<string> => [times.text(), await registry.metrics(), await ofProcess.metrics()].join('\n\n')
  app.decorate('metrics', { contentType: registry.contentType, text })
  app.addHook('onClose', (_app, next) => {
    for (const stop of stops) stop()
    next()
  })
  done()
}, { name: 'metrics', dependencies: ['auth'] })

/** Of the library's metrics of a process, those with names that `promtool check metrics` refuses. */
const MISNAMED = [
  'nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total',
  'nodejs_eventloop_utilization_histogram', 'nodejs_eventloop_utilization_summary'
]

let sharedByProcess: Registry | undefined

/** Once for each process: what they observe (garbage collection, the event loop) cannot be switched off again. */
function processRegistry (): Registry {
  if (sharedByProcess !== undefined) return sharedByProcess
  const register = sharedByProcess = new Registry()
  collectDefaultMetrics({ register })
  for (const name of MISNAMED) register.removeSingleMetric(name)
  return register
}

/** `shedEarly`: those that were refused before Fastify because they had waited too long. */
function countRefusals (registers: Registry[], shedEarly: () => number): ReadonlyArray<() => void> {
  const refusals = new Counter({
    name: 'scopegate_refusals_total', help: 'Refused requests by reason (docs/reference/reasons.md).', labelNames: ['reason'], registers
  })
  let shed = 0
  scrapedCounter(
    registers,
    'scopegate_shed_requests_total',
    'Requests refused with 503 because too much was under way.',
    () => shed + shedEarly()
  )
  return [refused.subscribe(({ reason }) => {
    refusals.inc({ reason })
    if (reason === 'overloaded') shed++
  })]
}

/** What the guard counts anyway is read when the metrics are. */
function countVerifications ({ [VERIFICATION]: verification }: FastifyInstance, registers: Registry[]): void {
  const { counts, cache, queue } = verification
  scrapedCounter(registers, 'scopegate_token_cache_hits_total', 'Tokens that had been verified before.', () => counts.cacheHits)
  scrapedCounter(
    registers,
    'scopegate_tokens_read_total',
    'Tokens that were read because they were not in the cache.',
    () => counts.tokensRead
  )
  scrapedCounter(registers, 'scopegate_signature_checks_total', 'Signatures that were checked.', () => counts.signatureChecks)
  scrapedGauge(registers, 'scopegate_token_cache_entries', 'Tokens in the cache.', () => cache.size)
  scrapedGauge(registers, 'scopegate_token_cache_bytes', 'Estimated size of the cache; its bound is TOKEN_CACHE_MB.', () => cache.bytes)
  scrapedGauge(registers, 'scopegate_verification_queue_length', 'Signature checks that wait for their turn.', () => queue.length)
}

function observeIssuers ({ [TRUSTED_ISSUERS]: trustedIssuers }: FastifyInstance, registers: Registry[]): ReadonlyArray<() => void> {
  const issuers = new Map(trustedIssuers.all.map((one) => [one.issuer, one.keyring]))
  const fetches = new Histogram({
    name: 'scopegate_key_fetch_duration_seconds', help: 'Fetches of the key set by issuer and result (ok, failed).',
    labelNames: ['issuer', 'result'], buckets: FETCH_BUCKETS, registers
  })
  for (const issuer of issuers.keys()) for (const result of ['ok', 'failed']) fetches.zero({ issuer, result })
  const gauge = (name: string, help: string, read: (keyring: Keyring) => number | undefined): void => {
    const own: Gauge<'issuer'> = new Gauge({ name, help, labelNames: ['issuer'], registers, collect: () => {
      for (const [issuer, keyring] of issuers) {
        const value = read(keyring)
        if (value !== undefined) own.set({ issuer }, value)
      }
    } })
  }
  gauge('scopegate_keys_known', 'Keys in use.', (keyring) => keyring.state().knownKeys)
  gauge(
    'scopegate_keys_age_seconds',
    'Since the key set was last read; without a value before the first time.',
    (keyring) => secondsOf(keyring.state().ageMs)
  )
  gauge('scopegate_issuer_available', '1: the last fetch of the key set was good.', (keyring) => Number(keyring.state().available))
  return [keys.subscribe((event) => {
    if (event.event === 'fetched' && issuers.has(event.issuer)) {
      fetches.observe({ issuer: event.issuer, result: event.result }, event.durationMs / 1000)
    }
  })]
}

function secondsOf (ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000
}

function observeTokenRequests (registers: Registry[]): () => void {
  const requests = new Histogram({
    name: 'scopegate_client_token_request_duration_seconds',
    help: 'Token requests of clients in this process by outcome (ok, or the code of the error).',
    labelNames: ['outcome'], buckets: FETCH_BUCKETS, registers
  })
  return client.subscribe((event) => {
    if (event.event === 'token') requests.observe({ outcome: event.outcome }, event.durationMs / 1000)
  })
}

/** The conditions of readiness that hold; a host of the plugin has none. */
function showConditions (app: FastifyInstance, registers: Registry[]): void {
  if (!app.hasDecorator(READINESS)) return
  const own: Gauge<'condition' | 'severity'> = new Gauge({
    name: 'scopegate_condition', help: '1 for each condition of /health/ready that holds; 0 for draining while it does not.',
    labelNames: ['condition', 'severity'],
    registers,
    collect: () => {
      own.reset()
      // Always there: the last value that was scraped tells a replica that was draining from one that had come back since.
      own.set({ condition: 'draining', severity: 'unavailable' }, 0)
      for (const [condition, { severity }] of app[READINESS].conditions()) own.set({ condition, severity }, 1)
    }
  })
}

export { plugin as default, plugin as metrics, plugin as 'module.exports' }
