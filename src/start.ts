import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { LIMITS } from '../plugins/limited-server.ts'
import { NAME, VERSION } from './about.ts'
import { buildApp } from './app.ts'
import { loadConfig, readSources, type Config } from './config.ts'
import { prepareDevelopment, type Development } from './development.ts'
import { createLog, type Log } from './log.ts'
import { closeOnSignal } from './shutdown.ts'
import { issuerProblem, listenProblem, managementProblem, sentenceOf, StartError } from './start-error.ts'

async function start (): Promise<void> {
  const sources = readSources()
  const configured = loadConfig(sources.variables, sources)
  const prepared = await prepareDevelopment(configured).catch(notPrepared(configured))
  const log = await createLog(configured, process.stdout.isTTY)
  // The issuer first: the service fetches its keys at once.
  const [issuer] = await Promise.allSettled([prepared?.start((sentence) => log.logger.warn(sentence))])
  const development = issuer.status === 'fulfilled' ? issuer.value : undefined
  const config = withIssuer(configured, development)
  const pages = config.production ? undefined : { client: development?.client }
  const { logger, writeLine, dropped: droppedLines } = log
  const app = await buildApp(config, { logger, writeLine, droppedLines, pages }).catch(closing(development))
  // Also when the issuer could not start: all problems are reported at once.
  const [api, management] = await Promise.allSettled([
    app.listen({
      host: config.host, port: config.port, backlog: LIMITS.backlog, listenTextResolver: (address) => `listening on ${address}`
    }),
    startManagement(app, config, log)
  ])
  if (issuer.status === 'rejected' || api.status === 'rejected' || management.status === 'rejected') {
    await app.close()
    if (management.status === 'fulfilled') await management.value?.close()
    await development?.close()
    throw new StartError([
      ...issuer.status === 'rejected' ? [issuerProblem(issuer.reason, config)] : [],
      ...api.status === 'rejected' ? [listenProblem(api.reason, config)] : [],
      ...management.status === 'rejected' ? [managementProblem(management.reason, config)] : []
    ])
  }
  for (const warning of config.warnings) log.logger.warn(warning)
  const issuers = config.issuers.map(({ issuer, audience }) => ({ issuer, audience }))
  log.logger.info({ version: VERSION, node: process.version, issuers },
    `${NAME} ${VERSION} on Node.js ${process.version} accepts access tokens of ${config.issuers.map(({ issuer }) => issuer).join(', ')}`)
  if (!config.production) process.stdout.write(greeting(addressOf(app, config), config, development, prepared?.missingScopes))
  const closeLast = async (): Promise<void> => { await Promise.all([development?.close(), management.value?.close()]) }
  closeOnSignal({ app, closeLast, log, drain: config.production })
}

/** The second listener, where MANAGEMENT_PORT is set. Closed after the service, so that a drain can be watched. */
async function startManagement (app: FastifyInstance, config: Config, { logger }: Log): Promise<FastifyInstance | undefined> {
  const { managementPort: port, managementHost: host } = config
  if (port === undefined) return undefined
  const management = await import('./management.ts').then(({ buildManagement }) => buildManagement(app))
  await management.listen({ host, port, backlog: LIMITS.backlog })
  for (const address of management.addresses() as AddressInfo[]) logger.info(`metrics and health listen on ${placeOf(address)}`)
  return management
}

function notPrepared (config: Config): (error: unknown) => never {
  return (error) => { throw new StartError([issuerProblem(error, config)]) }
}

/** The address of the development issuer is known once it listens: its port may be 0, any free one. */
function withIssuer (config: Config, development: Development | undefined): Config {
  if (development === undefined) return config
  const found = { issuer: development.issuer, jwksUrl: development.jwksUrl }
  return { ...config, ...found, issuers: config.issuers.map((one) => ({ ...one, ...found })) }
}

function closing (development: Development | undefined): (error: unknown) => Promise<never> {
  return async (error) => {
    await development?.close()
    throw error
  }
}

const EVERY_ADDRESS: readonly string[] = ['0.0.0.0', '::']

/** Where it was bound, as it requires no token. What Fastify returns for 0.0.0.0 is the first address of the machine, 127.0.0.1. */
function placeOf (bound: AddressInfo): string {
  return `http://${authorityOf(bound)}${EVERY_ADDRESS.includes(bound.address) ? ', every address of this machine' : ''}`
}

/** As a person would type it: what listens on every address is reached at localhost too. */
function addressOf (app: FastifyInstance, { tls }: Config): string {
  const scheme = tls === undefined ? 'http' : 'https'
  const bound = app.server.address()
  if (bound === null || typeof bound === 'string') return String(bound)
  const isHere = ['127.0.0.1', '::1', ...EVERY_ADDRESS].includes(bound.address)
  return `${scheme}://${isHere ? `localhost:${bound.port}` : authorityOf(bound)}`
}

function authorityOf ({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`
}

function acceptedBy ({ issuers }: Config): string {
  return issuers.map(({ issuer, audience }) => `${issuer} made for ${audience === 'any' ? 'any API' : audience.join(' or ')}`)
    .join(', and of ')
}

function greeting (api: string, config: Config, development: Development | undefined, missingScopes: readonly string[] = []): string {
  const program = `${NAME} ${VERSION} on Node.js ${process.version}`
  if (development === undefined) return `\n${program} listens on ${api} and accepts tokens of ${acceptedBy(config)}. Ctrl-C ends it.\n\n`
  return `
${program} is up. Ctrl-C ends it.

  API                 ${api}
  Development issuer  ${config.issuer}
                      For development only: it has the secrets of keycloak/myorg-realm.json, which everybody knows.
                      With ISSUER and AUDIENCE set (environment or .env) it is not started.
  In the browser      ${api}/docs to try the API, ${api}/docs/access for who may call what and the last refusals

Get a token, then call the API with it:

${development.commands(api)}
${missingScopes.map((lines) => `\n${lines}\n`).join('')}
`
}

/** The service as a process: it ends with a signal, or at once with a sentence that says why it cannot start. */
export async function startProcess (): Promise<void> {
  await start().catch((error: unknown) => {
    process.stderr.write(`${NAME} cannot start: ${sentenceOf(error)}\n`)
    process.exit(1)
  })
}
