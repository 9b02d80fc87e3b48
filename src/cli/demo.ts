#!/usr/bin/env node
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { buildApp } from '../app.ts'
import { ClientError, createClient } from '../client/client.ts'
import { loadConfig } from '../config.ts'
import { projectRealmFile, readRealmFile, startDevelopmentIssuer, type DevelopmentIssuer } from '../issuer/development-issuer.ts'
import { createStory, StepFailed, type Expected, type LogLine, type Story } from './story.ts'

interface Stage {
  readonly api: string
  readonly issuer: DevelopmentIssuer
  readonly otherRealm: DevelopmentIssuer
  /** Moves the time that goes into new tokens; in milliseconds. */
  readonly shiftClock: (byMs: number) => void
  readonly story: Story
}

const TEN_MINUTES_MS = 600_000

/** The demo on free ports of this machine: issuer, API, client. Every step is asserted; nothing is left running. */
async function main (): Promise<void> {
  const realm = readRealmFile(projectRealmFile())
  let shiftMs = 0
  const issuer = await startDevelopmentIssuer({ realm, accessTokenClock: () => Date.now() + shiftMs })
  const otherRealm = await startDevelopmentIssuer({ realm: { ...realm, realm: 'otherorg' } })
  const log: LogLine[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void log.push(JSON.parse(line) as LogLine) })
  const app = await buildApp(loadConfig({ ISSUER: issuer.issuer, AUDIENCE: 'test_api', PORT: '0' }), { logger })
  const story = createStory((text) => process.stdout.write(text), process.stdout.isTTY, () => log.findLast(({ msg }) => msg === 'request'))
  try {
    const stage = {
      api: await app.listen({ host: 'localhost', port: 0 }), issuer, otherRealm, shiftClock: (byMs: number) => { shiftMs = byMs }, story
    }
    introduce(stage)
    await play(stage)
    story.end()
  } finally {
    await close(app, [issuer, otherRealm])
  }
}

async function close (app: FastifyInstance, issuers: readonly DevelopmentIssuer[]): Promise<void> {
  await app.close()
  for (const issuer of issuers) await issuer.close()
}

function introduce ({ story, api, issuer }: Stage): void {
  story.say(`Three parts, all on this machine:
  issuer  ${issuer.issuer}   issues tokens to its clients, as Keycloak does
  API     ${api}                      accepts tokens of this issuer with the right scope
  client  test_api_client                             a program, not a person: it has an id and a secret\n`)
}

async function play (stage: Stage): Promise<void> {
  await withoutToken(stage)
  await withToken(stage)
  await refusedByTheIssuer(stage)
  await refusedByTheApi(stage)
}

async function withoutToken ({ story, api }: Stage): Promise<void> {
  await story.call('Anyone may call the public route', `${api}/api/public`, {}, { status: 200, body: 'No need of Authorization' })
  await story.call(
    'The private route requires a token: the challenge names the scheme',
    `${api}/api/private`,
    {},
    { status: 401, challenge: 'Bearer realm=' }
  )
}

async function withToken (stage: Stage): Promise<void> {
  const { story, api } = stage
  const plain = await tokenOf(stage, 'test_api_client')
  await story.call(
    'The private route accepts a token without the scope',
    `${api}/api/private`,
    bearer(plain),
    { status: 200, body: 'Authorization is required' }
  )
  await story.call('… but not the scoped one: the response names the scope that is missing', `${api}/api/private-scoped`, bearer(plain),
    { status: 403, challenge: 'scope="test_api_access"', body: 'insufficient_scope' })
  const client = createClient({
    tokenEndpoint: stage.issuer.tokenEndpoint, clientId: 'test_api_client', clientSecret: secretOf('test_api_client'),
    scope: ['test_api_access'], apiUrl: api
  })
  try {
    await story.show(
      'The client requests the scope, and calls again',
      'GET /api/private-scoped',
      await client.fetch('/api/private-scoped'),
      { status: 200, body: 'scope named test_api_access' }
    )
    const posted = await client.fetch('/api/messages', {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text: 'Hello' })
    })
    await story.show(
      'It posts a message: the API knows the sender',
      'POST /api/messages {"text":"Hello"}',
      posted,
      { status: 201, body: '"from":"test_api_client"' }
    )
  } finally {
    await client.close()
  }
}

async function refusedByTheIssuer (stage: Stage): Promise<void> {
  const { story, issuer, api } = stage
  const ask = async (clientId: string, clientSecret: string): Promise<string> => {
    const client = createClient({ tokenEndpoint: issuer.tokenEndpoint, clientId, clientSecret, scope: ['test_api_access'], apiUrl: api })
    try {
      await client.fetch('/api/private-scoped')
      return 'no refusal'
    } catch (error) {
      return error instanceof ClientError ? `${error.code}: ${error.message}` : String(error)
    } finally {
      await client.close()
    }
  }
  story.result('The issuer refuses the scope to a client that does not have it', 'test_other_client requests test_api_access',
    await ask('test_other_client', secretOf('test_other_client')), 'scope_refused')
  story.result(
    'A wrong secret: the client reports it',
    'test_api_client with a wrong secret',
    await ask('test_api_client', 'wrong'),
    'credentials_refused'
  )
}

async function refusedByTheApi (stage: Stage): Promise<void> {
  const { story, api, otherRealm } = stage
  const refused = (reason: string): Expected => ({ status: 401, challenge: 'error="invalid_token"', reason })
  stage.shiftClock(-TEN_MINUTES_MS)
  const expired = await tokenOf(stage, 'test_api_client', 'test_api_access')
  stage.shiftClock(0)
  await story.call('A token that has expired', `${api}/api/private-scoped`, bearer(expired), refused('expired'))
  const foreign = await tokenOf({ ...stage, issuer: otherRealm }, 'test_api_client', 'test_api_access')
  await story.call('A token of another realm', `${api}/api/private-scoped`, bearer(foreign), refused('issuer_mismatch'))
  const stranger = await tokenOf(stage, 'test_stranger_client')
  await story.call('A token of this realm for another API', `${api}/api/private`, bearer(stranger), refused('audience_mismatch'))
}

/** The demo secrets of the realm file. */
function secretOf (clientId: string): string {
  return `${clientId.replaceAll('_', '-')}-demo-secret`
}

function bearer (token: string): RequestInit {
  return { headers: { authorization: `Bearer ${token}` } }
}

async function tokenOf ({ issuer }: Pick<Stage, 'issuer'>, clientId: string, scope?: string): Promise<string> {
  const form = new URLSearchParams({
    grant_type: 'client_credentials', client_id: clientId, client_secret: secretOf(clientId), ...scope !== undefined && { scope }
  })
  const response = await fetch(issuer.tokenEndpoint, { method: 'POST', body: form })
  if (!response.ok) throw new StepFailed(`a token for ${clientId}`, `the response of the issuer was ${response.status}`)
  return ((await response.json()) as { access_token: string }).access_token
}

try {
  await main()
} catch (error) {
  process.stderr.write(
    '\nThe demo failed. ' +
    `${error instanceof StepFailed ? error.message : error instanceof Error ? error.stack ?? error.message : String(error)}\n`
  )
  process.exitCode = 1
}
