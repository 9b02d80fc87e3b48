import { buildApp } from '../../app.ts'
import { loadConfig } from '../../config.ts'
import type { AccessRow } from '../../oauth/access-matrix.ts'

/** The access matrix of this service: it is declared in the code, whatever the configuration is. Nothing is started. */
export async function serviceRoutes (): Promise<readonly AccessRow[]> {
  const app = await buildApp(loadConfig({ ISSUER: 'https://issuer.example/realms/any', AUDIENCE: 'any' }))
  try {
    app.access.check()
    return app.access.routes()
  } finally {
    await app.close()
  }
}
