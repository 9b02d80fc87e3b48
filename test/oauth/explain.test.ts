import { readFileSync } from 'node:fs'
import t from 'tap'
import { REQUEST_REASONS, TOKEN_REASONS, type Reason } from '../../src/oauth/errors.ts'
import { explain } from '../../src/oauth/explain.ts'

const NAMES = { issuer: 'ISSUER', audience: ['AUDIENCE'], algorithms: ['ALGORITHMS'], scopes: ['SCOPE'] }

const STATUS_OF_REQUEST: Readonly<Record<typeof REQUEST_REASONS[number], number>> = {
  credentials_missing: 401, scheme_unsupported: 401, credentials_malformed: 400, credentials_repeated: 400,
  scope_missing: 403, role_missing: 403, kind_not_allowed: 403, issuer_unavailable: 503, overloaded: 503
}

const rows = [
  ...REQUEST_REASONS.map((reason): [Reason, number] => [reason, STATUS_OF_REQUEST[reason]]),
  ...TOKEN_REASONS.map((reason): [Reason, number] => [reason, 401])
].map(([reason, status]) => `| \`${reason}\` | ${status} | ${explain(reason, NAMES)} |`)

t.test('docs/reasons.md has a line for each reason, as the code explains it, and no other', async (t) => {
  t.same(readFileSync('docs/reasons.md', 'utf8').split('\n').filter((line) => line.startsWith('| `')), rows)
})

t.test('sentences name the settings of the service and what the route needs', async (t) => {
  t.match(explain('audience_mismatch', { ...NAMES, audience: ['orders', 'billing'] }), /choose orders or billing/)
  t.match(explain('audience_mismatch', { ...NAMES, audience: 'any' }), /choose the API/)
  t.match(explain('scope_missing', { issuer: 'i', audience: 'any', algorithms: [] }), /Include in token scope/)
  t.match(explain('issuer_mismatch', { ...NAMES, issuer: 'https://sso.example.com/realms/myorg' }), /https:\/\/sso\.example\.com\/realms\/myorg/)
})
