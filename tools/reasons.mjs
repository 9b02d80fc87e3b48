/** Writes docs/reference/reasons.md from src/oauth/reasons.ts: `npm run docs:reasons`. */
import { writeFileSync } from 'node:fs'
import { reasonsPage } from '../dist/src/oauth/reasons-page.js'

writeFileSync(new URL('../docs/reference/reasons.md', import.meta.url), reasonsPage())
