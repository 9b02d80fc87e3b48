/** A process of its own: bad signatures at a constant rate, whatever becomes of them. Told what to do, and when to end, by its parent. */
import { randomUUID } from 'node:crypto'
import { claimsOf, forgedToken } from '../issuer.mjs'
import { Connections, openLoop } from './connections.mjs'
import { requestOf, sourceOf } from './requests.mjs'

const MOST_CONNECTIONS = 2_000

process.once('message', ({ port, key, issuer, attack, perSecond, forwarded }) => {
  const statuses = {}
  let unsent = 0
  const connections = new Connections(port, MOST_CONNECTIONS)
  const stop = openLoop(perSecond, (n) => {
    const source = sourceOf(attack.addresses, n)
    const client = attack.client === 'random' ? `client-${randomUUID()}` : attack.client
    const token = forgedToken(key.kid, { ...claimsOf(issuer), azp: client, client_id: client }, key.alg)
    const request = requestOf(token, forwarded ? source : undefined)
    const sent = connections.send(forwarded ? '127.0.0.1' : source, request, (status = 'ended') => {
      statuses[status] = (statuses[status] ?? 0) + 1
    })
    if (!sent) unsent++
  })
  process.once('message', () => {
    stop()
    connections.close()
    process.send({ statuses, unsent }, () => process.exit())
  })
})
