import type { Config } from './config.ts'
import { oneLine } from './options/quote.ts'

/** Why the service cannot start: one sentence for each problem, all at once. */
export class StartError extends Error {
  override readonly name = 'StartError'

  constructor (problems: readonly string[]) {
    super(problems.length === 1 ? problems[0] : `\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
  }
}

/** What to change when the service cannot listen. */
export function listenProblem (error: unknown, { host, port }: Config): string {
  return portProblem(error, 'PORT', port) ?? addressProblem(error, 'HOST', host) ?? sentenceOf(error)
}

/** What to change when the management listener cannot listen. */
export function managementProblem (error: unknown, { managementHost, managementPort = 0 }: Config): string {
  return portProblem(error, 'MANAGEMENT_PORT', managementPort) ?? addressProblem(error, 'MANAGEMENT_HOST', managementHost) ??
    sentenceOf(error)
}

/** What to change when the development issuer cannot start. */
export function issuerProblem (error: unknown, { developmentIssuerPort: port, issuer, audience }: Config): string {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ERR_MODULE_NOT_FOUND') return 'this build has no development issuer. Set ISSUER and AUDIENCE.'
  if (code === 'EADDRINUSE') {
    return `port ${port} is taken, and the development issuer needs it. If a Keycloak with the realm myorg listens there, set ` +
      `ISSUER=${issuer} and AUDIENCE=${String(audience)} (in the environment or in .env). ` +
      'If not, set DEVELOPMENT_ISSUER_PORT to another port, or stop what listens there.'
  }
  return portProblem(error, 'DEVELOPMENT_ISSUER_PORT', port) ?? sentenceOf(error)
}

/** For a terminal: settings, names of files, or the realm file may be quoted in it. */
export function sentenceOf (error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n').map(oneLine).join('\n')
}

function portProblem (error: unknown, variable: string, port: number): string | undefined {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') {
    return `port ${port} is taken. Set ${variable} to another port (in the environment or in .env), or stop what listens there.`
  }
  if (code === 'EACCES') return `port ${port} requires rights that this process does not have. Set ${variable} to a port above 1023.`
  return undefined
}

/** The codes of a name that does not resolve, and of an address that another machine has or that is of no kind in use here. */
const NOT_HERE = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL', 'ENOTFOUND', 'EAI_AGAIN', 'ENODATA'])

function addressProblem (error: unknown, variable: string, host: string): string | undefined {
  const { code = '' } = error as NodeJS.ErrnoException
  return NOT_HERE.has(code)
    ? `${variable}=${host} is not an address of this machine. Set ${variable} to localhost, 0.0.0.0 or one of its addresses.`
    : undefined
}
