import fastify from 'fastify'
import { ANSWER, schema, where } from './listen.mjs'

const app = fastify()
for (const path of ['/api/private', '/api/public']) app.get(path, { schema }, () => ANSWER)
await app.listen(where)
