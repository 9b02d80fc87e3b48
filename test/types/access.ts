/** Nothing of this runs: `npm run typecheck` holds that these declarations compile, and that each line after an expectation does not. */
import Fastify from 'fastify'
import type {} from '../../plugins/access-policy.ts'
import type { DeclaredAccess } from '../../src/oauth/access-policy.ts'

const app = Fastify()
const handler = (): string => 'ok'
const names: string[] = ['a']
const chosen = names.length > 1 ? { auth: 'public' as const } : { auth: { scopes: names } }
const declared: DeclaredAccess = { anyScope: ['a'], kind: 'service' }

app.get('/', { config: { auth: 'public' } }, handler)
app.get('/', { config: { auth: { scopes: [] } } }, handler)
app.get('/', { config: { auth: { scopes: names, kind: 'user', clientId: true } } }, handler)
app.get('/', { config: { auth: { realmRoles: ['a'], clientRoles: { api: ['writer'] } } } }, handler)
app.get('/', { config: { auth: { optional: true } } }, handler)
app.get('/', { config: { auth: declared, rateLimit: { max: 1 } } }, handler)
app.get('/', { config: chosen }, handler)
app.get('/', { config: { rateLimit: 1 } }, handler)
app.route({ method: 'GET', url: '/', config: { auth: { scopes: ['a'] } }, handler })

// @ts-expect-error a number is not a declaration
app.get('/', { config: { auth: 5 } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: true } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: null } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: 'Public' } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: ['a'] } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: {} } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { scope: ['x'] } } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { scopes: ['a'], role: ['x'] } } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { scopes: 'a' } } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { scopes: [1] } } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { kind: 'machine' } } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { clientId: false } } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { optional: false } } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { optional: true, scopes: [] } } }, handler)
// @ts-expect-error not a declaration of access
app.get('/', { config: { auth: { clientRoles: ['writer'] } } }, handler)
// @ts-expect-error not a declaration of access
app.post('/', { config: { auth: 5 }, handler })
// @ts-expect-error not a declaration of access
app.route({ method: 'GET', url: '/', config: { auth: 5 }, handler })
// @ts-expect-error not a declaration of access
app.route({ method: 'GET', url: '/', config: { auth: { scope: ['x'] } }, handler })
// @ts-expect-error not a declaration of access
app.all('/', { config: { auth: { roles: ['x'] } } }, handler)
