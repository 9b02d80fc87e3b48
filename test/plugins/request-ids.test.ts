import t from 'tap'
import { requestIds } from '../../plugins/request-ids.ts'
import { newKey } from '../support/issuer.ts'
import { rawRequest } from '../support/metrics.ts'
import { startService, until } from '../support/service.ts'

const UUID = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/

t.test('the request id of a trusted gateway is in the response, the problem and the log', async (t) => {
  const { get, lines, url } = await startService(t, { key: newKey('RS256'), environment: { TRUST_PROXY: 'loopback' } })
  const { headers, body } = await get('/api/private', undefined, { 'x-request-id': 'gw-7f3a.1/x=' })
  t.equal(headers.get('x-request-id'), 'gw-7f3a.1/x=')
  t.equal(body.request_id, 'gw-7f3a.1/x=')
  await until(() => lines.some(({ reqId }) => reqId === 'gw-7f3a.1/x='))
  for (const given of ['a b', 'a,b', 'x'.repeat(129), 'a"b', '\u00e9', '']) {
    t.match((await get('/api/public', undefined, { 'x-request-id': given })).headers.get('x-request-id'), UUID, given)
  }
  t.equal((await get('/api/public', undefined, { 'x-request-id': 'x'.repeat(128) })).headers.get('x-request-id'), 'x'.repeat(128))
  t.match(
    await rawRequest(url, 'GET', '/api/public HTTP/1.1\r\nx-request-id: one\r\nx-request-id: two\r\nx-rest:'),
    /x-request-id: [\da-f]{8}-/i,
    'two are none'
  )
  const odd = 'expect: odd\r\ncontent-length: 1\r\nx-rest:'
  const early = await rawRequest(url, 'POST', `/api/messages HTTP/1.1\r\nx-request-id: gw-early\r\n${odd}`)
  t.match(early, /^HTTP\/1.1 417 [^]*x-request-id: gw-early[^]*"request_id":"gw-early"/i, 'also of a request that is refused before Fastify')
  await until(() => lines.some(({ reqId, status }) => reqId === 'gw-early' && status === 417))
})

t.test('anybody else\'s is not read', async (t) => {
  for (const environment of [{}, { TRUST_PROXY: '10.0.0.0/8' }]) {
    const { get } = await startService(t, { key: newKey('RS256'), environment })
    t.match(
      (await get('/api/public', undefined, { 'x-request-id': 'chosen', 'x-forwarded-for': '10.0.0.1' })).headers.get('x-request-id'),
      UUID
    )
  }
  const headers = { 'x-request-id': 'chosen' }
  t.match(requestIds(['loopback'])({ headers, socket: { remoteAddress: undefined } } as never), UUID)
})
