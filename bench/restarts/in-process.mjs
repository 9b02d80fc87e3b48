/** A process of its own: starts and stops the application with all that can be switched on. Told how often by its parent. */
import { channel } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { AUDIENCE } from '../issuer.mjs'
import { statusOf } from '../machine.mjs'

const { buildApp } = await import('../../dist/src/app.js')
const { loadConfig } = await import('../../dist/src/config.js')
const { buildManagement } = await import('../../dist/src/management.js')

const CHANNELS = ['verified', 'refused', 'keys', 'client'].map((name) => channel(`scopegate:${name}`))
/** The end waits a second for such a connection. */
const SILENT_EVERY = 20

const noLog = { level: 'silent' }
for (const level of ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']) noLog[level] = () => undefined
noLog.child = () => noLog

process.once('message', async ({ issuer, token, times, warm }) => {
  const environment = {
    NODE_ENV: 'production', ISSUER: issuer, AUDIENCE, HOST: '127.0.0.1', PORT: '0', MANAGEMENT_PORT: '0', AUDIT: 'on',
    RATE_LIMIT_PER_MINUTE: '1000', DPOP: 'allowed', PUBLIC_URL: 'https://api.example.com', CORS_ORIGINS: 'https://pages.example.com'
  }
  let first
  for (let start = 1; start <= times; start++) {
    await startAndStop(environment, token, start % SILENT_EVERY === 0)
    if (start === warm) first = await measure()
  }
  process.send({ first, last: await measure() }, () => process.disconnect())
})

/** With requests, accepted and refused; `isWithSilence`: and a connection that is open and silent at the end. */
async function startAndStop (environment, token, isWithSilence) {
  const config = loadConfig(environment, { files: {} })
  const app = await buildApp(config, { logger: noLog })
  const management = await buildManagement(app)
  for (const server of [app, management]) await server.listen({ host: config.host, port: 0 })
  // Not by fetch: it keeps a pool for each address that it has ever called.
  const get = (path, headers) => statusOf(app.server.address().port, path, headers)
  const see = (path) => statusOf(management.server.address().port, path)
  while (await see('/health/ready') !== 200) await pause(5)
  const statuses = [
    await get('/api/private', { authorization: `Bearer ${token}` }), await get('/api/private', { authorization: `Bearer ${token}x` }),
    await get('/api/public'), await see('/metrics')
  ]
  if (statuses.join() !== '200,401,200,200') throw new Error(`statuses ${statuses.join()}`)
  const silent = isWithSilence ? connect(app.server.address().port, config.host) : undefined
  if (silent) await once(silent, 'connect')
  await app.close()
  await management.close()
  silent?.destroy()
}

async function measure () {
  // Connections that the other side has closed, and timers of requests that are over.
  await pause(2_000)
  for (let pass = 0; pass < 5; pass++) {
    await pause(10)
    globalThis.gc()
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return {
    heapBytes: heapUsed + external, rssMB: Math.round(rss / 2 ** 20),
    resources: process.getActiveResourcesInfo().sort(),
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    subscribers: CHANNELS.filter(({ hasSubscribers }) => hasSubscribers).length,
    descriptors: readdirSync('/proc/self/fd').length
  }
}
