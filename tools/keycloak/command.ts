import { parseArgs } from 'node:util'
import { ConfigError } from '../../src/config.ts'
import { firstCall, RealmFileError } from '../../src/issuer/development-issuer.ts'
import { KeycloakError } from './checks.ts'
import { keycloakVersion } from './distribution.ts'
import { reporting } from './progress.ts'
import { DEMO_ADMIN, startKeycloak, type Keycloak, type KeycloakOptions } from './server.ts'

interface Sink { readonly write: (text: string) => unknown, readonly isTTY?: boolean, readonly columns?: number }

const help = (): string => `Starts Keycloak ${keycloakVersion()} on this machine with the realm of the demo, for trying out. Ctrl-C ends it.

Usage: npm run keycloak [-- options]

  --port 8081        where it listens: 8080
  --realm-file FILE  the realm that it imports: keycloak/myorg-realm.json
  --folder DIR       where its distribution is kept between starts: .keycloak
  --wait 300         how many seconds its start may take: 180
  --log              shows all that Keycloak prints
  --help             this text

The variable KEYCLOAK_VERSION chooses another version, for example 26.4.7.

It runs in Docker where an engine is running; else on Java 17 or later, from the distribution that Maven fetches the first time
(176 MB). Its database is in memory: every start is a fresh realm. The administrator is ${DEMO_ADMIN.username}, \
password ${DEMO_ADMIN.password}.
`

/**
 * Runs Keycloak until the signal says so; the exit code. 0: ended on request, at whatever time; 1: a sentence on `err` gives the
 * reason.
 */
export async function main (args: readonly string[], out: Sink, err: Sink, signal: AbortSignal): Promise<number> {
  try {
    const { print, say, move } = reporting(out)
    const options = readOptions(args, print)
    if (options === undefined) {
      out.write(help())
      return 0
    }
    return await keep(await startKeycloak({ ...options, signal, say, move }), out, err, signal)
  } catch (error) {
    if (signal.aborted) return 0
    if (!(error instanceof KeycloakError || error instanceof RealmFileError || error instanceof ConfigError)) throw error
    err.write(`${error.message}\n`)
    return 1
  }
}

function readOptions (args: readonly string[], print: (line: string) => void): KeycloakOptions | undefined {
  const given = parsed(args)
  if (given.help === true) return undefined
  const port = wholeNumber('--port', given.port, 65_535)
  const deadlineSeconds = wholeNumber('--wait', given.wait, 86_400)
  return {
    ...port !== undefined && { port },
    ...deadlineSeconds !== undefined && { deadlineSeconds },
    ...given['realm-file'] !== undefined && { realmFile: given['realm-file'] },
    ...given.folder !== undefined && { folder: given.folder },
    ...given.log === true && { log: print }
  }
}

interface Given {
  readonly help?: boolean
  readonly log?: boolean
  readonly port?: string
  readonly wait?: string
  readonly folder?: string
  readonly 'realm-file'?: string
}

function parsed (args: readonly string[]): Given {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...args], options: { help: flag, log: flag, port: text, wait: text, folder: text, 'realm-file': text }
    }).values
  } catch (error) {
    throw new KeycloakError(`${(error as Error).message.split('. ')[0] ?? ''}; npm run keycloak -- --help lists the options.`)
  }
}

function wholeNumber (name: string, text: string | undefined, maximum: number): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,6}$/.test(text) || Number(text) < 1 || Number(text) > maximum) {
    throw new KeycloakError(`${name} takes a whole number from 1 to ${maximum}, not ${JSON.stringify(text)}.`)
  }
  return Number(text)
}

async function keep (keycloak: Keycloak, out: Sink, err: Sink, signal: AbortSignal): Promise<number> {
  out.write(greeting(keycloak))
  const requested = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }))
  const lastLines = signal.aborted ? undefined : await Promise.race([requested, keycloak.ended])
  await keycloak.stop()
  if (lastLines === undefined || signal.aborted) {
    out.write('Keycloak has ended.\n')
    return 0
  }
  err.write(`Keycloak exited. Its last lines:\n${lastLines.slice(-5).map((line) => `  ${line}\n`).join('')}`)
  return 1
}

function greeting (keycloak: Keycloak): string {
  const { url, issuer, realm } = keycloak
  const isDemo = realm.clients?.some(({ clientId }) => clientId === 'test_api') === true
  const audience = isDemo ? 'test_api' : 'NAME_OF_YOUR_API'
  return `
Keycloak ${keycloakVersion()} is up, for trying out only. Ctrl-C ends it, and its realm is forgotten.

  Issuer         ${issuer}
  Admin console  ${url}/admin   (${DEMO_ADMIN.username}, password ${DEMO_ADMIN.password})

In a second terminal start the API with these settings:

  ISSUER=${issuer} AUDIENCE=${audience} npm start

  Windows      set "ISSUER=${issuer}"& set "AUDIENCE=${audience}"& npm start
  PowerShell   $env:ISSUER='${issuer}'; $env:AUDIENCE='${audience}'; npm start
  or in .env   ISSUER=${issuer}
               AUDIENCE=${audience}
${isDemo ? calls(keycloak) : ''}
`
}

function calls ({ url, issuer, realm }: Keycloak): string {
  const client = url.endsWith(':8080') ? 'npm run client' : `ISSUER=${issuer} npm run client`
  return `
In a third terminal call it, with the client of this project or with curl:

  ${client}

${firstCall(realm, issuer, 'http://localhost:50100')}
`
}
