import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Test } from 'tap'
import { createClient, type Client } from '../../src/client/client.ts'
import type { ClientEvent } from '../../src/events.ts'
import { clientOf, testRealm } from '../support/keycloak-admin.ts'
import { soon, startApi } from '../support/keycloak-api.ts'
import { secretOf } from '../support/keycloak-tokens.ts'

const CLIENT_ID = 'rotated_client'
/** Renewed after 18 to 24 s, used until 27 s: there are at least 3 s in which a refused renewal is repeated. */
const LIFE_SECONDS = 30
const REPLICAS = 3
const CALLERS = 4
const ROTATIONS = 2

/**
 * A secret that changes in Keycloak while three replicas call with it, each with four calls at a time: the old secret is refused at
 * once, the file is replaced only after that, and no call fails. Takes a minute.
 */
export async function secretRotation (t: Test, url: string): Promise<void> {
  const realm = await testRealm(t, url, `secrets-${process.pid}`)
  await realm.addClient(CLIENT_ID, { attributes: { 'access.token.lifespan': `${LIFE_SECONDS}` } })
  const api = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api' })
  const file = join(t.testdir({ secret: secretOf(CLIENT_ID) }), 'secret')
  const options = { issuer: realm.issuer, clientId: CLIENT_ID, clientSecret: { file }, apiUrl: api.url }
  const replicas = Array.from({ length: REPLICAS }, () => createClient(options))
  t.teardown(() => Promise.all(replicas.map((replica) => replica.close())))
  const outcomes = outcomesOf(t)
  const load = beginLoad(replicas)

  await soon(() => outcomes.ok === REPLICAS)
  for (let rotation = 1; rotation <= ROTATIONS; rotation++) {
    const [secret, refusedBefore, okBefore] = [`rotated-${rotation}`, outcomes.refused, outcomes.ok]
    await realm.admin('PUT', `/clients/${(await clientOf(realm, CLIENT_ID)).id}`, { ...await clientOf(realm, CLIENT_ID), secret })
    await soon(() => outcomes.refused > refusedBefore, LIFE_SECONDS * 1000)
    t.equal(outcomes.ok, okBefore, 'the old secret has stopped working before the file is replaced')
    writeFileSync(file, `${secret}\n`)
    await soon(() => outcomes.ok >= okBefore + REPLICAS, LIFE_SECONDS * 1000)
  }
  const { calls, failed } = await load.end()
  t.same(failed, [], 'no call has failed')
  t.ok(calls > 100, `${calls} calls`)
  t.equal(outcomes.ok, REPLICAS * (1 + ROTATIONS), 'one token for each replica and secret')
}

interface Outcomes { ok: number, refused: number }

/** Of the token requests of this client. */
function outcomesOf (t: Test): Outcomes {
  const outcomes = { ok: 0, refused: 0 }
  const listener = (message: unknown): void => {
    const event = message as ClientEvent
    if (event.event !== 'token' || event.clientId !== CLIENT_ID) return
    if (event.outcome === 'ok') outcomes.ok++
    if (event.outcome === 'credentials_refused') outcomes.refused++
  }
  subscribe('scopegate:client', listener)
  t.teardown(() => unsubscribe('scopegate:client', listener))
  return outcomes
}

interface Load { readonly calls: number, readonly failed: readonly string[] }

function beginLoad (replicas: readonly Client[]): { readonly end: () => Promise<Load> } {
  let [calls, ended] = [0, false]
  const failed: string[] = []
  const caller = async (client: Client): Promise<void> => {
    while (!ended) {
      calls++
      const outcome = await client.fetch('/api/private').then(async (response) => { await response.text(); return response.status }, String)
      if (outcome !== 200) failed.push(String(outcome))
      await pause(50)
    }
  }
  const callers = replicas.flatMap((client) => Array.from({ length: CALLERS }, () => caller(client)))
  return {
    async end () {
      ended = true
      await Promise.all(callers)
      return { calls, failed }
    }
  }
}
