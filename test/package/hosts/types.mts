import Fastify from 'fastify'
import scopegate, { scopegate as named, Refusal, type Principal, type ScopegateOptions } from 'scopegate'
import { createClient, type Client } from 'scopegate/client'
import { metrics, type Metrics } from 'scopegate/metrics'
import { createTestIssuer, startDevelopmentIssuer } from 'scopegate/testing'

const options: ScopegateOptions = { issuer: 'https://sso.example.com/realms/myorg', audience: 'test_api' }
const app = Fastify()
await app.register(scopegate, options)
await app.register(named, { issuers: [{ issuer: 'https://sso.example.com/realms/a', audience: ['a', 'b'] }] })
app.get('/reports', { config: { auth: { scopes: ['reports:read'] } } }, (request) => {
  const principal: Principal = request.principal
  const client: string | undefined = principal.clientId
  return { for: client, known: request.optionalPrincipal?.has('reports:read') }
})
await app.register(metrics)
const seen: Metrics = app.metrics
const text: Promise<string> = seen.text()
app.get('/open', { config: { auth: 'public' } }, () => 'open')
app.route({ method: 'GET', url: '/optional', config: { auth: { optional: true } }, handler: () => 'optional' })

// @ts-expect-error a number declares no access
app.get('/wrong-1', { config: { auth: 5 } }, () => 'never')
// @ts-expect-error the member is `scopes`
app.get('/wrong-2', { config: { auth: { scope: ['reports:read'] } } }, () => 'never')
// @ts-expect-error the member is `scopes`
app.route({ method: 'GET', url: '/wrong-3', config: { auth: { scope: ['reports:read'] } }, handler: () => 'never' })
// @ts-expect-error a number declares no access
app.route({ method: 'GET', url: '/wrong-4', config: { auth: 5 }, handler: () => 'never' })
// @ts-expect-error an issuer without an audience
const noAudience: ScopegateOptions = { issuer: 'https://sso.example.com/realms/myorg' }
// @ts-expect-error an audience without an issuer
const noIssuer: ScopegateOptions = { audience: 'test_api' }
// @ts-expect-error a symmetric algorithm
const symmetric: ScopegateOptions = { ...options, algorithms: ['HS256'] }

const client: Client = createClient({ issuer: 'https://sso.example.com/realms/myorg', clientId: 'a', clientSecret: 'b', apiUrl: 'https://api.example.com' })
const token: string = createTestIssuer().sign({ aud: 'test_api' })
export { client, noAudience, noIssuer, Refusal, startDevelopmentIssuer, symmetric, token }
