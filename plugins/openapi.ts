import { STATUS_CODES } from 'node:http'
import swagger from '@fastify/swagger'
import fp from 'fastify-plugin'
import { describeAccess } from '../src/oauth/access-matrix.ts'
import type { Access, ScopeCatalogue } from '../src/oauth/access-policy.ts'

export interface OpenapiOptions {
  readonly title: string
  readonly version: string
  /** The token endpoint, for the client credentials flow. */
  readonly tokenUrl: string
  readonly scopes: ScopeCatalogue
  readonly publicUrl: string | undefined
  readonly dpop: 'off' | 'allowed' | 'required'
}

declare module 'fastify' {
  interface FastifyInstance {
    /** The OpenAPI 3.1 document of all routes registered after the plugin; security and refusals come from their `config.auth`. */
    openapi: () => object
  }
}

const PROBLEM = {
  type: 'object',
  properties: {
    type: { type: 'string' }, title: { type: 'string' }, status: { type: 'integer' }, detail: { type: 'string' },
    error: { type: 'string' }, error_description: { type: 'string' }, request_id: { type: 'string' }
  }
}
const SCHEME = 'clientCredentials'
/** OpenAPI 3.1 has no scheme for DPoP. */
const DESCRIPTIONS = {
  off: 'Bearer tokens (RFC 6750)',
  allowed: 'Bearer tokens (RFC 6750), or tokens bound to a key, under the scheme DPoP with a proof in the DPoP header (RFC 9449)',
  required: 'Tokens bound to a key, under the scheme DPoP with a proof in the DPoP header (RFC 9449)'
} as const

export default fp<OpenapiOptions>(async (app, { title, version, tokenUrl, scopes, publicUrl, dpop }) => {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, version },
      ...publicUrl !== undefined && { servers: [{ url: publicUrl }] },
      components: { securitySchemes: {
        [SCHEME]: { type: 'oauth2', description: DESCRIPTIONS[dpop], flows: { clientCredentials: { tokenUrl, scopes: { ...scopes } } } }
      } }
    },
    transform: ({ schema, url, route }) => ({
      url,
      schema: described(withPhrases(schema as Schema | undefined ?? {}), app.access.of(route), dpop)
    })
  })
  app.decorate('openapi', () => app.swagger())
}, { name: 'openapi', dependencies: ['access-policy'] })

type Schema = Record<string, unknown>

/** A response that its schema does not describe is called by the phrase of its status. */
function withPhrases ({ response, ...schema }: Schema): Schema {
  if (response === undefined) return schema
  const named = Object.entries(response as Readonly<Record<string, Schema>>)
    .map(([status, one]) => [status, { ...one, 'x-response-description': one.description ?? STATUS_CODES[status] }])
  return { ...schema, response: Object.fromEntries(named) as Schema }
}

const PROOF = { type: 'string', description: 'A new proof for this request (RFC 9449 §4.2), with a token under the scheme DPoP' }
const text = (description: string): Schema => ({ description, schema: { type: 'string' } })
const CHALLENGE = { 'WWW-Authenticate': text('Which schemes are accepted, and why the request was refused (RFC 6750 §3, RFC 9449 §7.1)') }
const NONCE = { 'DPoP-Nonce': text('What the next proof must contain, where nonces are required (RFC 9449 §9)') }

interface HeadersSchema { readonly properties?: Schema, readonly required?: readonly string[], readonly $ref?: string }

/** The DPoP header of a request, beside those that the route describes, unless it describes that one too, or refers to another schema. */
function withProof (headers: unknown, access: Access, dpop: OpenapiOptions['dpop']): Schema {
  const { properties, required, $ref } = (headers ?? {}) as HeadersSchema
  if ($ref !== undefined || Object.keys(properties ?? {}).some((name) => name.toLowerCase() === 'dpop')) return headers as Schema
  const isRequired = access.bound || (dpop === 'required' && access.mode === 'protected')
  return {
    type: 'object', ...headers as Schema | undefined, properties: { ...properties, DPoP: PROOF },
    ...isRequired && { required: [...required ?? [], 'DPoP'] }
  }
}

function described (schema: Schema, access: Access | undefined, dpop: OpenapiOptions['dpop']): Schema {
  if (access === undefined || access.mode === 'public' || schema.hide === true) return schema
  const security = access.anyScope.length > 0
    ? access.anyScope.map((scope) => ({ [SCHEME]: [...access.scopes, scope] }))
    : [{ [SCHEME]: [...access.scopes] }]
  const problem = (description: string): Schema => ({ description, content: { 'application/problem+json': { schema: PROBLEM } } })
  return {
    description: `Who may call: ${describeAccess(access)}`,
    ...schema,
    ...dpop !== 'off' && { headers: withProof(schema.headers, access, dpop) },
    security: access.mode === 'optional' ? [{}, ...security] : security,
    response: {
      ...schema.response as Schema | undefined,
      400: problem('Malformed credentials or request'),
      401: { ...problem('No valid access token'), headers: { ...CHALLENGE, ...dpop !== 'off' && NONCE } },
      ...access.mode === 'protected' && { 403: problem('The token lacks what the route requires') },
      503: problem('Tokens cannot be verified at the moment')
    }
  }
}
