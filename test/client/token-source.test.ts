import t from 'tap'
import { gate, json, MINUTE, story, tokens, until } from './fakes.ts'

t.test('a hundred calls at once cost one token request, and so do the next hundred', async (t) => {
  const { client, issuer, api } = await story(t)
  await Promise.all(Array.from({ length: 100 }, () => client.fetch('/')))
  await Promise.all(Array.from({ length: 100 }, () => client.fetch('/')))
  t.equal(issuer.seen.length, 1)
  t.equal(api.seen.length, 200)
  t.ok(api.seen.every(({ headers }) => headers.authorization === 'Bearer token-1'))
})

t.test('one token for each set of scopes, whatever their order', async (t) => {
  const { client, issuer } = await story(t, { scope: ['read', 'write'] })
  await Promise.all([
    client.token(), client.token(['write', 'read']), client.token(['write', 'read', 'read']),
    client.token([]), client.token(['read']), client.fetch('/', { scope: ['read'] })
  ])
  t.same(issuer.seen.map(({ form }) => form.get('scope')).sort(), [null, 'read', 'read write'].sort())
})

t.test('the token is renewed in the background: nobody waits for it while the old one is good', async (t) => {
  const { client, issuer, clock } = await story(t)
  t.equal(await client.token(), 'token-1')
  clock.ms += 0.6 * 300_000 - 1
  t.equal(await client.token(), 'token-1')
  t.equal(issuer.seen.length, 1, 'not before its time')

  const held = gate()
  const respond = issuer.respond
  issuer.respond = (response, seen) => held.opened.then(() => respond(response, seen))
  clock.ms += 1
  t.same(await Promise.all([client.token(), client.token(), client.token()]), ['token-1', 'token-1', 'token-1'])
  await until(() => issuer.seen.length === 2)
  t.equal(await client.token(), 'token-1', 'the issuer has not responded yet')
  held.open()
  while (await client.token() === 'token-1') await new Promise(setImmediate)
  t.equal(await client.token(), 'token-2')
  t.equal(issuer.seen.length, 2)
})

t.test('when the renewal starts is different from client to client', async (t) => {
  for (const [random, at] of [[0, 180_000], [0.5, 210_000], [0.999, 239_940]] as const) {
    const { client, issuer, clock } = await story(t, { random: () => random })
    await client.token()
    clock.ms += at - 1
    await client.token()
    t.equal(issuer.seen.length, 1)
    clock.ms += 1
    await client.token()
    await until(() => issuer.seen.length === 2)
  }
})

t.test('a token is not sent in its last seconds, and its lifetime counts from before it was requested', async (t) => {
  const { client, issuer, clock } = await story(t)
  const respond = issuer.respond
  issuer.respond = (response, seen) => {
    clock.ms += 1000 // the response is slow
    respond(response, seen)
  }
  await client.token()
  clock.ms += 300_000 - 1000 - 5000
  t.equal(await client.token(), 'token-2')
})

t.test('an issuer that is down for less than the remaining life makes no call fail', async (t) => {
  const { client, issuer, clock } = await story(t)
  await client.fetch('/')
  issuer.respond = json(503, {})
  clock.ms += 180_000
  for (let call = 0; call < 100; call++) {
    t.equal((await client.fetch('/')).status, 200)
    clock.ms += 1000
  }
  t.ok(issuer.seen.length > 5, 'it keeps asking')
  t.ok(issuer.seen.length < 60, 'with a growing pause')
  issuer.respond = tokens()
  clock.ms += 10_000
  const asked = issuer.seen.length
  await client.fetch('/')
  await until(() => issuer.seen.length > asked)
  t.equal((await client.fetch('/')).status, 200)
})

t.test('without expires_in the token is kept for a minute, with an endless one for a day', async (t) => {
  const { client, issuer, clock } = await story(t)
  issuer.respond = tokens({ expires_in: undefined })
  await client.token()
  clock.ms += 35_999
  t.equal(await client.token(), 'token-1')
  t.equal(issuer.seen.length, 1)
  clock.ms += 25_000
  t.equal(await client.token(), 'token-2')

  for (const endless of [1e308, '99999999999']) {
    issuer.respond = tokens({ access_token: String(endless), expires_in: endless })
    clock.ms += 2 * 24 * 60 * MINUTE
    t.equal(await client.token(), String(endless))
    clock.ms += 10 * 60 * MINUTE
    const asked = issuer.seen.length
    await client.token()
    t.equal(issuer.seen.length, asked)
  }
})

t.test('wrong credentials are remembered: a hot loop does not hammer the issuer', async (t) => {
  const { client, issuer, clock } = await story(t)
  issuer.respond = json(401, { error: 'invalid_client' })
  for (let call = 0; call < 100; call++) await t.rejects(client.fetch('/'), { code: 'credentials_refused' })
  t.equal(issuer.seen.length, 1)
  clock.ms += 29_999
  await t.rejects(client.token(), { code: 'credentials_refused' })
  t.equal(issuer.seen.length, 1)

  issuer.respond = tokens()
  clock.ms += 1
  t.equal(await client.token(), 'token-1', 'put right at the issuer, they work without a restart')
})

t.test('an issuer that is down gets another request after a pause that doubles, up to five seconds', async (t) => {
  const { client, issuer, clock } = await story(t, { random: () => 1 })
  issuer.respond = json(500, {})
  for (const [attempt, pause] of [250, 500, 1000, 2000, 4000, 5000, 5000].entries()) {
    await t.rejects(client.token(), { code: 'issuer_unreachable' })
    t.equal(issuer.seen.length, attempt + 1)
    clock.ms += pause - 1
    await t.rejects(client.token(), { code: 'issuer_unreachable' })
    t.equal(issuer.seen.length, attempt + 1, `not within ${pause} ms`)
    clock.ms += 1
  }
})

t.test('after a success the pauses begin anew', async (t) => {
  const { client, issuer, clock } = await story(t, { random: () => 1 })
  const down = json(500, {})
  issuer.respond = down
  for (let attempt = 0; attempt < 5; attempt++) {
    await t.rejects(client.token(), { code: 'issuer_unreachable' })
    clock.ms += 5000
  }
  issuer.respond = tokens()
  await client.token()
  clock.ms += 300_000
  issuer.respond = down
  await t.rejects(client.token(), { code: 'issuer_unreachable' })
  const asked = issuer.seen.length
  clock.ms += 250
  await t.rejects(client.token(), { code: 'issuer_unreachable' })
  t.equal(issuer.seen.length, asked + 1)
})

t.test('Retry-After is heeded, up to a minute', async (t) => {
  for (const [header, pause] of [['7', 7000], ['3600', 60_000], ['soon', 125]] as const) {
    const { client, issuer, clock } = await story(t)
    issuer.respond = json(429, {}, { 'retry-after': header })
    await t.rejects(client.token(), { code: 'issuer_unreachable' })
    clock.ms += pause - 1
    await t.rejects(client.token(), { code: 'issuer_unreachable' })
    t.equal(issuer.seen.length, 1, header)
    clock.ms += 1
    await t.rejects(client.token(), { code: 'issuer_unreachable' })
    t.equal(issuer.seen.length, 2, header)
  }
})

t.test('with the clock of the machine and its dice', async (t) => {
  const { client, issuer, options } = await story(t, { now: undefined as never, random: undefined as never })
  t.equal(options.now, undefined)
  await client.token()
  await client.token()
  t.equal(issuer.seen.length, 1)
})

t.test('a closed client does nothing more, and drops a token request under way', async (t) => {
  const { client, issuer } = await story(t)
  issuer.respond = () => undefined
  const waiting = t.rejects(client.token(), { code: 'client_closed' })
  await until(() => issuer.seen.length === 1)
  await client.close()
  await waiting
  await t.rejects(client.token(), { code: 'client_closed', message: 'the client is closed' })
  await t.rejects(client.fetch('/'), { code: 'client_closed' })
  t.equal(issuer.seen.length, 1)
})
