import { existsSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseRealm } from '../issuer/development-issuer.ts'

/** Why Keycloak is not there: one sentence for a person, and where it helps what another program said. */
export class KeycloakFault extends Error {
  override readonly name = 'KeycloakFault'

  constructor (sentence: string, said: readonly string[] = []) {
    super([sentence, ...said.map((line) => `  ${line}`)].join('\n'))
  }
}

/** The folder with package.json and keycloak/: two levels up from the source, three from what is built of it. */
export function projectFolder (): string {
  const place = ['../../', '../../../'].map((up) => new URL(up, import.meta.url)).find((url) => existsSync(new URL('package.json', url)))
  if (place === undefined) throw new KeycloakFault('The folder of the project cannot be found.')
  return dirname(fileURLToPath(new URL('package.json', place)))
}

/** What of a realm file is needed here. */
export interface RealmFile {
  readonly name: string
  readonly clientIds: readonly string[]
}

/** Read as the development issuer would: what neither can use is told before half a minute is spent. The rest is Keycloak's to judge. */
export function readRealmFile (path: string): RealmFile {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read'
    throw new KeycloakFault(`The realm file ${path} ${reason}: ${(error as Error).message}`)
  }
  try {
    const { realm, clients = [] } = parseRealm(content)
    return { name: realm, clientIds: clients.map(({ clientId }) => clientId) }
  } catch (error) {
    throw new KeycloakFault(`The realm file ${path}: ${(error as Error).message}`)
  }
}

/** Keycloak itself notices a taken port only at the end of its start. */
export async function checkPort (port: number): Promise<void> {
  for (const host of ['127.0.0.1', '::1']) {
    if (await answers(port, host)) throw taken(port)
  }
  const code = await listenFault(port)
  if (code === 'EADDRINUSE') throw taken(port)
  if (code === 'EACCES') throw new KeycloakFault(`Port ${port} needs rights that this process does not have. Choose one above 1023, for example 8081: npm run keycloak -- --port 8081`)
  if (code !== undefined) throw new KeycloakFault(`Port ${port} cannot be used (${code}).`)
}

function taken (port: number): KeycloakFault {
  return new KeycloakFault(`Port ${port} is taken. End what listens there (another Keycloak, or an \`npm start\` with its development issuer), or choose another: npm run keycloak -- --port ${port + 1}`)
}

function answers (port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 1_000 })
    const done = (answer: boolean): void => { socket.destroy(); resolve(answer) }
    socket.on('connect', () => done(true)).on('timeout', () => done(false)).on('error', () => done(false))
  })
}

function listenFault (port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'no code'))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)))
  })
}
