#!/usr/bin/env node
import { readEnvironment } from '../config.ts'
import { EXIT, main } from './call-api.ts'

try {
  process.exitCode = await main(readEnvironment(), process.stdout, process.stderr, process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : 'the settings cannot be read'}\n`) // an unreadable .env
  process.exitCode = EXIT.settings
}
