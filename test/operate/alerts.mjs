import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'

/** Of alerts.yaml, so that minutes become seconds: the expressions remain those that operators use. */
export function hastened (rules) {
  return rules.replace(/for: \d+m/g, 'for: 0s').replace(/\[\d+m\]/g, '[15s]').replace('> 6 * 3600', '> 3')
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

/** Beside the traffic, refused requests of one reason: more than a fifth of all. */
export function withRefusals ({ api }) {
  const timer = setInterval(() => { fetch(`${api}/api/private`).then((response) => response.arrayBuffer(), () => undefined) }, 20)
  return () => { clearInterval(timer) }
}

/** The names of the alerts that fire now. */
export async function firing (prometheus) {
  const { data } = await (await fetch(`${prometheus}/api/v1/alerts`)).json()
  return new Set(data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname))
}

/** SIGTERM, and what happens after Prometheus has seen that the process drains. */
async function drain ({ child, management }, { value, eventually }) {
  child.kill('SIGTERM')
  const instance = new URL(management).host
  await eventually(async () => assert.equal(await value(`scopegate_condition{condition="draining", instance="${instance}"}`), '1'))
}

/** A process that is paused while it drains: it neither ends nor responds. The function that it returns ends it. */
export async function hang (service, prometheus) {
  await drain(service, prometheus)
  service.child.kill('SIGSTOP')
  return async () => { service.child.kill('SIGKILL') }
}

/** A process that drains and ends, while its target remains: nothing is to be done, and no alert fires for as long as it could. */
export async function checkEnd (service, prometheus) {
  const ended = once(service.child, 'exit')
  await drain(service, prometheus)
  await ended
  for (let n = 0; n < 15; n++) {
    assert.ok(!(await firing(prometheus.address)).has('ScopegateDrainStuck'))
    await new Promise((done) => setTimeout(done, 1_000))
  }
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
