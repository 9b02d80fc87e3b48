import Fastify = require('fastify')
import scopegate = require('scopegate')
import client = require('scopegate/client')
import testing = require('scopegate/testing')

const app = Fastify()
app.register(scopegate, { issuer: 'https://sso.example.com/realms/myorg', audience: 'test_api' })
app.get('/reports', { config: { auth: { scopes: ['reports:read'] } } }, (request) => ({ for: request.principal.clientId }))
// @ts-expect-error a number declares no access
app.get('/wrong', { config: { auth: 5 } }, () => 'never')

const machine: client.Client = client.createClient({ issuer: 'https://sso.example.com/realms/myorg', clientId: 'a', clientSecret: 'b', apiUrl: 'https://api.example.com' })
const token: string = testing.createTestIssuer().sign({ aud: 'test_api' })
export = { machine, token }
