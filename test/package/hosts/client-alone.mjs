// The client in a process that never loads Fastify.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { createClient, ClientError } from 'scopegate/client'

const client = createClient({
  tokenEndpoint: 'http://127.0.0.1:9/token', clientId: 'job', clientSecret: 'not-a-real-secret', apiUrl: 'http://127.0.0.1:9'
})
await assert.rejects(client.fetch('/'), ClientError)
await client.close()
const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => /node_modules[\\/](?:fastify|@fastify)[\\/]/.test(file))
assert.deepEqual(loaded, [])
