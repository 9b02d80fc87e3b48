import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { projectRealmFile, readRealmFile, type Realm } from '../../src/issuer/development-issuer.ts'
import { checkPort, KeycloakError, projectFolder } from './checks.ts'
import { checkJava, distribution, hasDocker, keycloakVersion } from './distribution.ts'
import { claimPort } from './port-claim.ts'
import { whileUnderWay, type Reporting } from './progress.ts'
import { launch, run, type Ending, type Running } from './process.ts'

/** The administrator of every Keycloak that is started here: for trying out, on this machine, everybody knows it. */
export const DEMO_ADMIN = { username: 'admin', password: 'admin' } as const

export interface KeycloakOptions {
  readonly port?: number
  /** As Keycloak imports and exports it; that of the demo by default. */
  readonly realmFile?: string
  /** Where the distribution is kept between starts; `.keycloak/` of the project by default. */
  readonly folder?: string
  /** How long it may take from its start to its first response; the time for downloads does not count. */
  readonly deadlineSeconds?: number
  /** Hears of the progress: one line at a time. */
  readonly say?: (line: string) => void
  /** On a terminal: a line that the next one is written over; undefined ends it. */
  readonly move?: Reporting['move']
  /** Hears every line that Keycloak prints. */
  readonly log?: (line: string) => void
  /** Ends it at any time, also in the middle of the start, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Https beside http, where it runs on Java: certificates of callers are requested (RFC 8705). */
  readonly https?: HttpsOptions
}

/** PEM files: the certificate of Keycloak, its key, and the authorities of the callers' certificates. */
export interface HttpsOptions {
  readonly port: number
  readonly certFile: string
  readonly keyFile: string
  readonly authoritiesFile: string
}

export interface Keycloak {
  readonly url: string
  /** Undefined: there is http only. */
  readonly httpsUrl: string | undefined
  readonly issuer: string
  readonly realm: Realm
  readonly engine: 'docker' | 'java'
  /** Resolves when it has ended, on request or not; with its last lines. */
  readonly ended: Promise<readonly string[]>
  /** Nothing of it is left when this resolves. */
  readonly stop: () => Promise<void>
}

type Settings = Required<Omit<KeycloakOptions, 'signal' | 'log' | 'move' | 'https'>> &
  Pick<KeycloakOptions, 'signal' | 'log' | 'move' | 'https'>

const imageName = (): string => `quay.io/keycloak/keycloak:${keycloakVersion()}`

/**
 * A Keycloak in development mode at http://localhost:PORT with the realm of a file, in a Docker container where an engine
 * responds, else on Java from the distribution that Maven fetches. Its database is in memory: every start is a fresh realm.
 * Rejects with a KeycloakError, one sentence for a person, and leaves nothing running. Two at once need two ports and the
 * same realm file.
 */
export async function startKeycloak (options: KeycloakOptions = {}): Promise<Keycloak> {
  const root = projectFolder()
  const settings: Settings = {
    port: 8080, realmFile: projectRealmFile(), folder: join(root, '.keycloak'), deadlineSeconds: 180, say: () => undefined, ...options
  }
  const realm = readRealmFile(settings.realmFile)
  const url = `http://localhost:${settings.port}`
  const issuer = `${url}/realms/${encodeURIComponent(realm.realm)}`
  const release = await claimPort(settings.port, issuer, async () => await statusOf(issuer) === 200)
  try {
    return await startOn(settings, realm, url, issuer, release)
  } catch (error) {
    release()
    throw error
  }
}

async function startOn (settings: Settings, realm: Realm, url: string, issuer: string, release: () => void): Promise<Keycloak> {
  await checkPort(settings.port)
  const engine = await hasDocker(settings.signal) ? 'docker' : 'java'
  const running = engine === 'docker' ? await inDocker(settings) : await onJava(settings, realm)
  void running.ended.then(release)
  try {
    await untilReady(running, issuer, settings)
  } catch (error) {
    await running.stop()
    throw error
  }
  const httpsUrl = engine === 'java' && settings.https !== undefined ? `https://localhost:${settings.https.port}` : undefined
  return { url, httpsUrl, issuer, realm, engine, ended: running.ended.then(({ lines }) => lines), stop: running.stop }
}

const ENVIRONMENT = { KC_BOOTSTRAP_ADMIN_USERNAME: DEMO_ADMIN.username, KC_BOOTSTRAP_ADMIN_PASSWORD: DEMO_ADMIN.password }

async function onJava (settings: Settings, realm: Realm): Promise<Running> {
  await checkJava(settings.signal)
  settings.say('no Docker engine responds: starting on Java')
  const home = await distribution(settings)
  const imported = join(home, 'data', 'import')
  rmSync(imported, { recursive: true, force: true })
  mkdirSync(imported, { recursive: true })
  copyFileSync(settings.realmFile, join(imported, `${encodeURIComponent(realm.realm)}-realm.json`))
  const script = join(home, 'bin', process.platform === 'win32' ? 'kc.bat' : 'kc.sh')
  // Database and client certificates are build options: always the same, or the next start builds anew. C1 alone starts twice as fast.
  const built = ['--db=dev-mem', '--https-client-auth=request']
  return launch(script, ['start-dev', '--import-realm', ...built, `--http-port=${settings.port}`, ...httpsArguments(settings.https)], {
    environment: { ...ENVIRONMENT, JAVA_OPTS_APPEND: '-XX:TieredStopAtLevel=1' }, onLine: listener(settings), signal: settings.signal
  })
}

function httpsArguments (https: HttpsOptions | undefined): readonly string[] {
  if (https === undefined) return []
  const { port, certFile, keyFile, authoritiesFile } = https
  return [
    `--https-port=${port}`,
    `--https-certificate-file=${certFile}`,
    `--https-certificate-key-file=${keyFile}`,
    `--truststore-paths=${authoritiesFile}`
  ]
}

async function inDocker (settings: Settings): Promise<Running> {
  const { port, realmFile, signal, say } = settings
  const image = imageName()
  say('in Docker')
  if ((await run('docker', ['image', 'inspect', image], { signal })).code !== 0) {
    say(`fetching the image ${image} …`)
    const { code, lines } = await whileUnderWay(run('docker', ['pull', '--quiet', image], { signal }), 'fetching the image', settings)
    if (code !== 0) throw new KeycloakError(`Docker could not fetch ${image}:`, lines.slice(-3))
  }
  const environment = Object.entries(ENVIRONMENT).flatMap(([name, value]) => ['-e', `${name}=${value}`])
  const mount = `type=bind,source=${resolve(realmFile)},target=/opt/keycloak/data/import/realm.json,readonly`
  const name = `scopegate-keycloak-${port}`
  const running = launch('docker', [
    'run', '--rm', '--name', name, '-p', `127.0.0.1:${port}:8080`, ...environment, '--mount', mount, image, 'start-dev', '--import-realm'
  ], {
    onLine: listener(settings), signal
  })
  const stop = async (): Promise<void> => {
    await running.stop()
    // The client is gone; the container, should it not have heard of it, is not.
    await run('docker', ['rm', '--force', name], { timeoutMs: 10_000 })
  }
  return { ...running, stop }
}

/** Of what Keycloak prints while it starts, a person should see what it did not like in the realm file. */
function listener ({ say, log }: Settings): (line: string) => void {
  return (line) => {
    log?.(line)
    const [, complaint] = /WARN +\[[\w.]*RepresentationToModel\] \([^)]*\) (.*)/.exec(line) ?? []
    if (complaint !== undefined) say(`Keycloak on the realm file: ${complaint}`)
  }
}

async function untilReady (running: Running, issuer: string, settings: Settings): Promise<void> {
  settings.say('starting it; the first start builds it, and takes half a minute, later ones about half of that …')
  const started = performance.now()
  await whileUnderWay(responding(running, issuer, settings), 'starting', settings)
  settings.say(`ready after ${Math.floor((performance.now() - started) / 1000)} s`)
}

async function responding (running: Running, issuer: string, { deadlineSeconds, signal }: Settings): Promise<void> {
  const started = performance.now()
  let ending: Ending | undefined
  void running.ended.then((ended) => { ending = ended })
  for (;;) {
    signal?.throwIfAborted()
    if (ending !== undefined) throw new KeycloakError('Keycloak ended before it was ready. It said:', complaints(ending.lines))
    const status = await statusOf(issuer)
    if (status === 200) return
    if (status === 404) {
      throw new KeycloakError(
        `Keycloak is running, but without the realm: ${issuer} responds with 404. Its log:`,
        complaints(running.lines)
      )
    }
    if (performance.now() - started >= deadlineSeconds * 1000) {
      throw new KeycloakError(
        `Keycloak did not respond at ${issuer} within ${deadlineSeconds} s and was stopped. The end of its log:`,
        running.lines.slice(-5)
      )
    }
    await pause(250, undefined, signal && { signal }).catch(() => undefined)
  }
}

async function statusOf (url: string): Promise<number | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) })
    await response.body?.cancel()
    return response.status
  } catch {
    return undefined
  }
}

/** Keycloak's own errors in its words, shortened; else its last lines. */
function complaints (lines: readonly string[]): readonly string[] {
  const errors = lines.flatMap((line) => / ERROR +\[[\w.]+\] \([^)]*\) (?:ERROR: )?(.*)/.exec(line)?.[1] ?? [])
    .filter((line) => !/^Failed to start server|^For more details/.test(line))
  return (errors.length > 0 ? errors : lines.slice(-5)).map((line) => line.length > 240 ? `${line.slice(0, 240)}…` : line)
}
