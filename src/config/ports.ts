import { isIP } from 'node:net'
import { ENVIRONMENT } from './schema.ts'

type Given = Readonly<Record<string, string>>

/** `::` is every address of both families, as Node listens on it. */
const EVERY_IPV4 = '0.0.0.0'

interface Listening {
  readonly name: 'PORT' | 'MANAGEMENT_PORT' | 'DEVELOPMENT_ISSUER_PORT'
  readonly host: string
  /** Undefined: none, or not a port, which has its own sentence. */
  readonly port: number | undefined
}

/**
 * One sentence for each two listeners of this process that would take one port from each other. Compared as numbers, as `08080` is 8080.
 * Not known here: what a host name resolves to, so that it counts as the same address as any other.
 */
export function portProblems (given: Given, hasDevelopmentIssuer: boolean): string[] {
  const { HOST = ENVIRONMENT.HOST.preset, MANAGEMENT_HOST = HOST } = given
  const portOf = (name: Listening['name']): number | undefined =>
    given[name] === undefined ? ENVIRONMENT[name].preset : ENVIRONMENT[name].read(given[name])
  const all: Listening[] = [
    { name: 'PORT', host: HOST, port: portOf('PORT') },
    { name: 'MANAGEMENT_PORT', host: MANAGEMENT_HOST, port: portOf('MANAGEMENT_PORT') },
    { name: 'DEVELOPMENT_ISSUER_PORT', host: 'localhost', port: hasDevelopmentIssuer ? portOf('DEVELOPMENT_ISSUER_PORT') : undefined }
  ]
  return all.flatMap((one, at) => all.slice(0, at).filter((other) => collide(one, other))
    .map((other) => `${one.name}: expected another port than ${other.name} (${String(other.port)})`))
}

/** 0 is any free port. */
function collide (one: Listening, other: Listening): boolean {
  if (one.port === undefined || one.port === 0 || one.port !== other.port) return false
  const [family, otherFamily] = [isIP(one.host), isIP(other.host)]
  if (family === 0 || otherFamily === 0 || one.host === '::' || other.host === '::') return true
  return one.host === other.host || (family === otherFamily && [one.host, other.host].includes(EVERY_IPV4))
}
