import type { Config } from './config.ts'

/** The development issuer beside the service, as the process needs it. */
export interface Development {
  readonly issuer: string
  readonly jwksUrl: string
  /** The commands of a first call, to be pasted. */
  readonly commands: (api: string) => string
  readonly close: () => Promise<void>
}

/**
 * Starts the development issuer, where no issuer is configured. Its code is imported only then: the image does not have it.
 * Rejects with a sentence about the realm file, or with the system's error for a port that cannot be used.
 */
export async function startDevelopment ({ developmentIssuer, developmentIssuerPort }: Config): Promise<Development | undefined> {
  if (!developmentIssuer) return undefined
  const { startDevelopmentIssuer, projectRealmFile, readRealmFile, firstCall } = await import('./issuer/development-issuer.ts')
  const realm = readRealmFile(projectRealmFile())
  const { issuer, jwksUrl, close } = await startDevelopmentIssuer({ realm, port: developmentIssuerPort })
  return { issuer, jwksUrl, close, commands: (api) => firstCall(realm, issuer, api) }
}
