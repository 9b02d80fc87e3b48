import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

interface Check { readonly id: string, readonly status: string }

const SCENARIOS = ['auth/client-credentials-basic', 'auth/client-credentials-jwt', 'auth/scope-step-up', 'auth/scope-retry-limit']
const RUNNER = 'node_modules/@modelcontextprotocol/conformance/dist/index.js'

/** The client scenarios of @modelcontextprotocol/conformance, with examples/mcp/client.mjs. */
for (const scenario of SCENARIOS) {
  t.test(scenario, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'scopegate-mcp-'))
    t.teardown(() => { rmSync(folder, { recursive: true }) })
    const command = [
      RUNNER, 'client', '--command', `${process.execPath} examples/mcp/client.mjs`, '--scenario', scenario, '--output-dir', folder
    ]
    const { stdout, stderr } = await promisify(execFile)(process.execPath, command, { timeout: 120_000 })
      .catch((error: unknown) => error as { stdout: string, stderr: string })
    t.match(stdout + stderr, /OVERALL: PASSED/)
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('checks.json'))
    t.equal(files.length, 1)
    const checks = files.flatMap((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Check[])
    t.same(checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING').map(({ id }) => id), [])
    t.ok(checks.some(({ status }) => status === 'SUCCESS'))
  })
}
