import { readFileSync } from 'node:fs'
import { decodeText } from '../http/text.ts'
import type { IssuerOptions } from '../options/issuer-options.ts'
import { issuerListProblems } from '../options/options.ts'
import { INSECURE_SWITCH } from './addresses.ts'
import { ConfigError } from './config-error.ts'

const NAME = 'ISSUERS_FILE'
/** The file names the issuers in place of these. */
const INSTEAD_OF = ['ISSUER', 'AUDIENCE', 'JWKS_URL'] as const

export interface IssuersFile {
  readonly problems: readonly string[]
  /** Empty when the file cannot be used. */
  readonly issuers: readonly IssuerOptions[]
}

/** The text of the file, or a ConfigError. */
export function readIssuersFile (path: string): string {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw new ConfigError([`${NAME}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`])
  }
  const text = decodeText(bytes)
  if (text === undefined) throw new ConfigError([`${NAME}: ${path} is not text in UTF-8 or UTF-16`])
  return text
}

/** The content of the file: a JSON array of the plugin's options for each issuer, checked like the environment. */
export function parseIssuersFile (text: string, given: Readonly<Record<string, string>>): IssuersFile {
  const beside =
    INSTEAD_OF.filter((name) => given[name] !== undefined).map((name) => `${name}: not together with ${NAME}, which names the issuers`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { problems: [...beside, `${NAME}: expected a JSON array of issuers (${(error as Error).message})`], issuers: [] }
  }
  const rules = { allowInsecureHttp: given.ALLOW_INSECURE_HTTP === 'on', insecureSwitch: INSECURE_SWITCH }
  const problems = [...beside, ...issuerListProblems(value, NAME, rules)]
  return { problems, issuers: problems.length > 0 ? [] : value as readonly IssuerOptions[] }
}
