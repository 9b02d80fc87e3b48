import { Counter, type Registry } from '@prometheus-io/client'
import type { Listeners } from './listeners.ts'
import { scrapedCounter, scrapedGauge } from './scraped.ts'

/** What happens before Fastify: connections, requests that wait because the process is busy, refusals before a route was looked for. */
export function observeListeners ({ open, admission, refusals }: Listeners, registers: Registry[]): void {
  scrapedGauge(registers, 'scopegate_connections', 'Open connections of all listeners.', () => open.count)
  scrapedCounter(
    registers,
    'scopegate_connections_closed_total',
    'Idle connections that were closed because of MAX_CONNECTIONS.',
    () => open.closed
  )
  scrapedGauge(registers, 'scopegate_requests_waiting', 'Requests that wait because the process is busy.', () => admission.waiting)
  const early: Counter<'status'> = new Counter({
    name: 'scopegate_early_refusals_total', help: 'Requests refused before a route was looked for, by status.', labelNames: ['status'],
    registers,
    collect: () => {
      early.reset()
      for (const [status, count] of refusals.counts) early.inc({ status }, count)
    }
  })
}
