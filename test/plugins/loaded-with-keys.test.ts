// In a process of its own: it looks at what is loaded.
import Module from 'node:module'
import t from 'tap'
import { newKey } from '../support/issuer.ts'
import { startService, until } from '../support/service.ts'

/** Node's own loader of CommonJS, which `require` calls. */
const loader: { readonly createRequire: unknown, _load?: (name: string, ...rest: unknown[]) => unknown } = Module

t.test('@fastify/jwt cannot be loaded at first (EMFILE): 503 as without keys, and the next fetch tries again', async (t) => {
  const { _load: load } = loader
  if (load === undefined) throw new Error('Node loads CommonJS in another way')
  t.teardown(() => { loader._load = load })
  let attempts = 0
  loader._load = (name, ...rest) => {
    if (name === '@fastify/jwt' && ++attempts === 1) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
    return load(name, ...rest)
  }
  const service = await startService(t, { key: newKey('ES256'), environment: { ALGORITHMS: 'ES256' }, impatient: true })
  await until(() => service.lines.some(({ msg }) => /protected routes respond 503/.test(String(msg))))
  t.match(service.lines.find(({ msg }) => /cannot be fetched/.test(String(msg))), { error: /too many open files/ })
  await until(() => service.app.keyring.state().knownKeys > 0)
  t.equal((await service.get('/api/private', service.issuer.token())).status, 200)
  t.ok(attempts > 1)
})
