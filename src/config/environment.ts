import { readFileSync } from 'node:fs'
import { ConfigError } from './config-error.ts'
import { parseEnvFile, type EnvFile } from './env-file.ts'
import { readIssuersFile } from './issuers-file.ts'
import { readSettingFiles, type SettingFiles } from './setting-files.ts'

/** Variables as a shell or a `.env` file gives them; an empty value counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Variables, and what can be said about the file that some of them come from. */
export interface EnvironmentSources {
  /** Those of the process over those of the file. */
  readonly variables: Environment
  /** The names in the file that the process does not set. */
  readonly fileNames: readonly string[]
  readonly warnings: readonly string[]
  /** The text of ISSUERS_FILE, where one is named. */
  readonly issuersFile?: string | undefined
  readonly files?: SettingFiles
}

/** The variables of this process, over those of a `.env` file in the current folder. Throws a ConfigError. */
export function readEnvironment (folder?: string): Environment {
  return readSources(folder).variables
}

/** As {@link readEnvironment}, with what is known about the file. The only reader of `process.env`. */
export function readSources (folder = process.cwd()): EnvironmentSources {
  const { entries, warnings } = readFile(folder)
  const ofFile = withoutEmpty(Object.fromEntries(entries.map(({ name, value }) => [name, value])))
  const ofProcess = withoutEmpty(process.env)
  const variables = { ...ofFile, ...ofProcess }
  const issuersPath = variables.ISSUERS_FILE?.trim()
  return {
    variables,
    ...issuersPath !== undefined && { issuersFile: readIssuersFile(issuersPath) },
    files: readSettingFiles(variables),
    fileNames: Object.keys(ofFile).filter((name) => ofProcess[name] === undefined),
    warnings
  }
}

function readFile (folder: string): EnvFile {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(`${folder}/.env`)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { entries: [], warnings: [] }
    throw new ConfigError([`.env: cannot be read (${(error as Error).message})`])
  }
  return parseEnvFile(bytes)
}

export function withoutEmpty (environment: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(environment)
    .filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1].trim() !== ''))
}
