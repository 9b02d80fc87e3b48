import { existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Why Keycloak is not there: one sentence for a person, and where it helps what another program said. */
export class KeycloakError extends Error {
  override readonly name = 'KeycloakError'

  constructor (sentence: string, said: readonly string[] = []) {
    super([sentence, ...said.map((line) => `  ${line}`)].join('\n'))
  }
}

/** The folder with package.json and keycloak/: two levels up from the source, three from what is built of it. */
export function projectFolder (): string {
  const place = ['../../', '../../../'].map((up) => new URL(up, import.meta.url)).find((url) => existsSync(new URL('package.json', url)))
  if (place === undefined) throw new KeycloakError('The folder of the project cannot be found.')
  return dirname(fileURLToPath(new URL('package.json', place)))
}

/** Keycloak itself notices a taken port only at the end of its start. */
export async function checkPort (port: number): Promise<void> {
  for (const host of ['127.0.0.1', '::1']) {
    if (await responds(port, host)) throw taken(port)
  }
  const code = await listenError(port)
  if (code === 'EADDRINUSE') throw taken(port)
  if (code === 'EACCES') {
    throw new KeycloakError(
      `Port ${port} needs rights that this process does not have. Choose one above 1023, for example 8081: npm run keycloak -- --port 8081`
    )
  }
  if (code !== undefined) throw new KeycloakError(`Port ${port} cannot be used (${code}).`)
}

function taken (port: number): KeycloakError {
  return new KeycloakError(
    `Port ${port} is taken. End what listens there (another Keycloak, or an \`npm start\` with its development issuer), ` +
    `or choose another: npm run keycloak -- --port ${port + 1}`
  )
}

function responds (port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 1_000 })
    const done = (open: boolean): void => { socket.destroy(); resolve(open) }
    socket.on('connect', () => done(true)).on('timeout', () => done(false)).on('error', () => done(false))
  })
}

function listenError (port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'no code'))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)))
  })
}
