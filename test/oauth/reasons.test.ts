import { readFileSync } from 'node:fs'
import t from 'tap'
import { explain, REASONS, type ReasonContext } from '../../src/oauth/reasons.ts'
import { reasonsPage } from '../../src/oauth/reasons-page.ts'

const NAMES: ReasonContext = { issuer: 'ISSUER', audience: ['AUDIENCE'], algorithms: ['ALGORITHMS'], scopes: ['SCOPE'] }

t.test('docs/reference/reasons.md is what npm run docs:reasons writes, and has a line for each reason', async (t) => {
  const page = readFileSync('docs/reference/reasons.md', 'utf8')
  t.equal(page, reasonsPage())
  t.same(page.split('\n').filter((line) => line.startsWith('| <a id=')).map((line) => /`(\w+)` \| (\d+)/.exec(line)?.slice(1)),
    Object.entries(REASONS).map(([reason, { status }]) => [reason, String(status)]))
})

t.test('hints name the settings of the service and what the route requires', async (t) => {
  t.match(explain('audience_mismatch', { ...NAMES, audience: ['orders', 'billing'] }), /choose orders or billing/)
  t.match(explain('audience_mismatch', { ...NAMES, audience: 'any' }), /choose the API/)
  t.match(explain('scope_missing', { issuer: 'i', audience: 'any', algorithms: [] }), /Include in token scope/)
  t.match(
    explain('issuer_mismatch', { ...NAMES, issuer: 'https://sso.example.com/realms/myorg' }),
    /https:\/\/sso\.example\.com\/realms\/myorg/
  )
})
