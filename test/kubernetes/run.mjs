#!/usr/bin/env node
/**
 * `npm run test:kubernetes`: renders the overlays of deploy/kubernetes and has them judged, by kubernetes-validate (strict schemas) and
 * kube-score (policies), and compares them with what the service itself does. One line for each check, last line `N passed, N failed`.
 * A tool that is not installed is a skip with a sentence. kustomize or kubectl renders.
 */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../support/command.mjs'
import { createReport } from '../support/report.mjs'
import { temporaryFolder } from '../gateway/processes.mjs'
import { OVERLAYS, renderer } from './render.mjs'

const SOURCES = new URL('../../', import.meta.url)
const SCHEMA_VERSION = '1.37'

const report = createReport()
const { check, say } = report

async function judge (overlay, { render, folder }) {
  const file = join(folder, `${overlay}.yaml`)
  await check(`${overlay}: it renders`, async () => writeFile(file, `${await render(overlay)}\n`))
  await judgedBy('kubernetes-validate', `${overlay}: valid against the schemas of ${SCHEMA_VERSION}, strictly`, async () => {
    const { code, stdout, stderr } = await run('kubernetes-validate', ['--strict', '-k', SCHEMA_VERSION, file])
    assert.equal(code, 0, stdout + stderr)
    assert.ok((stdout + stderr).split('\n').filter((line) => line.includes(' passed for resource ')).length >= 8, stdout + stderr)
  })
  await judgedBy('kube-score', `${overlay}: no objection of kube-score`, async () => {
    const { code, stdout, stderr } = await run('kube-score', ['score', '--output-format', 'ci', file])
    // Nothing is left out: its optional checks are off by default (equal requests and limits, names of ports).
    const objections = stdout.split('\n').filter((line) => /^\[(CRITICAL|WARNING)\]/.test(line))
    assert.deepEqual([code, objections], [0, []], stdout + stderr)
  })
  return readFile(file, 'utf8')
}

let skipped = 0
async function judgedBy (program, name, examine) {
  if ((await run(program, ['version'])).code !== 127) return check(name, examine)
  skipped++
  say(`skipped: ${name}: ${program} is not installed`)
}

/** What the manifests repeat of the sources must be the same there. */
async function checkAgainstSources (text) {
  await check('the time to end is longer than the service takes at most', async () => {
    const shutdown = await readFile(new URL('src/shutdown.ts', SOURCES), 'utf8')
    const hardEndMs = Number(/HARD_END_MS = ([\d_]+)/.exec(shutdown)?.[1].replaceAll('_', ''))
    const drainMs = Number(/DRAIN_MS = ([\d_]+)/.exec(shutdown)?.[1].replaceAll('_', ''))
    const grace = Number(/terminationGracePeriodSeconds: (\d+)/.exec(text)?.[1])
    assert.ok(grace * 1000 >= hardEndMs + 5_000, `${grace} s`)
    const readiness = /readinessProbe:[^]*?(?=\n {8}\w|\n {10}\w+Probe|\n {10}resources)/.exec(text)?.[0] ?? ''
    const [failures, period] =
      ['failureThreshold', 'periodSeconds'].map((name) => Number(new RegExp(`${name}: (\\d+)`).exec(readiness)?.[1]))
    assert.ok(failures * period * 1000 < drainMs, `out of the endpoints after ${failures * period} s, drained after ${drainMs} ms`)
  })
  await check('user, port and secrets are those of the Dockerfile', async () => {
    const dockerfile = await readFile(new URL('Dockerfile', SOURCES), 'utf8')
    assert.equal(/runAsUser: (\d+)/.exec(text)?.[1], /^USER (\d+):/m.exec(dockerfile)?.[1])
    assert.equal(/containerPort: (\d+)/.exec(text)?.[1], /^EXPOSE (\d+)/m.exec(dockerfile)?.[1])
    const readable = /--allow-fs-read=([^"]+)/.exec(dockerfile)?.[1]
    assert.ok(/mountPath: (\S+)/.exec(text)?.[1].startsWith(`${readable}/`), 'secrets are outside of what the service may read')
  })
  await check('every setting of the ConfigMap is one of the service', async () => {
    const settings = await readFile(new URL('.env.example', SOURCES), 'utf8')
    const names = /^data:\n((?: {2}\S.*\n)+)/m.exec(text)?.[1].split('\n').map((line) => line.trim().split(':')[0]).filter(Boolean) ?? []
    assert.ok(names.includes('ISSUER'))
    for (const name of names) assert.match(settings, new RegExp(`^#?${name}=`, 'm'), name)
  })
}

const render = await renderer()
if (render === undefined) {
  process.exitCode = report.skip('neither kustomize nor kubectl is installed')
} else {
  const { folder, remove } = await temporaryFolder()
  const texts = []
  for (const overlay of OVERLAYS) texts.push(await judge(overlay, { render, folder }))
  await checkAgainstSources(texts[1])
  await remove()
  process.exitCode = report.end(skipped)
}
