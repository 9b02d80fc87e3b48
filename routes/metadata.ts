import type { FastifyPluginCallback } from 'fastify'
import { scopesOf } from '../src/oauth/access-matrix.ts'
import { ALGORITHMS } from '../src/oauth/algorithms.ts'
import { metadataAddress } from '../src/oauth/resource-metadata.ts'

export interface MetadataOptions {
  /** Address of this API as callers see it; never taken from the request. */
  readonly publicUrl: string
  readonly issuers: readonly string[]
  readonly name: string
  readonly dpop: 'off' | 'allowed' | 'required'
  readonly clientCertificate: 'off' | 'tls' | 'header'
}

const READABLE_EVERYWHERE = {
  'access-control-allow-origin': '*', 'access-control-allow-methods': 'GET', 'access-control-allow-headers': '*'
}

/** Protected resource metadata (RFC 9728): where tokens for this API come from, and which scopes it knows. */
export const metadataRoutes: FastifyPluginCallback<MetadataOptions> = (app, options, done) => {
  const { publicUrl, issuers, name, dpop, clientCertificate } = options
  const url = new URL(metadataAddress(publicUrl)).pathname
  const document = (): Record<string, unknown> => {
    const scopes = scopesOf(app.access.routes())
    return {
      resource: publicUrl,
      authorization_servers: issuers,
      ...scopes.length > 0 && { scopes_supported: scopes },
      bearer_methods_supported: ['header'],
      resource_name: name,
      ...dpop !== 'off' && { dpop_signing_alg_values_supported: ALGORITHMS, dpop_bound_access_tokens_required: dpop === 'required' },
      ...clientCertificate !== 'off' && { tls_client_certificate_bound_access_tokens: true }
    }
  }
  app.get(
    url,
    { config: { auth: 'public' } },
    (_request, reply) => reply.headers(READABLE_EVERYWHERE).header('cache-control', 'public, max-age=3600').send(document())
  )
  app.options(
    url,
    { config: { auth: 'public' }, schema: { hide: true } },
    (_request, reply) => reply.headers(READABLE_EVERYWHERE).code(204).send()
  )
  done()
}
