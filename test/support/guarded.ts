import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Test } from 'tap'
import accessPolicy, { type AccessPolicyOptions } from '../../plugins/access-policy.ts'
import { AUTHENTICATE } from '../../plugins/names.ts'
import { MissingCredentials } from '../../src/oauth/errors.ts'
import refusals from '../../plugins/refusals.ts'
import { principalOf } from '../../src/oauth/principal.ts'

/** A Fastify application with a guard over the stand-in for the auth plugin. */
export async function guarded (t: Test, options: AccessPolicyOptions): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(authentication)
  await app.register(accessPolicy, options)
  return app
}

/** In place of the auth plugin: `Bearer good` is a service with the scope `one`, any other token is refused. */
export const authentication = fp(async (app) => {
  await app.register(refusals, {
    challengeRealm: 'test', resourceMetadata: undefined, explained: { issuer: 'i', audience: 'any', algorithms: ['RS256'] }
  })
  app.decorateRequest(AUTHENTICATE, function () {
    if (this.headers.authorization !== 'Bearer good') throw new MissingCredentials()
    return principalOf({ iss: 'i', exp: 1, azp: 'c', jti: 'trrtcc:1', scope: 'one' })
  })
}, { name: 'auth' })
