import fastify from 'fastify'
import { ANSWER, schema, where } from './listen.mjs'

/** With LOG: the log that Fastify offers, two lines for each request. */
const app = fastify({ logger: process.env.LOG === 'on' })
for (const path of ['/api/private', '/api/public']) app.get(path, { schema }, () => ANSWER)
await app.listen(where)
