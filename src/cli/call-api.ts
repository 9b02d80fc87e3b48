import { createClient, InsufficientScope, SettingsError } from '../client/client.ts'
import type { Client, ClientWarning } from '../client/client.ts'
import { HELP } from './call-help.ts'
import { readArguments, readCall } from './call-settings.ts'
import type { Call } from './call-settings.ts'
import { EXIT, readError, readResponse } from './call-words.ts'
import type { Verdict } from './call-words.ts'

/** Where a program writes: `process.stdout`, or a list in a test. */
export interface Output {
  write: (text: string) => unknown
}

type Say = (text: string) => unknown

type Environment = Readonly<Record<string, string | undefined>>

/** Gets a token and writes it to `out`, and everything else to `err`. Resolves to the exit code; never throws. */
export async function printToken (env: Environment, out: Output, err: Output, args: readonly string[] = []): Promise<number> {
  const { exitCode, text } = await requestToken(env, out, err, args).catch(readError)
  if (text !== undefined) err.write(`${printable(text, new Set())}\n`)
  return exitCode
}

async function requestToken (env: Environment, out: Output, err: Output, args: readonly string[]): Promise<Verdict> {
  const given = readArguments(args)
  if (given.help) {
    out.write(`${HELP}\n`)
    return { exitCode: EXIT.ok }
  }
  const { options, verbose } = readCall(env, given)
  if (options.dpop === true) throw new SettingsError([{ option: 'dpop', expected: 'not set' }])
  const onWarning = ({ code, message }: ClientWarning): void => {
    if (code === 'insecure_http' || verbose) err.write(`Warning: ${printable(message, new Set())}\n`)
  }
  const client = createClient({ ...options, onWarning })
  try {
    out.write(`${await client.token()}\n`)
    return { exitCode: EXIT.ok }
  } finally {
    await client.close()
  }
}

/**
 * Gets a token, calls the API once, and prints the body of its response. Resolves to the exit code; never throws.
 * Neither a token nor a secret that can be recognised is written, not even where the API sends them back.
 */
export async function main (
  env: Environment, out: Output, err: Output, args: readonly string[] = []
): Promise<number> {
  const hidden = new Set<string>()
  const sayTo = (to: Output): Say => (text) => to.write(`${printable(text, hidden)}\n`)
  const { exitCode, text } = await run(env, hidden, sayTo(out), sayTo(err), args).catch(readError)
  if (text !== undefined) sayTo(err)(text)
  return exitCode
}

async function run (
  env: Environment, hidden: Set<string>, tell: Say, complain: Say, args: readonly string[]
): Promise<Verdict> {
  const given = readArguments(args)
  if (given.help) {
    tell(HELP)
    return { exitCode: EXIT.ok }
  }
  const call = readCall(env, given)
  if (call.secret !== undefined && isRecognisable(call.secret)) hidden.add(call.secret)
  const notListed: string[] = []
  const onWarning = (warning: ClientWarning): void => {
    if (warning.code === 'scope_not_listed') notListed.push(...warning.scopes)
    if (warning.code === 'insecure_http' || call.verbose) complain(`Warning: ${warning.message}`)
  }
  const client = createClient({ ...call.options, onWarning })
  try {
    return await callOnce(client, call, notListed, hidden, tell, complain)
  } finally {
    await client.close()
  }
}

async function callOnce (
  client: Client, { address, scope, options }: Call, notListed: readonly string[], hidden: Set<string>, tell: Say, complain: Say
): Promise<Verdict> {
  hidden.add(await client.token())
  const response = await client.fetch(address, { headers: { accept: 'application/json' } }).catch((error: unknown) => {
    if (error instanceof InsufficientScope) return error.response
    throw error
  })
  const body = await response.text().catch(() => undefined)
  const latest = await client.token().catch(() => undefined) // another one, if the first was refused
  if (latest !== undefined) hidden.add(latest)
  complain(`${response.status} ${response.statusText}`.trim())
  if (body === undefined) {
    return { exitCode: EXIT.unreachable, text: 'The API began to respond, and then the connection was cut or the deadline passed.' }
  }
  if (body !== '') tell(body)
  return readResponse(response, { requested: scope, notListed, dpop: options.dpop === true })
}

/** A short secret or a plain word may stand in the API's own text: hiding it would rewrite data. */
function isRecognisable (secret: string): boolean {
  return secret.length >= 20 || (secret.length >= 8 && /\d/.test(secret) && /\D/.test(secret))
}

/** Without secrets, and without control characters, which could drive the terminal. */
function printable (text: string, hidden: ReadonlySet<string>): string {
  return [...hidden].reduce((rest, secret) => rest.replaceAll(secret, '[hidden]'), text).replace(/\r(?!\n)|[^\P{Cc}\r\n\t]/gu, '')
}
