import type { Test } from 'tap'
import { testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { soon, startApi, type Api } from '../support/keycloak-api.ts'
import { credentials, decode, tokenOf } from '../support/keycloak-tokens.ts'

interface Provider { readonly id: string, readonly name: string, readonly config: Readonly<Record<string, readonly string[]>> }

const PROVIDER_TYPE = 'org.keycloak.keys.KeyProvider'
/** A refresh begins within KEYS_REFRESH_SECONDS; what it takes, and what the machine is slow by, comes on top. */
const ON_TOP_SECONDS = 5

/** A key changed through the Admin API: the new one is known at once, the disabled one is withdrawn in time. Takes a minute. */
export async function rotation (t: Test, url: string): Promise<void> {
  const realm = await testRealm(t, url, `rotation-${process.pid}`)
  const fast = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api', KEYS_REFRESH_SECONDS: '5' })
  const preset = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api' })
  const before = await tokenOf(realm.issuer, credentials('test_api_client'))
  for (const api of [fast, preset]) t.match(await api.get('/api/private', before), { status: 200 })

  await addProvider(realm)
  const after = await tokenOf(realm.issuer, credentials('test_api_client'))
  t.not(kidOf(after), kidOf(before), 'the new key signs at once')
  for (const api of [fast, preset]) {
    t.match(await api.get('/api/private', after), { status: 200 }, 'its first token is accepted')
    t.match(await api.get('/api/private', before), { status: 200 }, 'the old key is still good')
  }

  const disabledMs = performance.now()
  await disable(realm, 'rsa-generated')
  await t.test(
    `refused within ${5 + ON_TOP_SECONDS} s at KEYS_REFRESH_SECONDS=5`,
    (t) => canceled(t, fast, { before, after, byMs: disabledMs + (5 + ON_TOP_SECONDS) * 1000 })
  )
  await t.test(
    `refused within ${60 + ON_TOP_SECONDS} s at the preset 60`,
    (t) => canceled(t, preset, { before, after, byMs: disabledMs + (60 + ON_TOP_SECONDS) * 1000 })
  )
}

interface Rotated { readonly before: string, readonly after: string, readonly byMs: number }

async function canceled (t: Test, api: Api, { before, after, byMs }: Rotated): Promise<void> {
  await soon(async () => (await api.get('/api/private', before)).status === 401, byMs - performance.now())
  t.match(await api.refusal(before), { status: 401, reason: 'key_unknown', challenge: /error="invalid_token"/ })
  t.match(await api.get('/api/private', after), { status: 200 }, 'the new key is as good as before')
  t.match(await api.get('/health/ready'), { status: 200, body: { status: 'ok' } })
  const changes = api.lines.filter(({ msg }) => msg === 'the issuer\'s keys have changed')
  t.ok(changes.some(({ removed }) => JSON.stringify(removed).includes(kidOf(before))), 'the log names the key that was removed')
}

const kidOf = (token: string): string => String(decode(token).header.kid)

export async function addProvider (realm: TestRealm): Promise<void> {
  const { id } = await realm.admin('GET', '') as { id: string }
  await realm.admin('POST', '/components', {
    name: 'rsa-2', providerId: 'rsa-generated', providerType: PROVIDER_TYPE, parentId: id,
    config: { priority: ['200'], enabled: ['true'], active: ['true'], keySize: ['2048'], algorithm: ['RS256'] }
  })
}

export async function disable (realm: TestRealm, name: string): Promise<void> {
  const providers = await realm.admin('GET', `/components?type=${PROVIDER_TYPE}`) as Provider[]
  const provider = providers.find((one) => one.name === name)
  if (provider === undefined) throw new Error(`no key provider ${name}`)
  await realm.admin('PUT', `/components/${provider.id}`, {
    ...provider, config: { ...provider.config, active: ['false'], enabled: ['false'] }
  })
}
