// In a process of its own: it counts what is called of the libraries.
import { createRequire } from 'node:module'
import t from 'tap'
import { newKey } from '../support/issuer.ts'

type Library = Record<string, (...given: readonly unknown[]) => unknown>

/** How often fast-jwt created a verifier and parsed a PEM. It captures what it uses when it is loaded: replaced before that. */
const counts = { createPublicKey: 0, createVerifier: 0 }
const require = createRequire(import.meta.url)
count(require('node:crypto') as Library, 'createPublicKey')
count(createRequire(require.resolve('@fastify/jwt'))('fast-jwt') as Library, 'createVerifier')
const { startService } = await import('../support/service.ts')

function count (library: Library, name: keyof typeof counts): void {
  const original = library[name] as Library[string]
  library[name] = (...given) => {
    counts[name]++
    return original(...given)
  }
}

t.test('a key costs one verifier and one parsing of its PEM; a token costs neither', async (t) => {
  const key = newKey()
  const service = await startService(t, { key })
  const before = { ...counts }
  const tokens = Array.from({ length: 30 }, (_, n) => service.issuer.token({ jti: `${n}` }))
  const statuses = await Promise.all(tokens.map(async (token) => (await service.get('/api/private', token)).status))
  t.same([...new Set(statuses)], [200])
  t.equal(service.app.verification.counts.signatureChecks, 30)
  const made = (name: 'createPublicKey' | 'createVerifier'): number => counts[name] - before[name]
  t.same({ createPublicKey: made('createPublicKey'), createVerifier: made('createVerifier') },
    { createPublicKey: 1, createVerifier: 1 })

  const next = newKey()
  service.issuer.published = [key.jwk, next.jwk]
  service.issuer.key = next
  t.equal((await service.get('/api/private', service.issuer.token())).status, 200)
  service.issuer.key = key
  for (let n = 0; n < 5; n++) {
    t.equal(
      (await service.get('/api/private', service.issuer.token({ jti: `again ${n}` }))).status,
      200,
      'the known key is not parsed again'
    )
  }
  t.equal(counts.createVerifier - before.createVerifier, 2)
  t.notOk(service.app.hasDecorator('jwt'))
})
