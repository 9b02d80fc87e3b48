import { forgedToken } from '../issuer.mjs'
import { tokenOf } from './issuer.mjs'

/**
 * Requests with the one response that is right: `status`, and what `isRight` says of its body. `kid`: which key's token is sent, where it
 * matters: the `current` one, or one that was `withdrawn`.
 */
const message = (text) => (body) => JSON.parse(body).message === text
const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } })
const get = (path, init) => ({ api }) => fetch(`${api}${path}`, init)
const withToken = (claims, path = '/api/private') => ({ api, issuer, state }) =>
  fetch(`${api}${path}`, bearer(tokenOf(state.key, issuer, { client: 'cold', ...claims })))
const seconds = () => Math.floor(Date.now() / 1000)

let posted = 0

export const GOOD = [
  { name: 'public', status: 200, send: get('/api/public'), isRight: message('No need of Authorization to see this') },
  {
    name: 'client: private', status: 200, kid: 'current', send: ({ client }) => client.fetch('/api/private'),
    isRight: message('Authorization is required to see this')
  },
  {
    name: 'client: post', status: 201, kid: 'current',
    send: (context) => client(context, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text: `message ${++posted} of ${context.clientId}` })
    }),
    isRight: (body, { clientId }) => JSON.parse(body).from === clientId && JSON.parse(body).text.endsWith(` of ${clientId}`)
  },
  {
    name: 'first use: private', status: 200, kid: 'current', send: withToken({}), isRight: message('Authorization is required to see this')
  }
]

const client = ({ client }, init) => client.fetch('/api/messages', init)

const problem = (body) => JSON.parse(body).request_id !== undefined

export const BAD = [
  { name: 'no token', status: 401, send: get('/api/private'), isRight: problem },
  {
    name: 'expired',
    status: 401,
    send: ({ api, issuer, state }) =>
      fetch(`${api}/api/private`, bearer(tokenOf(state.key, issuer, { client: 'bad', exp: seconds() - 60 }))),
    isRight: problem
  },
  { name: 'another audience', status: 401, send: withToken({ aud: 'other' }), isRight: problem },
  { name: 'another issuer', status: 401, send: withToken({ iss: 'https://other.example/realms/myorg' }), isRight: problem },
  {
    name: 'a forged signature',
    status: 401,
    send: ({ api, issuer, state }) => fetch(`${api}/api/private`, bearer(forgedToken(state.key.kid, claimsLike(issuer)))),
    isRight: problem
  },
  { name: 'not a token', status: 401, send: get('/api/private', bearer('nonsense')), isRight: problem },
  { name: 'no scope', status: 403, kid: 'current', send: withToken({}, '/api/private-scoped'), isRight: problem },
  { name: 'no such path', status: 404, send: get('/api/nowhere'), isRight: problem },
  { name: 'a method that the path does not have', status: 405, send: get('/api/public', { method: 'DELETE' }), isRight: problem },
  {
    name: 'a body that is not valid', status: 400, kid: 'current', isRight: problem,
    send: (context) => client(context, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"text":""}' })
  },
  {
    name: 'a token of a withdrawn key', status: 401, kid: 'withdrawn', isPossible: isWithdrawnSent, isRight: problem,
    send: ({ api, issuer, state }) => fetch(`${api}/api/private`, bearer(tokenOf(state.withdrawn, issuer, { client: 'withdrawn' })))
  }
]

/** They use up the budget for unknown key ids: it is full again at the next rotation, whose key is then learned with its first token. */
function isWithdrawnSent ({ state: { withdrawn, rotatedMs } }) {
  const sinceMs = performance.now() - rotatedMs
  return withdrawn !== undefined && sinceMs > 15_000 && sinceMs < 45_000
}

function claimsLike (issuer) {
  return {
    exp: seconds() + 60, iat: seconds() - 1, iss: issuer, aud: 'test_api', sub: 's', typ: 'Bearer', azp: 'forger', client_id: 'forger'
  }
}
