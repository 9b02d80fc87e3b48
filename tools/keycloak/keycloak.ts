#!/usr/bin/env node
import { main } from './command.ts'

const asked = new AbortController()
// Ctrl-C comes twice through npm: once from the terminal, once handed on. Both mean the same.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => asked.abort())
process.exitCode = await main(process.argv.slice(2), process.stdout, process.stderr, asked.signal)
