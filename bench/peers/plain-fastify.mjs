import fastify from 'fastify'
import { ANSWER, schema, where } from './listen.mjs'

const app = fastify()
app.get('/api/private', { schema }, () => ANSWER)
await app.listen(where)
