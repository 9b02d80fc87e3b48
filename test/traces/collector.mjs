import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isInstalled, must } from '../support/command.mjs'

/** Where the one that was built is kept. */
const KEPT = fileURLToPath(new URL('../../node_modules/.cache/otelcol', import.meta.url))
/** Of builder.yaml. */
const BUILDER = 'go.opentelemetry.io/collector/cmd/builder@v0.165.0'

/** A collector of OpenTelemetry: of PATH, or built from Go modules and kept; undefined where neither can be. */
export async function findCollector (example) {
  if (await isInstalled('otelcol')) return 'otelcol'
  if (existsSync(KEPT)) return KEPT
  if ((await isInstalled('go')) === false) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'scopegate-otelcol-'))
  try {
    await must('go', ['run', BUILDER, '--config', join(example, 'builder.yaml')], { cwd: folder })
    await cp(join(folder, 'otelcol/otelcol'), KEPT)
    return KEPT
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
