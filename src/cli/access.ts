#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { buildApp } from '../app.ts'
import { loadConfig, readSources, type Config } from '../config.ts'
import { formatAccess } from '../oauth/access-matrix.ts'

const HELP = `Prints who may call what, as the routes declare it. Nothing is started.

  npm run access                 a table
  npm run access -- --json       the same for programs
  npm run access -- --openapi    the OpenAPI document
`

/** Access is declared in the code; of the configuration only DPOP=required, which requires PUBLIC_URL, changes it. */
function ofAnyIssuer (): Config {
  const { DPOP, PUBLIC_URL } = readSources().variables
  const any = { ISSUER: 'https://issuer.example/realms/any', AUDIENCE: 'any' }
  return loadConfig(DPOP?.trim() === 'required' ? { ...any, DPOP, PUBLIC_URL } : any)
}

function configured (): Config {
  const sources = readSources()
  return loadConfig(sources.variables, sources)
}

async function main (): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean' }, openapi: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } }
  })
  if (values.help === true) return void process.stdout.write(HELP)
  const app = await buildApp(values.openapi === true ? configured() : ofAnyIssuer(), { openapi: values.openapi === true })
  try {
    app.access.check()
    if (values.openapi === true) await app.ready()
    const text = values.openapi === true
      ? JSON.stringify(app.openapi(), null, 2)
      : values.json === true
        ? JSON.stringify(app.access.routes(), null, 2)
        : formatAccess(app.access.routes())
    process.stdout.write(`${text}\n`)
  } finally {
    await app.close()
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
