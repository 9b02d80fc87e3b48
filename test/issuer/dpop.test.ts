import { createHmac } from 'node:crypto'
import t from 'tap'
import { startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { holder, type Holder } from '../support/dpop.ts'
import { signTexts, type Json } from '../support/issuer.ts'
import { compare, recorded, type RecordedCase } from './recording.ts'
import { formRequest, myorg, send } from './wire.ts'

/** One recorded proof, its signature dropped; or text. */
type RecordedProof = { readonly header: Json, readonly payload: Json } | string

const HOLDERS: Readonly<Record<string, Holder>> = { EC: holder(), RSA: holder('RS256'), OKP: holder('EdDSA') }
const thief = holder()
const now = (): number => Math.floor(Date.now() / 1000)

const issuer = await startDevelopmentIssuer({ realm: myorg() })
t.teardown(() => issuer.close())
const ORIGIN = `http://localhost:${issuer.port}`

/** The recorded proof once more, for this issuer, with keys of our own. */
function again (name: string, proof: RecordedProof): string {
  if (typeof proof === 'string') return proof
  const { header: { jwk, alg, ...header }, payload: { iat, htu, ...payload } } = proof
  const { kty = 'EC', d } = (jwk ?? {}) as { kty?: string, d?: string }
  const { key, jwk: own } = HOLDERS[kty] ?? thief
  const offset = Number(/^iat ([+-]\d+) s$/.exec(name)?.[1] ?? 0)
  const time = typeof iat === 'string' ? String(now()) : Number.isInteger(iat) ? now() + offset : Date.now() / 1000
  const claims = {
    ...payload, ...iat !== undefined && { iat: time },
    ...htu !== undefined && { htu: (htu as string).replace(/:8080/, `:${issuer.port}`) }
  }
  const head = { alg, ...header, ...jwk !== undefined && { jwk: kty === 'oct' ? jwk : { ...own, ...d !== undefined && { d } } } }
  const text = signTexts(name === 'jwk of another key' ? thief.key : key, JSON.stringify(head), JSON.stringify(claims))
  if (name === 'signature cut') return text.slice(0, -8)
  const input = text.split('.').slice(0, 2).join('.')
  return alg === 'HS256' ? `${input}.${createHmac('sha256', 'x').update(input).digest('base64url')}` : text
}

const CASES = recorded('dpop').filter(({ request: { path, form } }) => path.endsWith('/token') && form !== undefined)

async function replay (
  { case: name, request: { headers = {}, form, path } }: RecordedCase
): Promise<{ readonly status: number, readonly text: string }> {
  const given = (headers as Readonly<Record<string, RecordedProof | RecordedProof[]>>).DPoP
  const proofs = given === undefined ? [] : [given].flat().map((one) => again(name, one))
  const asForm = formRequest(path, form as Record<string, string>)
  return send(issuer.port, { ...asForm, headers: { ...asForm.headers, ...proofs.length > 0 && { dpop: proofs.join(', ') } } })
}

t.test('there are as many recorded token requests as this test was written for', async (t) => {
  t.ok(CASES.length > 40, `${CASES.length}`)
})

for (const one of CASES) {
  t.test(`as Keycloak did: ${one.case}`, async (t) => {
    // Recorded was the second attempt.
    if (one.case === 'the same proof twice (jti used)') await replay(one)
    const { status, text } = await replay(one)
    t.equal(status, one.response.status, text)
    const jwk = (one.request.headers as { DPoP?: { header?: { jwk?: { kty?: string } } } } | undefined)?.DPoP?.header?.jwk
    const { jkt } = HOLDERS[jwk?.kty ?? 'EC'] ?? thief
    const body = JSON.stringify(one.response.body).replace(/"jkt":"[^"]*"/, `"jkt":"${jkt}"`).replaceAll('http://localhost:8080', ORIGIN)
    const wanted: unknown = JSON.parse(body)
    compare(t, JSON.parse(text), wanted, 'body')
  })
}
