import type swaggerUiPlugin from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { describeAccess, type AccessRow } from '../src/oauth/access-matrix.ts'
import { API_PAGE_CSS, API_PAGE_SCRIPT } from './api-page-theme.ts'

export interface ApiPageOptions {
  readonly title: string
  /** Where the page is. */
  readonly below: string
  /** Whose tokens to paste. */
  readonly issuer: string
  /** The client that the page offers, and where it gets its tokens: with the development issuer only. */
  readonly client: { readonly clientId: string, readonly clientSecret: string, readonly tokenPath: string } | undefined
}

/** Everything comes from this origin, and everything the page sends goes there. */
const POLICY = [
  'default-src \'none\'', 'script-src \'self\'', 'style-src \'self\'', 'img-src \'self\' data:', 'connect-src \'self\'',
  'base-uri \'none\'', 'form-action \'none\'', 'frame-ancestors \'none\''
].join('; ')

export type SwaggerUi = typeof swaggerUiPlugin

/** Swagger UI, a development dependency; undefined where it is not installed, as in an installation for production. */
export async function loadSwaggerUi (load = () => import('@fastify/swagger-ui')): Promise<SwaggerUi | undefined> {
  return load().then((module) => module.default, () => undefined)
}

/** The page of the API: reads the OpenAPI document, gets or takes a token, calls. Its routes are vouched for with `trusted`. */
export const apiPage = (swaggerUi: SwaggerUi): FastifyPluginAsync<ApiPageOptions> => async (app, options) => {
  await app.register(swaggerUi, {
    routePrefix: options.below,
    staticCSP: POLICY,
    transformSpecification: (document) => forThePage(document as Document, app, options),
    theme: {
      title: options.title,
      css: [{ filename: 'theme.css', content: API_PAGE_CSS }],
      js: [{ filename: 'theme.js', content: API_PAGE_SCRIPT }]
    },
    uiConfig: {
      layout: 'BaseLayout',
      validatorUrl: null,
      // A link inside of a button cannot be reached with a keyboard.
      deepLinking: false,
      docExpansion: 'list',
      defaultModelsExpandDepth: -1,
      tryItOutEnabled: true,
      persistAuthorization: false
    },
    ...options.client !== undefined && {
      initOAuth: { clientId: options.client.clientId, clientSecret: options.client.clientSecret, scopes: [] }
    }
  })
}

interface Operation { summary?: string, security?: object[] }

interface SecurityScheme {
  readonly type?: string
  readonly scheme?: string
  readonly description?: string
  readonly flows?: { readonly clientCredentials: { readonly tokenUrl: string } }
}

/** What this page changes of an OpenAPI document. */
interface Document {
  readonly info: { description?: string }
  servers?: object[]
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { securitySchemes: Readonly<Record<string, SecurityScheme>> }
}

const PASTED = 'accessToken'

/** The document for this page: its own origin, who may call beside each route, and where a token comes from. */
function forThePage (document: Document, app: FastifyInstance, { below, issuer, client }: ApiPageOptions): Document {
  const { info, paths = {}, components } = document
  const access = new Map(app.access.routes().map((row) => [operationOf(row), row.access]))
  const howTo = client === undefined
    ? `*Authorize* takes an access token of \`${issuer}\`.`
    : '*Authorize* gets a token from the development issuer: choose scopes, or none to see a 403.'
  const bound = isBoundThroughout([...access.values()]) ? NOT_BOUND : ''
  info.description = `${howTo}${bound} [Access and refusals](${below}/access) shows why a call was refused.`
  document.servers = [{ url: '/' }]
  components.securitySchemes = {
    ...client && withTokenPath(components.securitySchemes, client.tokenPath),
    [PASTED]: { type: 'http', scheme: 'bearer', description: `An access token of \`${issuer}\`, without "Bearer".` }
  }
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const required = access.get(`${method} ${path}`)
      if (required !== undefined) operation.summary = describeAccess(required)
      if (operation.security !== undefined) operation.security = [...client === undefined ? [] : operation.security, { [PASTED]: [] }]
    }
  }
  return document
}

const NOT_BOUND = ' Every protected route requires a token that is bound to a key, and this page has none: its calls get 401. ' +
  '`CLIENT_DPOP=on npm run client` has such a token.'

function isBoundThroughout (accesses: ReadonlyArray<AccessRow['access']>): boolean {
  const guarded = accesses.filter(({ mode }) => mode === 'protected')
  return guarded.length > 0 && guarded.every(({ bound }) => bound)
}

/** `get /things/{id}`, as the document names a route. */
function operationOf ({ method, url }: AccessRow): string {
  return `${method.toLowerCase()} ${url.replace(/:(\w+)/g, '{$1}')}`
}

function withTokenPath (schemes: Document['components']['securitySchemes'], tokenUrl: string): Record<string, SecurityScheme> {
  const description = 'The client of keycloak/myorg-realm.json at the development issuer.'
  return Object.fromEntries(Object.entries(schemes).map(([name, { flows, ...scheme }]) =>
    [name, { ...scheme, description, flows: { clientCredentials: { ...flows?.clientCredentials, tokenUrl } } }]))
}
