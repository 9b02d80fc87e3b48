#!/usr/bin/env node
import { readSources } from '../config.ts'
import { main } from './call-api.ts'
import { EXIT } from './call-words.ts'

try {
  const { variables, warnings } = readSources()
  for (const warning of warnings) process.stderr.write(`Warning: ${warning}\n`)
  process.exitCode = await main(variables, process.stdout, process.stderr, process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : 'the settings cannot be read'}\n`) // an unreadable .env
  process.exitCode = EXIT.settings
}
