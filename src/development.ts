import { resolve } from 'node:path'
import { SCOPES } from '../routes/scopes.ts'
import type { Config } from './config.ts'

/** The development issuer beside the service, as the process needs it. */
export interface Development {
  readonly issuer: string
  readonly jwksUrl: string
  /** The client of a first call. */
  readonly client: { readonly clientId: string, readonly clientSecret: string }
  /** The commands of a first call, to be pasted. */
  readonly commands: (api: string) => string
  readonly close: () => Promise<void>
}

export interface PreparedDevelopment {
  /** What the realm file lacks for the scopes of the routes: lines for a person. */
  readonly missingScopes: readonly string[]
  /** Rejects with the system's error for a port that cannot be used. */
  readonly start: (explain: (sentence: string) => void) => Promise<Development>
}

/** Keeps the keys of the development issuer, so that tokens remain valid over a restart. Git ignores it. */
const KEYS_FILE = '.development-keys.json'
/** The client that the README and `npm run client` use. */
const CLIENT_ID = 'test_api_client'

/**
 * Reads the realm file for the development issuer, where no issuer is configured; nothing listens yet. Its code is imported
 * only then: the image does not have it. Rejects with a sentence about the realm file.
 */
export async function prepareDevelopment (
  { developmentIssuer, developmentIssuerPort: port, dpop, publicUrl }: Config
): Promise<PreparedDevelopment | undefined> {
  if (!developmentIssuer) return undefined
  const {
    startDevelopmentIssuer, readProjectRealm, missingScopes, firstCall, firstDpopCall, firstClient
  } = await import('./issuer/development-issuer.ts')
  const realm = readProjectRealm()
  return {
    missingScopes: missingScopes(realm, Object.keys(SCOPES), CLIENT_ID),
    async start (explain) {
      const { issuer, jwksUrl, close } = await startDevelopmentIssuer({ realm, port, keysFile: resolve(KEYS_FILE), explain })
      const commands = (api: string): string =>
        dpop === 'required' ? firstDpopCall(issuer, publicUrl ?? api) : firstCall(realm, issuer, api)
      return { issuer, jwksUrl, close, client: firstClient(realm), commands }
    }
  }
}
