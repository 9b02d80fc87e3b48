import { Counter, Gauge, type Registry } from '@prometheus-io/client'

type Read = () => number

/** A counter of what is counted elsewhere anyway: it is read when the metrics are. */
export function scrapedCounter (registers: Registry[], name: string, help: string, read: Read): void {
  const own: Counter = new Counter({ name, help, registers, collect: () => { own.reset(); own.inc(read()) } })
}

/** A gauge likewise. */
export function scrapedGauge (registers: Registry[], name: string, help: string, read: Read): void {
  const own: Gauge = new Gauge({ name, help, registers, collect: () => { own.set(read()) } })
}
