#!/usr/bin/env node
/**
 * `npm run test:operate`: the metrics, the alert rules and the dashboard, judged by promtool and a real Prometheus that scrapes a real
 * service (apt: prometheus). One line for each check, last line `N passed, N failed`; where a program is missing it says so.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must, run } from '../support/command.mjs'
import { eventually } from '../support/eventually.mjs'
import { freePort } from '../support/free-ports.mjs'
import { createReport } from '../support/report.mjs'
import { checkEnd, checkFiring, firing, hang, hastened, overload, withRefusals } from './alerts.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const RULES = join(ROOT, 'deploy/prometheus')
const PROMETHEUS = `http://127.0.0.1:${await freePort()}`
/** Nothing of the demonstration makes one of them: their queries may have no result. */
const WITHOUT_RESULT = new Set(['Conditions'])

const { check, skip, end } = createReport()
const running = []

async function main () {
  for (const program of ['promtool', 'prometheus']) {
    if ((await run(program, ['--version'])).code !== 0) return skip(`${program} is not here: apt-get install prometheus`)
  }
  await check('promtool accepts the alert rules', () => must('promtool', ['check', 'rules', join(RULES, 'alerts.yaml')]))
  await check('each alert fires when it should, and only then', () => must('promtool', ['test', 'rules', join(RULES, 'alerts.test.yaml')]))
  await check('each alert has a test and a paragraph in the runbook', checkRunbook)
  const work = await mkdtemp(join(tmpdir(), 'scopegate-operate-'))
  try {
    await examine(work)
  } finally {
    for (const child of running) child.kill('SIGKILL')
    await rm(work, { recursive: true, force: true })
  }
  return end()
}

async function checkRunbook () {
  const alerts = [...(await readFile(join(RULES, 'alerts.yaml'), 'utf8')).matchAll(/alert: (\w+)/g)].map(([, name]) => name)
  const tests = await readFile(join(RULES, 'alerts.test.yaml'), 'utf8')
  const runbook = await readFile(join(ROOT, 'docs/runbook.md'), 'utf8')
  assert.ok(alerts.length >= 5)
  for (const alert of alerts) {
    assert.match(tests, new RegExp(`alertname: ${alert}\\n +exp_alerts:\\n +- exp_labels`), `${alert} has a test in which it fires`)
    assert.match(runbook, new RegExp(`^### ${alert}$`, 'm'), `${alert} is in the runbook`)
  }
}

async function examine (work) {
  const service = await startService(work)
  const [without, ending] = await Promise.all([startWithoutIssuer(work), startWithoutIssuer(work)])
  const stopTraffic = await startTraffic(service)
  let text = ''
  await check('promtool accepts /metrics', async () => {
    text = await (await fetch(`${service.management}/metrics`)).text()
    const file = join(work, 'metrics.txt')
    await writeFile(file, text)
    const { code, stderr, stdout } = await run('sh', ['-c', `promtool check metrics < ${file}`])
    assert.deepEqual({ code, said: `${stdout}${stderr}` }, { code: 0, said: '' })
  })
  await startPrometheus(work, [service, without, ending])
  await check('Prometheus scrapes the services', () => eventually(async () => assert.equal(await value('sum(up)'), '3')))
  await new Promise((done) => setTimeout(done, 5_000))
  await check('every query of the dashboard has a result', () => checkDashboard())
  await check('Prometheus evaluates every alert rule', () => eventually(async () => {
    const { data } = await (await fetch(`${PROMETHEUS}/api/v1/rules`)).json()
    const rules = data.groups.flatMap((group) => group.rules)
    assert.ok(rules.length >= 5)
    assert.deepEqual(rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`), [])
  }))
  await check('every metric of the service is in docs/reference/metrics.md, and the other way round', async () => {
    const documented =
      [...(await readFile(join(ROOT, 'docs/reference/metrics.md'), 'utf8')).matchAll(/^\| `(scopegate_\w+)`/gm)].map(([, name]) => name)
    assert.deepEqual([...text.matchAll(/^# TYPE (scopegate_\w+)/gm)].map(([, name]) => name).sort(), documented.sort())
  })
  const prometheus = { address: PROMETHEUS, value, eventually }
  await check('a replica that drains and ends as it should is not reported', () => checkEnd(ending, prometheus))
  await checkFiring({ check, eventually, prometheus: PROMETHEUS, cases: [
    ['ScopegateIssuerUnreachable'], ['ScopegateNoKeys'], ['ScopegateKeysAgeing'],
    ['ScopegateRefusalRatio', () => withRefusals(service)],
    ['ScopegateShedding', () => overload(without.api)],
    ['ScopegateDrainStuck', () => hang(without, prometheus)]
  ] })
  await stopTraffic()
  await check('what is over fires no more', () => eventually(async () => {
    const names = await firing(PROMETHEUS)
    for (const name of ['ScopegateRefusalRatio', 'ScopegateShedding', 'ScopegateDrainStuck']) assert.ok(!names.has(name), name)
  }))
}

/** Production, and an issuer where nobody listens. */
async function startWithoutIssuer (work) {
  const child = spawn(process.execPath, [resolve(ROOT, 'dist/src/server.js')], {
    cwd: work,
    env: {
      PATH: process.env.PATH, NODE_ENV: 'production', ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', HOST: '127.0.0.1',
      PORT: '0', MANAGEMENT_PORT: '0'
    }
  })
  running.push(child)
  let out = ''
  child.stdout.on('data', (part) => { out += part })
  await eventually(() => assert.match(out, /"listening on [^]*health listen on|health listen on [^]*"listening on /), 60_000)
  const [api, management] = [/"listening on (http:[^"]+)"/, /health listen on (http:[^"]+)"/].map((line) => line.exec(out)?.[1])
  return { child, api, management }
}

/** The service with the development issuer, each at a free port. */
async function startService (work) {
  const child = spawn(process.execPath, [resolve(ROOT, 'dist/src/server.js')], {
    cwd: work, env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: '0', DEVELOPMENT_ISSUER_PORT: '0', MANAGEMENT_PORT: '0' }
  })
  running.push(child)
  let out = ''
  child.stdout.on('data', (part) => { out += part })
  child.stderr.on('data', (part) => { out += part })
  await eventually(() => assert.ok(out.includes('grant_type') && /metrics and health listen on http:[^"]+"/.test(out), out), 60_000)
  const api = /API +(\S+)/.exec(out)?.[1]
  const management = /metrics and health listen on (http:[^"]+)"/.exec(out)?.[1]
  const issuer = /Development issuer +(\S+)/.exec(out)?.[1]
  const realm = JSON.parse(await readFile(join(ROOT, 'keycloak/myorg-realm.json'), 'utf8'))
  const client = realm.clients.find(({ clientId }) => clientId === 'test_api_client')
  const form = (scope) => new URLSearchParams({
    grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.secret, ...scope && { scope }
  })
  const token = async (scope) =>
    (await (await fetch(`${issuer}/protocol/openid-connect/token`, { method: 'POST', body: form(scope) })).json()).access_token
  return { child, api, management, tokens: [await token(), await token('test_api_access')], token }
}

/** Sends one round of requests, then another every 200 ms; the function it returns ends that and waits for the last round. */
async function startTraffic (service) {
  await send(service)
  const ended = new AbortController()
  const traffic = (async () => {
    while (!ended.signal.aborted) {
      await send(service)
      await new Promise((done) => setTimeout(done, 200))
    }
  })()
  // Told by the function below: without this, a failure before that would end the process.
  traffic.catch(() => undefined)
  return () => {
    ended.abort()
    return traffic
  }
}

/** Accepted and refused requests. */
async function send ({ api, tokens: [plain, scoped], token }) {
  const get = async (path, bearer) =>
    (await fetch(`${api}${path}`, { headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` } })).arrayBuffer()
  await Promise.all([
    get('/api/public'), get('/api/private', plain), get('/api/private'), get('/api/private-scoped', plain),
    get('/api/private-scoped', scoped), get('/api/private', await token()), get('/nowhere')
  ])
}

async function startPrometheus (work, services) {
  await writeFile(join(work, 'alerts.yaml'), hastened(await readFile(join(RULES, 'alerts.yaml'), 'utf8')))
  await writeFile(join(work, 'prometheus.yaml'), JSON.stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(work, 'alerts.yaml')],
    scrape_configs: [{ job_name: 'api', static_configs: [{ targets: services.map(({ management }) => new URL(management).host) }] }]
  }))
  running.push(spawn('prometheus', [`--config.file=${join(work, 'prometheus.yaml')}`, `--storage.tsdb.path=${join(work, 'data')}`,
    `--web.listen-address=${new URL(PROMETHEUS).host}`], { stdio: 'ignore' }))
}

async function query (text) {
  const response = await fetch(`${PROMETHEUS}/api/v1/query?${new URLSearchParams({ query: text })}`)
  const { status, error, data } = await response.json()
  assert.equal(status, 'success', `${text}: ${error}`)
  return data.result
}

async function value (text) {
  const [first] = await query(text)
  return first?.value[1]
}

async function checkDashboard () {
  const { panels } = JSON.parse(await readFile(join(ROOT, 'deploy/grafana/scopegate.json'), 'utf8'))
  assert.ok(panels.length >= 12)
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      const result = await query(expr.replaceAll('$__rate_interval', '10s').replaceAll('$job', '.*'))
      if (!WITHOUT_RESULT.has(title)) assert.ok(result.length > 0, `${title}: ${expr} has no result`)
    }
  }
}

process.exitCode = await main()
