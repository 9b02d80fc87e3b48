// First, before a collection of the heap: for hosts too.
import '../src/tick-objects.ts'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { OptionsError, readOptions, type ScopegateOptions, type ScopegateSettings } from '../src/options/options.ts'
import { metadataAddress } from '../src/oauth/resource-metadata.ts'
import { Refusal } from '../src/oauth/errors.ts'
import type { Clock } from '../src/oauth/clock.ts'
import accessPolicy, { AccessDeclarationError } from './access-policy.ts'
import auth, { type AuthOptions } from './auth.ts'
// Their additions to the types of Fastify: without these two lines the declarations would lose the imports, and consumers
// `request.principal`.
import './auth.ts'
import './refusals.ts'
import { checkHeaderBound } from './header-bound.ts'
import { REFUSED } from './names.ts'
import type { ProofOfPossession } from './proof-of-possession.ts'
import { checkCertificateRequest } from './requested-certificate.ts'
import refusals, { type RefusalOptions } from './refusals.ts'
import traceContext from './trace-context.ts'

export type { DeclaredAccess, Demands, ScopeCatalogue } from '../src/oauth/access-policy.ts'
export type { Principal } from '../src/oauth/principal.ts'
export type { Reason } from '../src/oauth/reasons.ts'
export type { IssuerOptions, JwkSet } from '../src/options/issuer-options.ts'
export type { GuardOptions, ScopegateOptions } from '../src/options/options.ts'
export { AccessDeclarationError, OptionsError, Refusal }

/** What the service adds, and its tests: another time for the keyrings, and hints that name the development issuer. */
export interface ServiceOptions {
  readonly clock?: Clock
  readonly developmentIssuer?: boolean
  /** Responses contain the reason and the hint of a refusal. */
  readonly explainRefusals?: boolean
}

/**
 * The guard of the context in which it is registered, and of all contexts below it: every route there declares in `config.auth` who may
 * call it, and requests without a valid access token for it are refused as RFC 6750 requires. Decorates requests with `principal`,
 * `optionalPrincipal` and `requireScope`, and the context with `access`, the access matrix.
 *
 * Sets no error handler and no 404 or 405 route, reads no environment, and leaves routes of other contexts alone.
 * Not checked: whether a token was revoked before its end, and anything about the caller's connection (TLS is the gateway's).
 * Rejects with an OptionsError that reports everything that is wrong with the options.
 */
const plugin: FastifyPluginAsync<ScopegateOptions> = async (app, given) => {
  const { clock, developmentIssuer = false, explainRefusals = false, ...options } = given as ScopegateOptions & ServiceOptions
  checkNames(app)
  const settings = readOptions(options)
  const warn = options.warn ?? ((sentence: string) => app.log.warn(sentence))
  for (const sentence of settings.warnings) warn(sentence)
  checkCertificateRequest(app, settings, warn)
  const { challengeRealm, docsUrl, scopes, unlisted, trusted, errors, maxTokenBytes, tokenCacheBytes } = settings
  const resourceMetadata = settings.publicUrl === undefined ? undefined : metadataAddress(settings.publicUrl)
  await app.register(traceContext)
  const explained = explainedBy(settings, developmentIssuer)
  await app.register(refusals, { challengeRealm, resourceMetadata, docsUrl, bindings: settings, explained, explainRefusals })
  const possession = await possessionOf(app, settings)
  await app.register(auth, { issuers: authIssuers(settings), tokenCacheBytes, possession, ...clock && { clock } })
  const boundTokens = settings.dpop === 'required' ? 'required' : possession && 'accepted'
  await app.register(accessPolicy, { ...scopes && { scopes }, unlisted, trusted, errors, boundTokens })
  checkHeaderBound(app, maxTokenBytes, warn)
}

/** What the guard adds under names of its documentation. */
const NAMES = { application: ['access'], request: ['principal', 'optionalPrincipal', 'requireScope', 'access'] } as const

/** Fastify's own error names neither this plugin nor what to do, and ends the process where the plugin is registered with a callback. */
function checkNames (app: FastifyInstance): void {
  if (app.hasRequestDecorator(REFUSED)) {
    throw new OptionsError(['this context has an access policy already: register scopegate once, or in contexts side by side'])
  }
  const taken = [
    ...NAMES.application.filter((name) => app.hasDecorator(name)).map((name) => `app.${name}`),
    ...NAMES.request.filter((name) => app.hasRequestDecorator(name)).map((name) => `request.${name}`)
  ]
  if (taken.length > 0) {
    throw new OptionsError(taken.map((name) =>
      `${name} is a decorator of this application already, and scopegate adds one of this name: rename yours, or register scopegate in a ` +
      'context that does not have it'))
  }
}

/** Loaded only where it is used: the start of a service without bound tokens pays nothing for them. */
async function possessionOf (app: FastifyInstance, settings: ScopegateSettings): Promise<ProofOfPossession | undefined> {
  if (settings.dpop === 'off' && settings.clientCertificate === 'off') return undefined
  return (await import('./proof-of-possession.ts')).proofOfPossession(app, settings)
}

function authIssuers ({ issuers, maxTokenBytes, useEnvProxy }: ScopegateSettings): AuthOptions['issuers'] {
  return issuers.map((settings) => ({ ...settings, maxTokenBytes, useEnvProxy }))
}

/** What the hints of the log name. Where there are several issuers, those of the issuer that a token names take the place of the first. */
function explainedBy ({ issuers, maxTokenBytes }: ScopegateSettings, developmentIssuer: boolean): RefusalOptions['explained'] {
  const [{ issuer, audience, algorithms, jwksUrl, tokenKind }] = issuers as readonly [ScopegateSettings['issuers'][number]]
  return { issuer, audience, algorithms, jwksUrl, tokenKind, maxTokenBytes, developmentIssuer, issuers: issuers.map((one) => one.issuer) }
}

/** The plugin itself, with every export as a property: what `require('scopegate')` gives in a CommonJS program. */
export const scopegate = Object.assign(fp(plugin, { name: 'scopegate', fastify: '5.x' }), { AccessDeclarationError, OptionsError, Refusal })
Object.assign(scopegate, { default: scopegate, scopegate })
export { scopegate as default, scopegate as 'module.exports' }
