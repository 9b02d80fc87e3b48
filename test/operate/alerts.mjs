import assert from 'node:assert/strict'
import { connect } from 'node:net'

/** Of alerts.yaml, so that minutes become seconds: the expressions remain those that operators use. */
export function hastened (rules) {
  return rules.replace(/for: \d+m/g, 'for: 0s').replace(/\[\d+m\]/g, '[10s]').replace('> 6 * 3600', '> 3')
}

/** Raw requests, as many as the service cannot serve in time, until the function it returns is called. */
export function overload (api) {
  const { port, hostname } = new URL(api)
  const batch = 'GET /api/public HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(50)
  const sockets = Array.from({ length: 200 }, () => {
    const socket = connect(Number(port), hostname, () => socket.write(batch))
    let responses = 0
    socket.on('error', () => undefined).on('data', (chunk) => {
      responses += chunk.toString('latin1').split('HTTP/1.1 ').length - 1
      // A part of a status line at the border of two chunks is not counted: then this connection sends a little later or no more.
      if (responses >= 45) {
        responses = 0
        socket.write(batch)
      }
    })
    return socket
  })
  return () => { for (const socket of sockets) socket.destroy() }
}

/** The names of the alerts that fire now. */
export async function firing (prometheus) {
  const { data } = await (await fetch(`${prometheus}/api/v1/alerts`)).json()
  return new Set(data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname))
}

/** Each alert fires for what the running services do: `cases` are [name, what brings it about]. */
export async function checkFiring ({ check, eventually, prometheus, cases }) {
  for (const [name, begin] of cases) {
    await check(`${name} fires in a real Prometheus for a real service`, async () => {
      const end = await begin?.()
      try {
        await eventually(async () => assert.ok((await firing(prometheus)).has(name)))
      } finally {
        await end?.()
      }
    })
  }
}
