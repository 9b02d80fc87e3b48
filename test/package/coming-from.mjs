import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { must } from '../support/command.mjs'
import { freePort } from '../support/free-ports.mjs'

const PAGES = fileURLToPath(new URL('../../docs/how-to', import.meta.url))
/** How long a program may take until it listens. */
const START_MS = 30_000

/**
 * The pages docs/how-to/from-*.md: installs the packages that each of them names, in the versions that it names, and runs the code before
 * and the code after against the development issuer. `consumer` is the folder with the tarball installed.
 */
export async function comingFrom ({ consumer, work, check, say }) {
  const pages = await Promise.all((await readdir(PAGES)).filter((name) => /^from-.*\.md$/.test(name)).sort().map(readPage))
  const before = join(work, 'before')
  await check('the packages that the pages of docs/how-to/from-*.md replace install', async () => {
    await mkdir(before)
    await writeFile(join(before, 'package.json'), JSON.stringify({ name: 'before', private: true, type: 'module' }))
    await must('npm', [
      'install', '--prefix', before, '--no-audit', '--no-fund', ...new Set(pages.flatMap(({ packages }) => packages)), 'fastify@5',
      'express@5'
    ])
  })
  const { startDevelopmentIssuer } = await import(pathToFileURL(join(consumer, 'node_modules/scopegate/dist/src/testing.js')).href)
  const issuer = await startDevelopmentIssuer({ port: 0 })
  try {
    const tokens = {
      none: undefined,
      scoped: await tokenOf(issuer.issuer, 'test_api_client', 'test_api_access'),
      plain: await tokenOf(issuer.issuer, 'test_api_client'),
      withoutAudience: await tokenOf(issuer.issuer, 'test_stranger_client')
    }
    for (const { name, text, packages, blocks } of pages) {
      await check(`${name}: the code before (${packages.join(', ')}) runs, and the page says what it accepts`, async () => {
        const statuses = await statusesOf(before, blocks.js, ['/api/private'], { issuer: issuer.issuer, tokens })
        say(`${name}, before: ${JSON.stringify(statuses)}`)
        const none = text.includes('a request without a token is 403') ? 403 : 401
        const withoutAudience = text.includes('a token without `aud` is accepted') ? 200 : 401
        assert.deepEqual(statuses, { '/api/private': { none, scoped: 200, plain: 200, withoutAudience } })
      })
      await check(`${name}: the code after accepts the same token, and requires audience and scope`, async () => {
        const statuses = await statusesOf(consumer, blocks.ts, ['/api/private', '/api/reports'], { issuer: issuer.issuer, tokens })
        const refused = { none: 401, withoutAudience: 401 }
        assert.deepEqual(statuses, {
          '/api/private': { ...refused, scoped: 200, plain: 200 }, '/api/reports': { ...refused, scoped: 200, plain: 403 }
        })
      })
    }
  } finally {
    await issuer.close()
  }
}

async function readPage (file) {
  const text = await readFile(join(PAGES, file), 'utf8')
  const [, named = ''] = /^Before \(their code, with (.*)\):$/m.exec(text) ?? []
  const packages = [...named.matchAll(/(\S+) \^(\d[\d.]*)/g)].map(([, name, version]) => `${name}@^${version}`)
  const blocks = Object.fromEntries([...text.matchAll(/^```(js|ts)\n([^]*?)^```$/gm)].map(([, kind, code]) => [kind, code]))
  return { name: file, text, packages, blocks }
}

async function tokenOf (issuer, clientId, scope) {
  const body = new URLSearchParams({
    grant_type: 'client_credentials', client_id: clientId, client_secret: `${clientId.replaceAll('_', '-')}-demo-secret`,
    ...scope !== undefined && { scope }
  })
  const response = await fetch(`${issuer}/protocol/openid-connect/token`, { method: 'POST', body })
  assert.equal(response.status, 200)
  return (await response.json()).access_token
}

/** The status of each path for each token. The code is changed in its addresses, its names and its port only. */
async function statusesOf (folder, code, paths, { issuer, tokens }) {
  assert.notEqual(code, undefined, 'the page has this block')
  const port = String(await freePort())
  const { origin } = new URL(issuer)
  const changed = code.replaceAll('https://id.example.com', origin)
    .replaceAll('my-api', 'test_api')
    .replaceAll('reports:read', 'test_api_access')
    .replaceAll(/\b3000\b/g, port)
  const file = join(folder, 'from.mjs')
  await writeFile(file, changed)
  const child = spawn(process.execPath, [file], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH } })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text) => { said += text })
  const closed = once(child, 'close')
  try {
    await listening(port, child, () => said)
    const statuses = {}
    for (const path of paths) {
      statuses[path] = {}
      for (const [name, token] of Object.entries(tokens)) {
        const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
        statuses[path][name] = (await fetch(`http://localhost:${port}${path}`, { headers })).status
      }
    }
    return statuses
  } finally {
    child.kill('SIGKILL')
    await closed
  }
}

async function listening (port, child, said) {
  const end = Date.now() + START_MS
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it exited with ${child.exitCode}:\n${said().slice(-2_000)}`)
    if (await fetch(`http://localhost:${port}/`).then(() => true, () => false)) return
    if (Date.now() > end) throw new Error('it does not listen')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
