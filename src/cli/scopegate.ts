#!/usr/bin/env node
import { existsSync } from 'node:fs'
import { VERSION } from '../about.ts'
import { readSources } from '../config/environment.ts'
import { printable } from '../oauth/printable.ts'
import type { AccessRow } from '../oauth/access-matrix.ts'
import { main as call, printToken } from './call-api.ts'
import { EXIT } from './call-words.ts'

const HELP = `scopegate ${VERSION}

  scopegate call [--help]   gets an access token with the credentials of a client, and calls an API with it once
  scopegate token [--help]  gets an access token and writes it, and nothing else, to standard output
  scopegate doctor [--help] checks issuer, keys, clock and scopes, and explains a token that is refused
  scopegate migrate FILE     prints the settings that take the place of a keycloak.json of keycloak-connect
  scopegate --version
`

async function main ([command, ...args]: readonly string[]): Promise<number> {
  if (command === 'call' || command === 'token') {
    const { variables, warnings } = readSources()
    for (const warning of warnings) process.stderr.write(`Warning: ${warning}\n`)
    return await (command === 'call' ? call : printToken)(variables, process.stdout, process.stderr, args)
  }
  if (command === 'doctor') return await runDoctor(args)
  if (command === 'migrate') return (await import('./migrate.ts')).runMigrate(args, process.stdout, process.stderr)
  if (command === '--version') process.stdout.write(`${VERSION}\n`)
  else if (command === undefined || command === '--help' || command === '-h') process.stdout.write(HELP)
  else {
    process.stderr.write(`${printable(command)} is not a command of scopegate.\n\n${HELP}`)
    return EXIT.settings
  }
  return EXIT.ok
}

/** In a clone the routes of the service are beside this file; the package does not contain them. */
async function runDoctor (args: readonly string[]): Promise<number> {
  const { doctor } = await import('./doctor/doctor.ts')
  const routes = new URL('doctor/service-routes.js', import.meta.url)
  const ownRoutes = existsSync(routes)
    ? async () => await (await import(routes.href) as { serviceRoutes: () => Promise<readonly AccessRow[]> }).serviceRoutes()
    : undefined
  return await doctor({ args, sources: readSources, input: process.stdin, out: process.stdout, err: process.stderr, ownRoutes })
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : 'the settings cannot be read'}\n`) // an unreadable .env
  process.exitCode = EXIT.settings
}
