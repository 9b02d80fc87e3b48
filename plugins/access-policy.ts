import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { AccessRow } from '../src/oauth/access-matrix.ts'
import { compileAccess, PREFLIGHT } from '../src/oauth/access-declaration.ts'
import { enforceAccess, type Access, type DeclaredAccess, type ScopeCatalogue } from '../src/oauth/access-policy.ts'
import { HandlerMistake, InsufficientScope, type Refusal } from '../src/oauth/errors.ts'
import type { Principal } from '../src/oauth/principal.ts'
import { GuardedRoutes, HELD, type Held, type RouteRules } from './guarded-routes.ts'
import { isPreflight } from './preflight.ts'
import { registeredRoutes, type PrintedRoute } from './registered-routes.ts'

export type AccessPolicyOptions = RouteRules

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call this route. A route without it does not start, unless the guard was registered with `unlisted: 'public'`. */
    auth?: DeclaredAccess
    [HELD]?: Held
  }

  interface FastifyRequest {
    /** What the matched route requires; undefined where no route matched. */
    readonly access: Access | undefined
    /** For checks that depend on data: throws the same 403 as the route would if the caller's token lacks one of the scopes. */
    requireScope: (...scopes: string[]) => void
  }

  interface FastifyInstance {
    access: AccessPolicy
  }
}

/** What the guard of a context knows of its routes. */
export interface AccessPolicy {
  /** Every route as registered, with what it requires. Frozen. */
  readonly routes: () => readonly AccessRow[]
  /** What a route requires, by its options. */
  readonly of: (route: RouteOptions) => Access | undefined
  /** Throws AccessDeclarationError with everything that is wrong with the routes so far; `ready` does the same. */
  readonly check: () => void
}

/** The application does not start: routes that declare no access, or a wrong one. */
export class AccessDeclarationError extends Error {
  override readonly name = 'AccessDeclarationError'
  readonly faults: readonly string[]

  constructor (faults: readonly string[]) {
    super(`${faults.length === 1 ? 'the access of a route is' : 'the access of routes is'} not declared correctly:\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

let guards = 0

/**
 * The guard of the context in which it is registered, and of all contexts below it: every route there declares who may call it, and what
 * it declares is enforced before anything of the body is read. Routes of other contexts are not its concern.
 */
export default fp<AccessPolicyOptions>((app, rules, done) => {
  if (app.hasDecorator('access')) { done(new Error('this context has an access policy already: register it once, or in contexts side by side')); return }
  const guarded = new GuardedRoutes(rules)
  const early = new Set(registeredRoutes(app).map(nameOf))
  const late = new WeakMap<object, Held>()
  const check = (faults: readonly string[]): void => {
    if (faults.length > 0) throw new AccessDeclarationError([...new Set(faults)])
  }
  const enforce = (request: FastifyRequest, reply: FastifyReply, next: HookHandlerDoneFunction): void => {
    const access = (request.routeOptions.config[HELD] ?? holdLate(request, guarded, late))?.access
    if (access === undefined) {
      next(request.is404 ? undefined : new AccessDeclarationError([`${request.method} ${String(request.routeOptions.url)}: unknown to the access policy`]))
    } else admit(request, reply, access, next)
  }
  // The name tells, in the router's drawing, which routes this guard holds.
  const hook = Object.defineProperty(enforce, 'name', { value: `access policy ${++guards}` })

  app.addHook('onRoute', (route) => guarded.witness(route))
  app.addHook('onRequest', hook)
  app.decorate('access', {
    routes: () => guarded.rows(app),
    of: (route: RouteOptions) => guarded.of(route),
    check: () => check(guarded.faults())
  })
  app.decorateRequest('access', { getter () { return (this.routeOptions.config[HELD] ?? holdLate(this, guarded, late))?.access } })
  app.decorateRequest('requireScope', function (...scopes) { requireScope(this, scopesAsked(scopes, rules.scopes)) })
  app.addHook('onReady', (ready) => {
    const before = routesBefore(app, hook.name, early)
    const faults = guarded.settle(app, before.filter(isOptions).map(preflightRow))
    check([...faults, ...faultsBefore(app, rules, before.filter((route) => !isOptions(route)).map(nameOf))])
    ready()
  })
  done()
}, { name: 'access-policy', dependencies: ['auth'] })

function nameOf ({ method, path }: { readonly method: string, readonly path: string }): string {
  return `${method} ${path}`
}

function isOptions ({ method }: { readonly method: string }): boolean {
  return method === 'OPTIONS'
}

/** Routes of this context that were registered before the guard, so that its onRoute hook has not seen them. */
function routesBefore (app: FastifyInstance, hook: string, early: ReadonlySet<string>): PrintedRoute[] {
  const routes = registeredRoutes(app)
  const outside = routes.filter(({ onRequest }) => !onRequest.includes(hook)).map(nameOf)
  if (outside.length > 0) app.log.debug({ routes: outside }, 'routes outside of the context of this access policy')
  return routes.filter((route) => route.onRequest.includes(hook) && early.has(nameOf(route)))
}

/** @fastify/cors registers an OPTIONS route: undeclared, it is open for a preflight only, also when it was there before the guard. */
function preflightRow ({ method, path }: PrintedRoute): AccessRow {
  return Object.freeze({ method, url: path, access: PREFLIGHT, by: 'registered before the access policy' })
}

/** The guard enforces what these routes declare, but they are not in the matrix: with `unlisted: 'refuse'` they stop the start. */
function faultsBefore (app: FastifyInstance, { unlisted }: AccessPolicyOptions, routes: readonly string[]): string[] {
  if (unlisted !== 'public') return routes.map((route) => `${route}: registered before the access policy; await the registration of the policy first`)
  if (routes.length > 0) app.log.warn({ routes }, 'routes registered before the access policy: they are not in the access matrix; await the registration of the policy first')
  return []
}

/** What a route that no onRoute hook of ours has seen requires, by the declaration in its configuration. */
function holdLate (request: FastifyRequest, guarded: GuardedRoutes, late: WeakMap<object, Held>): Held | undefined {
  if (request.is404) return undefined
  const { config } = request.routeOptions
  const known = late.get(config)
  if (known !== undefined) return known
  const held = { access: guarded.judgeUnmarked(config) }
  late.set(config, held)
  return held
}

/** An OPTIONS route that declares no access: for anything but a preflight there is no such route. */
class NotServed extends Error {
  readonly statusCode = 404
}

function admit (request: FastifyRequest, reply: FastifyReply, access: Access, done: HookHandlerDoneFunction): void {
  if (access.mode === 'public') { done(); return }
  if (access.mode === 'preflight') { done(isPreflight(request) ? undefined : new NotServed('not a CORS preflight')); return }
  reply.header('cache-control', 'no-store')
  if (access.mode === 'optional' && request.headers.authorization === undefined) { done(); return }
  authorize(request, access, done)
}

function authorize (request: FastifyRequest, access: Access, done: HookHandlerDoneFunction): void {
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

/** The scopes of a handler's own check, as single words. Throws HandlerMistake for what is not a scope of the catalogue. */
function scopesAsked (scopes: readonly string[], catalogue: ScopeCatalogue | undefined): readonly string[] {
  const compiled = compileAccess({ scopes }, catalogue)
  if (!('mode' in compiled)) throw new HandlerMistake(`request.requireScope(${scopes.map((scope) => JSON.stringify(scope)).join(', ')}): ${compiled.join('; ')}`)
  if (compiled.scopes.length === 0) throw new HandlerMistake('request.requireScope() was called without a scope')
  return compiled.scopes
}

function requireScope (request: FastifyRequest, scopes: readonly string[]): void {
  const { principal } = request
  const missing = scopes.filter((scope) => !principal.has(scope))
  if (missing.length === 0) return
  const needed = [...new Set([...request.access?.challengeScopes ?? [], ...scopes])]
  throw new InsufficientScope('scope_missing', `The access token lacks the scope ${missing.join(' ')}`, needed, { grantedScopes: principal.scopes })
}
