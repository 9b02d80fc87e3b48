import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { AccessRow } from '../src/oauth/access-matrix.ts'
import { compileAccess, enforceAccess, type Access, type DeclaredAccess, type ScopeCatalogue } from '../src/oauth/access-policy.ts'
import { InsufficientScope, type Refusal } from '../src/oauth/errors.ts'
import type { Principal } from '../src/oauth/principal.ts'
import { registeredRoutes } from './registered-routes.ts'

export interface AccessPolicyOptions {
  readonly scopes: ScopeCatalogue
}

const ACCESS = Symbol('access')

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call this route. A route without it does not start. */
    auth?: DeclaredAccess
    /** Set by the plugin that answers 405: no resource of its own. */
    allow?: readonly string[]
    [ACCESS]?: Access
  }

  interface FastifyRequest {
    /** What the matched route demands; undefined where no route matched. */
    readonly access: Access | undefined
    /** For what depends on data: throws the same 403 as the route would if the caller's token lacks one of the scopes. */
    requireScope: (...scopes: string[]) => void
  }

  interface FastifyInstance {
    /** Every route as registered, with what it demands. */
    accessOf: () => readonly AccessRow[]
    /** Throws AccessDeclarationError with everything that is wrong with the routes so far; `ready` does the same. */
    checkAccess: () => void
    /** What a route demands, by its options. */
    accessFor: (route: RouteOptions) => Access | undefined
  }
}

/** The application does not start: routes that declare no access, or a wrong one. */
export class AccessDeclarationError extends Error {
  override readonly name = 'AccessDeclarationError'
  readonly faults: readonly string[]

  constructor (faults: readonly string[]) {
    super(`${faults.length === 1 ? 'a route does' : 'routes do'} not say rightly who may enter:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

/** Every route must declare who may enter; what it declares is enforced before anything of the body is read. */
export default fp<AccessPolicyOptions>((app, { scopes }, done) => {
  // No onRoute hook has seen these, so nothing is known of them and nothing would hold them.
  const faults = registeredRoutes(app).map((route) => `${route}: registered before the access policy, which cannot hold it; await the registration of the policy first`)
  const routes: AccessRow[] = []

  app.addHook('onRoute', (route) => {
    const access = compileAccess(route.config?.auth, scopes)
    for (const method of [route.method].flat()) {
      if (isFaults(access)) faults.push(...access.map((fault) => `${method} ${route.url}: ${fault}`))
      else if (route.config?.allow === undefined) routes.push({ method, url: route.url, access })
    }
    if (!isFaults(access)) attach(route, access)
  })
  app.decorate('checkAccess', () => {
    if (faults.length > 0) throw new AccessDeclarationError([...new Set(faults)])
  })
  app.addHook('onReady', (ready) => {
    app.checkAccess()
    ready()
  })
  app.decorate('accessFor', (route) => route.config?.[ACCESS])
  app.decorate('accessOf', () => routes)
  app.decorateRequest('access', { getter () { return (this).routeOptions.config[ACCESS] } })
  app.decorateRequest('requireScope', requireScope)
  app.addHook('onRequest', enforce)
  done()
}, { name: 'access-policy', dependencies: ['auth', 'refusals'] })

function isFaults (compiled: Access | readonly string[]): compiled is readonly string[] {
  return Array.isArray(compiled)
}

/** A configuration of its own for every route: an object shared by two would carry the demands of the one to the other. */
function attach (route: RouteOptions, access: Access): void {
  route.config = { ...route.config, [ACCESS]: access }
}

function enforce (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction): void {
  const { config } = request.routeOptions
  const access = config[ACCESS]
  if (access === undefined) {
    if (request.is404) { done(); return }
    done(new AccessDeclarationError([`${request.method} ${config.url}: unknown to the access policy`])); return
  }
  if (access.mode === 'public') { done(); return }
  reply.header('cache-control', 'no-store')
  if (access.mode === 'optional' && request.headers.authorization === undefined) { done(); return }
  admit(request, access, done)
}

function admit (request: FastifyRequest, access: Access, done: HookHandlerDoneFunction): void {
  let known: Principal | Promise<Principal>
  try {
    known = request.authenticate()
    if (!(known instanceof Promise)) enforceAccess(access, known)
  } catch (error) {
    done(error as Refusal); return
  }
  if (!(known instanceof Promise)) { done(); return }
  known.then((principal) => enforceAccess(access, principal)).then(() => done(), (error: unknown) => done(error as Refusal))
}

function requireScope (this: FastifyRequest, ...scopes: string[]): void {
  const { principal } = this
  const missing = scopes.filter((scope) => !principal.has(scope))
  if (missing.length > 0) throw new InsufficientScope('scope_missing', `The access token lacks the scope ${missing.join(' ')}`, [...new Set([...(this.access as Access).challengeScopes, ...scopes])])
}
