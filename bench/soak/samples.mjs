import { readdirSync, readFileSync } from 'node:fs'

const EVERY_MS = 5_000

/** RSS and open descriptors of the processes, as the kernel counts them, and the metrics as Prometheus would scrape them. */
export class Samples {
  rows = []
  #timer
  #managementPort

  constructor (pids, managementPort) {
    this.#managementPort = managementPort
    const beganMs = performance.now()
    this.#timer = setInterval(() => {
      const row = { seconds: Math.round((performance.now() - beganMs) / 1000) }
      for (const [name, pid] of Object.entries(pids)) row[name] = sampleOf(pid)
      this.rows.push(row)
      void this.metrics()
    }, EVERY_MS)
  }

  stop () {
    clearInterval(this.#timer)
  }

  async metrics () {
    return await (await fetch(`http://127.0.0.1:${this.#managementPort}/metrics`)).text()
  }

  /** Lines of the metrics: labels that callers choose would make more of them. */
  async series () {
    return (await this.metrics()).split('\n').filter((line) => line.startsWith('scopegate_')).length
  }
}

function sampleOf (pid) {
  try {
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]
    return { rssMB: Math.round(Number(rss) / 1024 * 10) / 10, descriptors: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return undefined
  }
}
