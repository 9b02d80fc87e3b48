#!/usr/bin/env node
/**
 * `npm run image:test`: builds the image of the Dockerfile, runs it confined, asks it, ends it. One line for each check, last
 * line `N passed, N failed`, exit code 1 on any failure. Where buildah and podman are neither installed nor can be, the
 * last line is `0 passed, 0 failed, 1 skipped` and the exit code 0. Only the stand-in of the base image is kept.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { provideBaseImage } from './base-image.mjs'
import { endAll, run } from '../support/command.mjs'
import { checkComponents } from './component-checks.mjs'
import { checkConfinement } from './confinement-checks.mjs'
import { checkContent } from './content-checks.mjs'
import { buildImage, Container, inspectImage, noteResidue } from './image.mjs'
import { startIssuer } from './issuer.mjs'
import { createReport } from '../support/report.mjs'
import { checkAnswers, checkEnd, checkSplitAddresses, untilReady } from './service-checks.mjs'
import { containerSettings, lackOfTools } from './tools.mjs'

const CONTEXT = fileURLToPath(new URL('../..', import.meta.url))
const TAG = `localhost/scopegate:test-${process.pid}`

/** What is to be undone, last first, however this program ends. */
const undo = []
let interrupted = false
const report = createReport()
const { check, say } = report

async function main () {
  const lack = await lackOfTools(say)
  if (lack !== undefined) return report.skip(lack)
  const folder = await mkdtemp(join(tmpdir(), 'scopegate-image-'))
  undo.push(() => rm(folder, { recursive: true, force: true }))
  const env = await containerSettings(folder)
  const stage = { check, say, folder, env, tag: TAG }
  if (await isBuilt(stage)) await examine(stage)
  return report.end()
}

async function isBuilt ({ folder, env }) {
  let built = false
  await check('the image can be built', async () => {
    const base = (await readFile(join(CONTEXT, 'Dockerfile'), 'utf8')).match(/^ARG NODE_IMAGE=(\S+)/m)?.[1]
    say(`base image: ${await provideBaseImage(base, { env, say })}`)
    const removeResidue = await noteResidue(env)
    undo.push(() => run('podman', ['rmi', '-f', TAG], { env }), async () => { if (interrupted) await removeResidue() })
    await buildImage({ context: CONTEXT, tag: TAG, folder, env })
    built = true
  })
  return built
}

async function examine (stage) {
  const issuer = await startIssuer()
  undo.push(() => issuer.stop())
  const config = await inspectImage(TAG, stage.env)
  const first = await place(stage)
  const tokensOf = { ISSUER: issuer.issuer, AUDIENCE: 'test_api' }
  await checkRefusedStarts({ ...stage, container: first.container })
  await check('it starts with ISSUER and AUDIENCE', async () => {
    await first.container.start(TAG, { ...tokensOf, PORT: first.port })
    await untilReady(first.api)
  })
  const paths = await first.container.paths(stage.folder)
  await checkContent({ ...stage, config, paths })
  await checkComponents({ ...stage, ...first, config })
  await checkAnswers({ ...stage, ...first, issuer })
  await checkConfinement({ ...stage, ...first, config })
  const second = await place(stage)
  // The keys come over plain http from another host name, as in compose.yaml: an error without the switch.
  const split = { ...tokensOf, PORT: second.port, JWKS_URL: issuer.keysAt('keycloak'), ALLOW_INSECURE_HTTP: 'on' }
  await second.container.start(TAG, split, ['--add-host', 'keycloak:127.0.0.1'])
  await checkSplitAddresses({ ...stage, ...second, issuer })
  await checkEnd({ ...stage, ...first })
}

/** A container to be, with a free port for it. */
async function place ({ env }) {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  const container = new Container(`scopegate-test-${port}`, env)
  undo.push(() => container.remove())
  return { container, port: String(port), api: `http://127.0.0.1:${port}` }
}

async function checkRefusedStarts ({ container }) {
  await check('without ISSUER it does not start, and says so', async () => {
    const { code, stderr } = await container.runToEnd(TAG, {})
    assert.equal(code, 1)
    assert.match(stderr, /^Scopegate cannot start: .*\n {2}ISSUER: required.*\n {2}AUDIENCE: required/)
  })
  await check('without AUDIENCE neither', async () => {
    const { code, stderr } = await container.runToEnd(TAG, { ISSUER: 'http://localhost:1/realms/myorg' })
    assert.equal(code, 1)
    assert.match(stderr, /^Scopegate cannot start: .*\n {2}AUDIENCE: required/)
  })
}

async function cleanUp () {
  for (const step of undo.splice(0).reverse()) await step().catch((error) => say(`cleaning up: ${error.message}`))
}

async function interrupt () {
  interrupted = true
  await endAll()
  await cleanUp()
  process.exit(1)
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupt)
try {
  process.exitCode = await main()
} catch (error) {
  await check('the test itself', () => { throw error })
  process.exitCode = report.end()
} finally {
  await cleanUp()
}
