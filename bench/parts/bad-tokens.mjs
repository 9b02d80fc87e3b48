import { AUDIENCE, claimsOf, forgedSignature, mint, signingInput } from '../issuer.mjs'
import { requestText, sendAll } from '../load.mjs'
import { PRIVATE } from '../fleet.mjs'

const HOT = 200
const BAD = 100_000

/** P5: bad tokens of every kind over the wire, then the tokens that were hot before: how many signatures does the service check again? */
export async function countAfterBadTokens ({ key, issuer, say }) {
  const [{ buildApp }, { loadConfig }] = await Promise.all([import('../../dist/src/app.js'), import('../../dist/src/config.js')])
  const app = await buildApp(loadConfig({ ISSUER: issuer, AUDIENCE, LOG_LEVEL: 'silent' }))
  await app.listen({ host: '127.0.0.1', port: 0 })
  try {
    await app.keyring.settled()
    const pool = await mint(key, issuer, HOT)
    const hot = Array.from({ length: HOT }, (_, at) => requestText(PRIVATE, pool.at(at)))
    const { counts } = app.verification
    await send(app, hot, [200])
    // Asked for a second time: from here on they are hot.
    await send(app, hot, [200])
    const before = counts.signatureChecks
    await send(app, badTokens(key.kid, issuer), [401])
    const ofBad = counts.signatureChecks - before
    await send(app, hot, [200])
    const again = counts.signatureChecks - before - ofBad
    say(`${BAD} bad tokens: ${ofBad} signature checks; then ${HOT} hot ones: ${again}`)
    return {
      title: 'After 100,000 bad tokens',
      lines: [{
        goal: 'P5',
        what: `signature checks for ${HOT} tokens that were hot before ${BAD} bad ones (which took ${ofBad})`,
        atMost: 0,
        count: again,
        met: again === 0
      }],
      figures: {}
    }
  } finally {
    await app.close()
  }
}

async function send (app, texts, statuses) {
  await sendAll({ port: app.server.address().port, texts, statuses })
}

/** Half of them with a signature that must be checked in full; the others fail before it. */
function* badTokens (kid, issuer) {
  for (let at = 0; at < BAD; at++) {
    const claims = claimsOf(issuer)
    const faulty = [
      () => [kid, claims], () => [kid, claims], () => [kid, claims],
      () => [`unknown-${at}`, claims], () => [kid, { ...claims, exp: 1 }], () => [kid, { ...claims, iss: 'https://other.example' }]
    ][at % 6]()
    yield requestText(PRIVATE, `${signingInput(...faulty)}.${forgedSignature()}`)
  }
}
