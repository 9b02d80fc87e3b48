import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.ts'
import { DEVELOPMENT_ISSUER, loadConfig, readEnvironment, type Config } from './config.ts'
import { createLog, type Log } from './log.ts'

/** How long the service goes on serving after SIGTERM, so that gateways notice that it is not ready any more. */
const DRAIN_MS = 5_000
/** From the signal on: whatever is still open is cut, and the process ends. */
const HARD_END_MS = 20_000
/** For the last lines of the log, where nobody reads them. */
const LAST_LINES_MS = 2_000

async function start (): Promise<void> {
  const config = loadConfig(readEnvironment())
  const log = await createLog(config, process.stdout.isTTY)
  const app = await buildApp(config, { logger: log.logger })
  // The issuer first: the service asks for its keys at once. Both, even when one fails: all faults are told together.
  const [issuer] = await Promise.allSettled([startIssuer(config)])
  const [api] = await Promise.allSettled([app.listen({ host: config.host, port: config.port, listenTextResolver: (address) => `listening on ${address}` })])
  if (issuer.status === 'rejected' || api.status === 'rejected') {
    if (issuer.status === 'fulfilled') await issuer.value?.close()
    await app.close()
    throw new StartError([issuer, api].flatMap((outcome, at) =>
      outcome.status === 'rejected' ? [listenFault(outcome.reason, at === 0 ? DEVELOPMENT_ISSUER.port : config.port, at === 0, config)] : []))
  }
  for (const warning of config.warnings) log.logger.warn(warning)
  log.logger.info({ issuer: config.issuer, audience: config.audience }, 'access tokens of this issuer are let in')
  if (!config.production) process.stdout.write(greeting(addressOf(app), config, issuer.value))
  endWithGrace(app, issuer.value, log, config)
}

/** Never imported in production: there the configuration names an issuer. */
async function startIssuer (config: Config): Promise<Development | undefined> {
  if (!config.developmentIssuer) return undefined
  const { startDevelopmentIssuer, projectRealmFile, readRealmFile, firstCall } = await import('./issuer/development-issuer.ts')
  const realm = readRealmFile(projectRealmFile())
  const issuer = await startDevelopmentIssuer({ realm, port: DEVELOPMENT_ISSUER.port })
  return { close: issuer.close, commands: (api) => firstCall(realm, issuer.issuer, api) }
}

interface Development {
  readonly close: () => Promise<void>
  /** What a newcomer may paste. */
  readonly commands: (api: string) => string
}

class StartError extends Error {
  constructor (faults: readonly string[]) {
    super(faults.length === 1 ? faults[0] : `\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
  }
}

function listenFault (reason: unknown, port: number, isIssuer: boolean, { host }: Config): string {
  const { code, message } = reason as NodeJS.ErrnoException
  if (code === 'EADDRINUSE' && isIssuer) {
    return `port ${port} is taken, and the development issuer needs it. If that is a Keycloak with the realm myorg, set ISSUER=${DEVELOPMENT_ISSUER.issuer} and AUDIENCE=${DEVELOPMENT_ISSUER.audience} (in the environment or in .env); if not, stop what listens there.`
  }
  if (code === 'ERR_MODULE_NOT_FOUND') return 'this build has no development issuer. Set ISSUER and AUDIENCE.'
  if (code === 'EADDRINUSE') return `port ${port} is taken. Set PORT to another one (in the environment or in .env), or stop what listens there.`
  if (code === 'EACCES') return `port ${port} needs rights that this process does not have. Set PORT to one above 1023.`
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `HOST=${host} is no address of this machine. Set HOST to localhost, 0.0.0.0 or one of its addresses.`
  return message
}

function sentenceOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** As a person would type it: what listens on every address is reached at localhost too. */
function addressOf (app: FastifyInstance): string {
  const address = app.server.address()
  if (address === null || typeof address === 'string') return String(address)
  if (['127.0.0.1', '::1', '0.0.0.0', '::'].includes(address.address)) return `http://localhost:${address.port}`
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}

function greeting (api: string, { issuer, audience }: Config, development: Development | undefined): string {
  const names = audience === 'any' ? 'any API' : audience.join(' or ')
  if (development === undefined) return `\nScopegate listens on ${api} and lets in tokens of ${issuer} made for ${names}. Ctrl-C ends it.\n\n`
  return `
Scopegate is up. Ctrl-C ends it.

  API                 ${api}
  Development issuer  ${issuer}
                      For development only: it has the secrets of keycloak/myorg-realm.json, which everybody knows.
                      With ISSUER and AUDIENCE set (environment or .env) it is not started.

Ask for a token, then call the API with it:

${development.commands(api)}

`
}

/**
 * First signal: not ready any more, but still serving while gateways take notice (production, SIGTERM only), then closed in order.
 * Connections that are still open after HARD_END_MS are cut. A second signal ends the process at once.
 */
function endWithGrace (app: FastifyInstance, issuer: Development | undefined, { logger, flush }: Log, { production }: Config): void {
  closeWithGrace({ delay: HARD_END_MS + 5_000, logger: false, onSecondSignal: endIfTerminalIsGone }, async ({ err, signal }) => {
    if (err !== undefined) logger.fatal({ err }, 'the process ends by an unexpected error')
    else logger.info({ signal }, 'the process ends')
    app.beginDrain()
    const hardEnd = setTimeout(() => app.server.closeAllConnections(), HARD_END_MS)
    if (production && signal === 'SIGTERM') await new Promise((resolve) => setTimeout(resolve, DRAIN_MS))
    // A request that was under way when the server began to close leaves its connection open behind it.
    const idle = setInterval(() => app.server.closeIdleConnections(), 100)
    await app.close()
    clearTimeout(hardEnd)
    clearInterval(idle)
    await issuer?.close()
    await Promise.race([flush(), new Promise((resolve) => setTimeout(resolve, LAST_LINES_MS))])
    endIfTerminalIsGone(signal)
  })
}

/** A Node that ends after its terminal was closed hangs in resetting that terminal, with a full core (seen with 20.20). */
function endIfTerminalIsGone (signal: string | undefined): void {
  if (signal === 'SIGHUP') process.kill(process.pid, 'SIGKILL')
}

await start().catch((error: unknown) => {
  process.stderr.write(`Scopegate cannot start: ${sentenceOf(error)}\n`)
  process.exit(1)
})
