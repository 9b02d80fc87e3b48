#!/usr/bin/env node
import { get } from 'node:http'
import { loadConfig, readSources } from '../config.ts'

/** Less than the `--timeout` of the Dockerfile's HEALTHCHECK, so that the sentence is still said. */
const DEADLINE_MS = 3_000
/** A service that listens on every address is asked at loopback. */
const LOOPBACK: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' }

/**
 * Asks the service of this container whether it is alive: for HEALTHCHECK, where there is no curl. Rejects with the reason.
 * It reads HOST and PORT as the service does. `node:http`, since fetch refuses some ports (such as 6000).
 */
async function askWhetherAlive (): Promise<void> {
  const sources = readSources()
  const { host, port, tls } = loadConfig(sources.variables, sources)
  const request = tls === undefined ? get : (await import('node:https')).get
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const signal = AbortSignal.timeout(DEADLINE_MS)
    // This machine is asked, whatever name is in its certificate.
    request({ host: LOOPBACK[host] ?? host, port, path: '/health/live', agent: false, signal, rejectUnauthorized: false }, (response) => {
      resolve(response.statusCode)
      response.destroy()
    }).on('error', (error) => reject(signal.aborted ? new Error(`no response within ${DEADLINE_MS / 1000} s`) : error))
  })
  if (status !== 200) throw new Error(`/health/live responded with ${status ?? 'nothing'}`)
}

try {
  await askWhetherAlive()
} catch (error) {
  process.stderr.write(`Not alive: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
