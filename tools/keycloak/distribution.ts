import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readEnvironment } from '../../src/config.ts'
import { KeycloakError } from './checks.ts'
import { run } from './process.ts'
import { whileUnderWay, type Reporting } from './progress.ts'

const DEFAULT_VERSION = '26.7.3'
const JAVA_NEEDED = 17

/** KEYCLOAK_VERSION, for trying another one; else the version that this project is tested with. */
export function keycloakVersion (): string {
  const { KEYCLOAK_VERSION: version = DEFAULT_VERSION } = readEnvironment()
  if (/^\d+\.\d+\.\d+$/.test(version)) return version
  throw new KeycloakError(`KEYCLOAK_VERSION must be a version such as ${DEFAULT_VERSION}, not ${JSON.stringify(version)}.`)
}

const COPY = ['-B', '-q', 'dependency:copy']
const archiveName = (): string => `keycloak-quarkus-dist-${keycloakVersion()}.tar.gz`

export interface Fetching {
  /** Where the distribution is kept; git ignores it. */
  readonly folder: string
  readonly say: (line: string) => void
  readonly move?: Reporting['move']
  readonly signal?: AbortSignal | undefined
}

/** Whether a Docker engine responds; the client alone does not count. */
export async function hasDocker (signal?: AbortSignal): Promise<boolean> {
  const { code } = await run('docker', ['info'], { signal, timeoutMs: 10_000 })
  return code === 0
}

/** Throws a KeycloakError where there is no Java that Keycloak can run on. */
export async function checkJava (signal?: AbortSignal): Promise<void> {
  const { JAVA_HOME } = readEnvironment()
  const java = JAVA_HOME === undefined ? 'java' : join(JAVA_HOME, 'bin', 'java')
  const { code, lines } = await run(java, ['-version'], { signal, timeoutMs: 20_000 })
  if (code !== 0) {
    const place = java === 'java' ? '' : ` (JAVA_HOME is ${JAVA_HOME ?? ''})`
    throw new KeycloakError(
      `Neither a Docker engine that responds nor Java was found${place}. ` +
      `Start Docker, or install Java ${JAVA_NEEDED} or later, and try again.`
    )
  }
  const [, version] = /version "(?:1\.)?(\d+)/.exec(lines.join('\n')) ?? []
  if (version === undefined || Number(version) < JAVA_NEEDED) {
    throw new KeycloakError(
      `Keycloak needs Java ${JAVA_NEEDED} or later, and the Java here is ${version ?? 'of an unknown version'}. ` +
      'Install a newer one (JAVA_HOME may name it), or start Docker.'
    )
  }
}

/** The unpacked distribution, fetched with Maven the first time. What is half made has another name until it is whole. */
export async function distribution (fetching: Fetching): Promise<string> {
  const { folder, say, signal } = fetching
  const home = join(folder, `keycloak-${keycloakVersion()}`)
  if (existsSync(home)) return home
  mkdirSync(folder, { recursive: true })
  const archive = join(folder, archiveName())
  if (!existsSync(archive)) await fetchArchive(fetching, archive)
  say('unpacking it …')
  const unpacking = join(folder, `unpacking-${process.pid}`)
  mkdirSync(unpacking)
  try {
    const { code, lines } = await whileUnderWay(run('tar', ['-xzf', archive, '-C', unpacking], { signal }), 'unpacking', fetching)
    const [unpacked] = readdirSync(unpacking)
    if (code !== 0 || unpacked === undefined) {
      rmSync(archive, { force: true })
      throw new KeycloakError(
        `${archiveName()} could not be unpacked with tar; it is thrown away, to be fetched anew by the next try.`,
        lines.slice(-3)
      )
    }
    renameSync(join(unpacking, unpacked), home)
  } finally {
    rmSync(unpacking, { recursive: true, force: true })
  }
  return home
}

async function fetchArchive (fetching: Fetching, archive: string): Promise<void> {
  const { folder, say, signal } = fetching
  const fetched = join(folder, `fetching-${process.pid}`)
  say(`fetching Keycloak ${keycloakVersion()} with Maven (176 MB, this once) …`)
  try {
    const { code, missing, lines } = await whileUnderWay(run(
      'mvn',
      [...COPY, `-Dartifact=org.keycloak:keycloak-quarkus-dist:${keycloakVersion()}:tar.gz`, `-DoutputDirectory=${fetched}`],
      { signal }
    ), 'fetching Keycloak', fetching)
    if (missing) {
      throw new KeycloakError(
        'Maven (mvn) is not here, which fetches Keycloak the first time. ' +
        `Install it, or start Docker, or put ${archiveName()} into ${folder} yourself.`
      )
    }
    if (code !== 0 || !existsSync(join(fetched, archiveName()))) {
      throw new KeycloakError('Maven could not fetch Keycloak:', lines.filter((line) => line.includes('ERROR')).slice(0, 3))
    }
    renameSync(join(fetched, archiveName()), archive)
  } finally {
    rmSync(fetched, { recursive: true, force: true })
  }
}
