import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { Load } from './load.mjs'
import { until } from './processes.mjs'

const PAUSES_MS = [59_000, 60_000, 61_000, 65_000]

/** Each replica in turn, under load: SIGTERM, its end, a new start, ready. At least 20 s of load: 10,000 requests at 500 a second. */
export async function checkRollingRestart ({ check, say, caller, tokens, replicas, issuer, perSecond, gateways: [gateway] }) {
  await check(`both replicas restarted in turn under ${perSecond} requests/s: 0 failed`, async () => {
    const load = new Load({ caller, token: await tokens.fresh(issuer), perSecond })
    await load.until(perSecond)
    const codes = []
    for (const replica of replicas) {
      codes.push(await replica.end('SIGTERM'))
      replica.start()
      await replica.ready()
      // A gateway looks once a second.
      await pause(2_500)
    }
    await load.until(20 * perSecond)
    await load.end()
    say(`        ${load}`)
    if (load.failures.length > 0) say(gateway.output.slice(-6_000))
    assert.deepEqual(codes, [0, 0])
    assert.equal(load.failures.length, 0, String(load))
  })
}

/** What a crash costs is reported, and that it ends. */
export async function checkKilled ({ check, say, caller, tokens, replicas, issuer, perSecond }) {
  await check(`one replica killed under ${perSecond} requests/s: what is lost ends within 3 s`, async () => {
    const load = new Load({ caller, token: await tokens.fresh(issuer), perSecond })
    await load.until(2 * perSecond)
    await replicas[0].end('SIGKILL')
    await pause(3_000)
    const settled = load.sent
    await load.until(settled + 4 * perSecond)
    await load.end()
    say(`        SIGKILL: ${load}`)
    assert.equal(load.failures.filter(({ number }) => number > settled).length, 0, `still failing after 3 s: ${load}`)
  })
  replicas[0].start()
  await replicas[0].ready()
}

/** The issuer is down while everything restarts: no replica knows a key, none is ready. */
export async function checkOutage ({ check, say, name, caller, tokens, replicas, issuerProgram, issuer }) {
  const headers = { authorization: `Bearer ${tokens.scoped}` }
  await issuerProgram.end('SIGKILL')
  await Promise.all(replicas.map((replica) => replica.end('SIGKILL')))
  for (const replica of replicas) replica.start()
  await Promise.all(replicas.map((replica) => replica.listening()))
  await pause(3_000)
  const seen = async (path, options) => {
    const { status, headers: found, body, error } = await caller.call(path, options)
    return { status, type: found['content-type'], retryAfter: found['retry-after'], body, error }
  }
  await check('issuer down while everything restarts: public routes 200, protected ones the API\'s own 503 with Retry-After', async () => {
    const [open, closed, without] = [
      await seen('/test-api/api/public'), await seen('/test-api/api/private', { headers }), await seen('/test-api/api/private')
    ]
    say(
      `        ${name}: public ${open.status}, with a token ${closed.status} ${closed.type} Retry-After ${closed.retryAfter}, ` +
      `without ${without.status}`
    )
    assert.equal(open.status, 200)
    assert.equal(closed.status, 503)
    assert.match(closed.type, /^application\/problem\+json/)
    assert.match(String(closed.retryAfter), /^\d+$/)
    assert.equal(without.status, 401)
  })
  issuerProgram.start()
  await check('… and back to 200 when the issuer is back, without a restart', async () => {
    await Promise.all(replicas.map((replica) => replica.ready()))
    const token = await tokens.fresh(issuer)
    await until(
      async () => (await seen('/test-api/api/private', { headers: { authorization: `Bearer ${token}` } })).status === 200,
      () => 'not 200'
    )
  })
}

/** Bursts over many connections, with pauses around the 60 s after which each gateway ends its idle connections. */
export async function checkIdleConnections ({ check, say, caller, tokens, issuer }, { burst = 2_000, pausesMs = PAUSES_MS } = {}) {
  await check(`${burst * (pausesMs.length + 1)} requests with pauses of ${pausesMs.map((ms) => ms / 1000).join(', ')} s: ` +
    '0 resets', async () => {
    const failures = []
    for (const pauseMs of [0, ...pausesMs]) {
      await pause(pauseMs)
      // The idle connections of the caller to the gateway are not what is tried.
      caller.close()
      const headers = { authorization: `Bearer ${await tokens.fresh(issuer)}`, 'content-type': 'application/json' }
      const calls = Array.from(
        { length: burst },
        () => caller.call('/test-api/api/messages', { method: 'POST', headers, body: '{"text":"Hello"}' })
      )
      for (const { status, error } of await Promise.all(calls)) if (status !== 201) failures.push(`${pauseMs} ms: ${error ?? status}`)
    }
    say(`        idle: ${failures.length} failed ${[...new Set(failures)].join(', ')}`)
    assert.equal(failures.length, 0, [...new Set(failures)].join(', '))
  })
}
