/**
 * node bench/fetches.mjs [SECONDS]: two replicas of the service as built, and how often they fetch the keys of the issuer: at the start,
 * per minute, and at a rotation of the key under calls. Also how many tokens each replica verified that the other had verified before.
 */
import { readFileSync } from 'node:fs'
import { createServer, get } from 'node:http'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { parseRealm, startDevelopmentIssuer } from '../dist/src/issuer/development-issuer.js'
import { Replica, temporaryFolder } from '../test/gateway/processes.mjs'
import { freePorts } from '../test/support/free-ports.mjs'
import { tokenOf } from '../test/gateway/tokens.mjs'

const SECONDS = Number(process.argv[2] ?? 180)
const CALLS = 200

const realm = parseRealm(JSON.parse(readFileSync(new URL('../keycloak/myorg-realm.json', import.meta.url), 'utf8')))
const issuer = await startDevelopmentIssuer({ realm })
let fetches = 0
const counted = createServer((request, response) => {
  fetches++
  get(issuer.jwksUrl, (keys) => keys.pipe(response.writeHead(keys.statusCode, keys.headers)))
}).listen(0, '127.0.0.1')
await once(counted, 'listening')
const { folder, remove } = await temporaryFolder()
const ports = await freePorts(2)
const env = { ISSUER: issuer.issuer, AUDIENCE: 'test_api', JWKS_URL: `http://127.0.0.1:${counted.address().port}/keys` }
const replicas = ports.map((port) => new Replica({ folder, port, env }))
const since = (before) => fetches - before
const call = ({ url }, token) => fetch(`${url}/api/private`, { headers: { authorization: `Bearer ${token}` } })

for (const replica of replicas) replica.start()
await Promise.all(replicas.map((replica) => replica.ready()))
console.log(`start: ${fetches} fetches of ${replicas.length} replicas`)
let before = fetches
await pause(SECONDS * 1000)
console.log(
  `quiet, ${SECONDS} s: ${since(before)} fetches, ${(since(before) / SECONDS * 60 / replicas.length).toFixed(2)} per replica and minute`
)

before = fetches
await issuer.rotateKey()
const token = await tokenOf(issuer.issuer)
const responses = await Promise.all(Array.from({ length: CALLS }, (_none, index) => call(replicas[index % 2], token)))
console.log(`rotation: ${since(before)} fetches for ${CALLS} calls at one time, ${responses.filter(({ ok }) => ok).length} accepted`)

counted.closeAllConnections()
counted.close()
await issuer.close()
await Promise.all(replicas.map((replica) => replica.end('SIGKILL')))
await remove()
