import { parseArgs } from 'node:util'

export const HELP = `Checks whether this service can verify access tokens, and explains a token that it refuses.

Usage: npm run -s doctor [-- options]         in a clone of the service
       npx scopegate doctor [options]         where the package is installed
       … | npx scopegate doctor [options]     with a token on standard input: explains this token

Settings come from the environment or from .env, as for the service. In place of them:
  --issuer <iss>            ISSUER; then ISSUERS_FILE and JWKS_URL are not read
  --audience <names>        AUDIENCE
  --jwks-url <address>      JWKS_URL

With the credentials of a client it requests a token and explains it:
  --client-id <id>          CLIENT_ID
  --client-secret-file <f>  the file with the secret; - reads standard input. Without it: CLIENT_SECRET in the environment or .env
  --scope <words>           SCOPE: the scopes to request
  --token-endpoint <a>      TOKEN_ENDPOINT; default: that of the discovery document
  The other settings of a client are read too, such as CLIENT_SECRET_FILE, CLIENT_KEY_FILE and CLIENT_DPOP: scopegate call --help

  --token-stdin             waits a minute for standard input, and not two seconds
  --offline                 uses no network: key and signature of the token are not checked
  --access <file>           the access matrix of another service: JSON.stringify(app.access.routes())
  --route <route>           this route only, such as "GET /api/private"; may be repeated
  --claims                  prints header and claims of the token too
  --json                    prints JSON for programs
  --help, -h                this text

Standard input may be a token, a token response, or the head of a request as "curl -v" prints it: then the scheme and the DPoP lines are
checked too, but no DPoP proof. The token and the secret are never printed, and never written to a file. Exit code: 0 nothing is wrong,
1 something is, 2 the command cannot be used like this.
`

export interface Arguments {
  readonly issuer: string | undefined
  readonly audience: string | undefined
  readonly jwksUrl: string | undefined
  readonly clientId: string | undefined
  readonly clientSecretFile: string | undefined
  readonly scope: string | undefined
  readonly tokenEndpoint: string | undefined
  readonly access: string | undefined
  readonly routes: readonly string[]
  readonly tokenStdin: boolean
  readonly offline: boolean
  readonly claims: boolean
  readonly json: boolean
  readonly help: boolean
}

/** The command line cannot be used. The message repeats no value: it may be a token or a secret. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const OPTIONS = {
  issuer: { type: 'string' }, audience: { type: 'string' }, 'jwks-url': { type: 'string' },
  'client-id': { type: 'string' }, 'client-secret-file': { type: 'string' }, scope: { type: 'string' },
  'token-endpoint': { type: 'string' },
  access: { type: 'string' }, route: { type: 'string', multiple: true },
  'token-stdin': { type: 'boolean' }, offline: { type: 'boolean' }, claims: { type: 'boolean' }, json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' }
} as const

export function readArguments (args: readonly string[]): Arguments {
  if (args.some((one) => /^--(?:client-)?secret(?:=|$)/.test(one))) {
    throw new UsageError(
      'A secret does not belong on the command line, where other programs can read it: ' +
      'set CLIENT_SECRET, or name a file with --client-secret-file.'
    )
  }
  const { values } = parsed(args)
  return {
    issuer: values.issuer, audience: values.audience, jwksUrl: values['jwks-url'],
    clientId: values['client-id'], clientSecretFile: values['client-secret-file'], scope: values.scope,
    tokenEndpoint: values['token-endpoint'],
    access: values.access, routes: values.route ?? [],
    tokenStdin: values['token-stdin'] ?? false, offline: values.offline ?? false, claims: values.claims ?? false,
    json: values.json ?? false, help: values.help ?? false
  }
}

function parsed (args: readonly string[]): ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>> {
  try {
    return parseArgs({ args: [...args], options: OPTIONS })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL') {
      throw new UsageError(
        'The doctor takes options only. A token is read from standard input: a command line can be read by other programs.'
      )
    }
    throw new UsageError(`${(error as Error).message.split('. ')[0] ?? ''}. See --help.`)
  }
}
