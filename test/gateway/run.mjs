#!/usr/bin/env node
/**
 * `npm run test:gateway [-- nginx haproxy caddy envoy --per-second=500 --only=checkHostile --long]`: starts each real gateway with its
 * configuration in deploy/gateway, in front of two real replicas and a real issuer, and calls the service through it. One line for each
 * check, last line `N passed, N failed`, exit code 1 on any failure. A gateway that is not installed is skipped, with a sentence.
 * `--only` runs one group of checks. `--long` adds 10,000 requests with pauses of a minute around the limits of idle connections: five
 * minutes more, all gateways at one time.
 */
import { createReport } from '../support/report.mjs'
import { checkBoundTokens } from './bound-checks.mjs'
import { Caller } from './callers.mjs'
import { checkCertificates } from './certificate-checks.mjs'
import { checkContract, checkSizes } from './contract-checks.mjs'
import { GATEWAYS, gateway, lackOf, makeCertificate } from './gateways.mjs'
import { checkArriving, checkHostile, startMirror } from './hostile-checks.mjs'
import { freePorts } from '../support/free-ports.mjs'
import { checkPaths } from './path-checks.mjs'
import { issuerProgram, Replica, temporaryFolder, until } from './processes.mjs'
import { checkIdleConnections, checkKilled, checkOutage, checkRollingRestart } from './restart-checks.mjs'
import { tokenOf } from './tokens.mjs'

const report = createReport()
const wanted = process.argv.slice(2).filter((word) => word in GATEWAYS)
const perSecond = Number(process.argv.find((word) => word.startsWith('--per-second='))?.split('=')[1] ?? 500)
const only = process.argv.find((word) => word.startsWith('--only='))?.slice(7)
const isLong = process.argv.includes('--long')

/** Gateway, replicas and issuer, each a process of its own; `undo` ends them all. */
async function setUp (name) {
  const { folder, remove } = await temporaryFolder()
  const [port, mirrorPort, issuerPort, ...upstreams] = await freePorts(5)
  const { certificate } = await makeCertificate(folder)
  const issuer = `http://localhost:${issuerPort}/realms/myorg`
  const env = { ISSUER: issuer, AUDIENCE: 'test_api', PUBLIC_URL: 'https://api.example.com/test-api' }
  const replicas =
    upstreams.map((port, index) => new Replica({ folder, port, env: { ...env, ...index === 0 && { TRUST_PROXY: '127.0.0.1' } } }))
  const running = { issuer: issuerProgram({ folder, port: issuerPort }) }
  running.issuer.start()
  for (const replica of replicas) replica.start()
  const mirror = await startMirror()
  const gateways = [
    await gateway(name, { folder, port, upstreams }),
    await gateway(name, { folder, port: mirrorPort, upstreams: [mirror.port, mirror.port] })
  ]
  for (const one of gateways) one.start()
  const [caller, mirrored] = [port, mirrorPort].map((port) => new Caller({ port, certificate }))
  const undo = async () => {
    caller.close()
    mirrored.close()
    mirror.close()
    await Promise.all([...gateways, ...replicas, running.issuer].map((program) => program.end()))
    await remove()
  }
  return { name, folder, certificate, issuer, issuerProgram: running.issuer, replicas, gateways, caller, mirrored, undo }
}

async function tokensOf (issuer) {
  await until(async () => (await fetch(`${issuer}/protocol/openid-connect/certs`)).ok, () => 'the issuer does not respond')
  const scoped = await tokenOf(issuer, 'test_api_access')
  return { plain: await tokenOf(issuer), scoped, altered: scoped.slice(0, -8), fresh: (issuer) => tokenOf(issuer, 'test_api_access') }
}

/** The long one last, so that it can run at all gateways at one time. */
async function examine (name, later) {
  const scene = await setUp(name)
  const check = (what, examine) => report.check(`${name}: ${what}`, examine)
  let started = false
  await check('it starts with its configuration, and both replicas are ready behind it', async () => {
    scene.tokens = await tokensOf(scene.issuer)
    await Promise.all(scene.replicas.map((replica) => replica.ready()))
    for (const caller of [scene.caller, scene.mirrored]) {
      await until(
        async () => (await caller.call('/test-api/api/public')).status === 200,
        () => scene.gateways.map(({ output }) => output.slice(-800)).join('\n')
      )
    }
    started = true
  })
  if (!started) return scene.undo()
  const stage = { ...scene, check, perSecond, say: report.say }
  const all = [checkContract, checkSizes, checkArriving, checkPaths, checkCertificates, checkBoundTokens, checkHostile,
    checkRollingRestart, checkKilled, checkOutage]
  for (const checks of all.filter(({ name }) => only === undefined || name === only)) {
    await checks(stage).catch((error) => check(checks.name, () => { throw error }))
  }
  if (!isLong) return scene.undo()
  later.push(async () => {
    await checkIdleConnections(stage)
    await scene.undo()
  })
}

const later = []
const missing = []
for (const name of wanted.length > 0 ? wanted : Object.keys(GATEWAYS)) {
  const lack = await lackOf(name)
  if (lack === undefined) await examine(name, later)
  else missing.push(lack)
}
await Promise.all(later.map((finish) => finish()))
for (const lack of missing) report.say(`skipped: ${lack}`)
process.exitCode = report.end(missing.length)
