#!/usr/bin/env node
/**
 * `npm run test:traces`: examples/opentelemetry against a real OpenTelemetry collector. A gateway's trace goes through a service that
 * calls the API with the client; the collector has received every span of it. Requires `otelcol` in PATH, or Go, with which it is built
 * once (three minutes). One line for each check, last line `N passed, N failed`.
 */
import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { must } from '../support/command.mjs'
import { createReport } from '../support/report.mjs'
import { findCollector } from './collector.mjs'
import { eventually } from '../support/eventually.mjs'
import { freePort } from '../support/free-ports.mjs'
import { Program } from './programs.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const EXAMPLE = join(ROOT, 'examples/opentelemetry')
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const GATEWAY_SPAN = '00f067aa0ba902b7'
const REFUSED_TRACE = '0af7651916cd43dd8448eb211c80319c'

const { check, skip, end } = createReport()

async function main () {
  const otelcol = await findCollector(EXAMPLE)
  if (otelcol === undefined) return skip('neither otelcol nor go is here: install Go (https://go.dev/dl), or put otelcol in PATH')
  const work = await mkdtemp(join(tmpdir(), 'scopegate-traces-'))
  try {
    await examine(work, await startAll(work, otelcol))
  } finally {
    await Program.endAll()
    await rm(work, { recursive: true, force: true })
  }
  return end()
}

/** The example as a stranger has it: its packages, this package and Fastify installed beside it. */
async function startAll (work, otelcol) {
  await cp(EXAMPLE, work, { recursive: true })
  await must('npm', ['install', '--no-audit', '--no-fund'], { cwd: work })
  await symlink(ROOT, join(work, 'node_modules/scopegate'))
  await symlink(join(ROOT, 'node_modules/fastify'), join(work, 'node_modules/fastify'))
  const ports = { otlp: await freePort(), api: await freePort(), issuer: await freePort(), reports: await freePort() }
  const collector = new Program(otelcol, ['--config', join(work, 'collector.yaml')], { OTLP_ENDPOINT: `127.0.0.1:${ports.otlp}` }, work)
  await eventually(() => assert.match(collector.output, /Everything is ready/))
  const traced = (name) => ({
    NODE_OPTIONS: `--import ${join(work, 'tracing.mjs')}`, OTEL_SERVICE_NAME: name,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports.otlp}`
  })
  await mkdir(join(work, 'api'))
  const api = new Program(process.execPath, [join(ROOT, 'dist/src/server.js')], {
    ...traced('api'), HOST: '127.0.0.1', PORT: String(ports.api), DEVELOPMENT_ISSUER_PORT: String(ports.issuer)
  }, join(work, 'api'))
  await eventually(() => assert.match(api.output, /keys are known/))
  const issuer = `http://localhost:${ports.issuer}/realms/myorg`
  const client = await demoClient()
  const reports = new Program(process.execPath, ['reports.mjs'], {
    ...traced('reports'), ISSUER: issuer, AUDIENCE: 'test_api', API_URL: `http://127.0.0.1:${ports.api}`, ...client,
    PORT: String(ports.reports)
  }, work)
  await eventually(() => assert.match(reports.output, /keys are known/))
  return { collector, api, reports, address: `http://localhost:${ports.reports}/report`, token: await tokenOf(issuer, client) }
}

async function examine (work, { collector, api, reports, address, token }) {
  await check('a call through two services in the trace of a gateway', async () => {
    const response = await fetch(address, { headers: { authorization: `Bearer ${token}`, traceparent: `00-${TRACE}-${GATEWAY_SPAN}-01` } })
    assert.equal((await response.json()).message, 'Authorization with a scope named test_api_access is required to see this')
    const refused = await fetch(
      address,
      { headers: { authorization: 'Bearer a.b.c', traceparent: `00-${REFUSED_TRACE}-${GATEWAY_SPAN}-01` } }
    )
    assert.equal(refused.status, 401)
  })
  let spans = []
  await check('the collector receives the spans of verification, key fetch and token request of each service', () => eventually(() => {
    spans = spansIn(collector.output)
    const names = spans.map(({ service, name }) => `${service} ${name}`)
    for (const name of ['scopegate.verify', 'scopegate.fetch_keys']) {
      for (const service of ['api', 'reports']) assert.ok(names.includes(`${service} ${name}`), `${service} ${name}`)
    }
    assert.ok(names.includes('reports scopegate.request_token'))
    assert.ok(spans.some(({ trace, name }) => trace === REFUSED_TRACE && name === 'scopegate.verify'))
  }))
  const one = (service, name) => {
    const found = spans.filter((span) => span.service === service && span.name === name && span.trace === TRACE)
    assert.equal(found.length, 1, `${found.length} spans ${service} ${name}`)
    return found[0]
  }
  await check('the traceparent of the gateway is continued, and the client sends it on', () => {
    assert.equal(one('reports', 'request').parent, GATEWAY_SPAN)
    for (const name of ['scopegate.verify', 'scopegate.request_token']) {
      assert.equal(one('reports', name).parent, one('reports', 'request').id, name)
    }
    assert.equal(one('api', 'request').parent, one('reports', 'request').id)
    assert.equal(one('api', 'scopegate.verify').parent, one('api', 'request').id)
  })
  await check('a fetch of the keys is a trace of its own: it serves many requests', () => {
    for (const { name, parent, trace } of spans) {
      if (name === 'scopegate.fetch_keys') assert.deepEqual([parent, trace === TRACE], ['', false])
    }
  })
  await check('attributes and status are those of docs/how-to/operate.md', () => {
    const { kind, text } = one('reports', 'scopegate.request_token')
    assert.equal(kind, 'Client')
    for (const line of ['scopegate.client_id: Str(test_api_client)', 'http.response.status_code: Int(200)', 'server.port: Int']) {
      assert.ok(text.includes(line), line)
    }
    const refused = spans.find((span) => span.trace === REFUSED_TRACE && span.name === 'scopegate.verify')
    assert.match(refused.text, /Status code +: Error[^]*error\.type: Str\(\w+\)/)
  })
  await check('trace_id of the lines of the log is that of the spans', () => {
    const [line] = linesOf(api).filter(({ msg }) => msg === 'request')
    assert.equal(line.trace_id, TRACE)
    assert.ok(linesOf(reports).some(({ msg, trace_id: id }) => msg === 'the report is requested from the API' && id === TRACE))
  })
  await check('no token and no secret is in a span', async () => {
    assert.ok(!collector.output.includes(token.slice(-40)))
    assert.ok(!collector.output.includes((await demoClient()).CLIENT_SECRET))
    assert.doesNotMatch(collector.output, /eyJ/)
  })
}

const linesOf = ({ output }) => output.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))

/** What the debug exporter prints of each span. */
function spansIn (output) {
  return output.split(/^ResourceSpans #\d+$|\tResourceSpans #\d+$/m).slice(1).flatMap((resource) => {
    const service = /service\.name: Str\((\w+)\)/.exec(resource)?.[1]
    return resource.split(/^Span #\d+$/m).slice(1).map((text) => {
      const member = (name) => new RegExp(`^ +${name} +: (.*)$`, 'm').exec(text)?.[1]
      return {
        service, text, trace: member('Trace ID'), parent: member('Parent ID'), id: member('ID'), name: member('Name'), kind: member('Kind')
      }
    })
  })
}

async function demoClient () {
  const { clients } = JSON.parse(await readFile(join(ROOT, 'keycloak/myorg-realm.json'), 'utf8'))
  const { clientId, secret } = clients.find((one) => one.clientId === 'test_api_client')
  return { CLIENT_ID: clientId, CLIENT_SECRET: secret }
}

async function tokenOf (issuer, { CLIENT_ID: id, CLIENT_SECRET: secret }) {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: id, client_secret: secret })
  return (await (await fetch(`${issuer}/protocol/openid-connect/token`, { method: 'POST', body })).json()).access_token
}

process.exitCode = await main()
