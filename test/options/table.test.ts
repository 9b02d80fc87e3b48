import { readFileSync } from 'node:fs'
import t from 'tap'
import { ENVIRONMENT } from '../../src/config.ts'
import { ISSUER_OPTIONS } from '../../src/options/issuer-options.ts'
import { GUARD_OPTIONS, readOptions } from '../../src/options/options.ts'
import { RANGES } from '../../src/options/ranges.ts'

const TABLE = readFileSync('docs/reference/options.md', 'utf8')
const rows = [...TABLE.matchAll(/^\| `(\w+)` \| (.+?) \| (.+?) \| (.+) \|$/gm)]
  .map(([, option = '', variable = '', preset = '', sentence = '']) => ({ option, variable, preset, sentence }))
const code = (cell: string): string => cell.replaceAll('`', '')

t.test('the table of options lists every option once, and each variable exists', (t) => {
  t.same(rows.map(({ option }) => option).sort(), [...ISSUER_OPTIONS, 'issuers', ...GUARD_OPTIONS].sort())
  for (const { option, variable } of rows.filter((row) => row.variable !== '–')) {
    for (const name of code(variable).split(', ')) t.ok(name in ENVIRONMENT, `${option}: ${name}`)
  }
  t.end()
})

t.test('the defaults in the table are those of the code', (t) => {
  const settings = readOptions({ issuer: 'https://sso.example.com/realms/myorg', audience: 'api' })
  const [issuer] = settings.issuers
  const tokenCacheMb = settings.tokenCacheBytes / 1024 / 1024
  const defaults: Readonly<Record<string, unknown>> = { ...issuer, ...settings, tokenCacheMb, allowInsecureHttp: false }
  for (const { option, preset } of rows.filter((row) => row.preset !== '–' &&
    !['jwksUrl', 'trusted', 'trustProxy', 'warn'].includes(row.option))) {
    t.equal(String(defaults[option]), code(preset), option)
  }
  t.equal(issuer?.jwksUrl, 'https://sso.example.com/realms/myorg/protocol/openid-connect/certs')
  t.end()
})

t.test('a range in the table is that of the code', (t) => {
  for (const { option, sentence } of rows) {
    const range = /\b(\d+) to (\d+)\b/.exec(sentence)?.slice(1).map(Number)
    if (range !== undefined) t.match(RANGES[option as keyof typeof RANGES], { minimum: range[0], maximum: range[1] }, option)
  }
  t.end()
})
