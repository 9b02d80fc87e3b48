import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { AccessRow } from '../src/oauth/access-matrix.ts'
import { compileAccess } from '../src/oauth/access-declaration.ts'
import { enforceAccess, type Access, type DeclaredAccess, type ScopeCatalogue } from '../src/oauth/access-policy.ts'
import { HandlerMistake, InsufficientScope, Refusal } from '../src/oauth/errors.ts'
import type { Principal } from '../src/oauth/principal.ts'
import { GuardedRoutes, HELD, type Held, type RouteRules } from './guarded-routes.ts'
import { earlyRoutes, routesSoFar } from './early-routes.ts'
import { AUTHENTICATE } from './names.ts'
import { isPreflight } from './preflight.ts'
import { respond, refuseInRoute, withHeaders } from './refused-in-hook.ts'

export interface AccessPolicyOptions extends RouteRules {
  /**
   * `problem` (default): the guard sends the response. `throw`: the error handler of the context gets them; their headers are on
   * the response.
   */
  readonly errors?: 'problem' | 'throw'
}

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
  readonly problems: readonly string[]

  constructor (problems: readonly string[]) {
    super(
      `${problems.length === 1 ? 'the access of a route is' : 'the access of routes is'} not declared ` +
      `correctly:\n${problems.map((problem) => `  ${problem}`).join('\n')}`
    )
    this.problems = problems
  }
}

let guards = 0

/**
 * The guard of the context in which it is registered, and of all contexts below it: every route there declares who may call it, and what
 * it declares is enforced before anything of the body is read. Routes of other contexts are not its concern.
 */
export default fp<AccessPolicyOptions>((app, { errors = 'problem', ...rules }, done) => {
  const guarded = new GuardedRoutes(rules)
  const early = routesSoFar(app)
  const late = new WeakMap<object, Held>()
  const check = (faults: readonly string[]): void => {
    if (faults.length > 0) throw new AccessDeclarationError([...new Set(faults)])
  }
  const refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply, next: HookHandlerDoneFunction): void => {
    if (errors === 'problem' && respond(error, request, reply)) return
    next(error instanceof Refusal ? withHeaders(error, request, 'sent') : error as Error)
  }
  const enforce = (request: FastifyRequest, reply: FastifyReply, next: HookHandlerDoneFunction): void => {
    const access = (request.routeOptions.config[HELD] ?? holdLate(request, guarded, late))?.access
    if (access === undefined) {
      next(request.is404 ? undefined : new AccessDeclarationError([
        `${request.method} ${String(request.routeOptions.url)}: unknown to the access policy`
      ]))
    } else admit(request, reply, access, next, refuse)
  }
  // By this name the router's drawing shows which routes this guard holds, and which of them its onRoute hook has seen.
  const hook = Object.defineProperty(enforce, 'name', { value: `access policy ${++guards}` })

  app.addHook('onRoute', (route) => {
    guarded.witness(route)
    refuseInRoute(route, errors, hook.name)
  })
  app.addHook('onRequest', hook)
  app.decorate('access', {
    routes: () => guarded.rows(app),
    of: (route: RouteOptions) => guarded.of(route),
    check: () => check(guarded.faults())
  })
  app.decorateRequest('access', { getter () { return (this.routeOptions.config[HELD] ?? holdLate(this, guarded, late))?.access } })
  app.decorateRequest('requireScope', function (...scopes) { requireScope(this, scopesAsked(scopes, rules.scopes)) })
  app.addHook('onReady', (ready) => {
    const before = earlyRoutes(app, hook.name, early, rules.unlisted ?? 'refuse')
    check([...guarded.settle(app, before.rows), ...before.problems])
    ready()
  })
  done()
}, { name: 'access-policy', dependencies: ['auth', 'refusals'] })

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

type RefuseWith = (error: unknown, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => void

function admit (request: FastifyRequest, reply: FastifyReply, access: Access, done: HookHandlerDoneFunction, refuse: RefuseWith): void {
  if (access.mode === 'public') { done(); return }
  // An OPTIONS route that declares no access: for anything but a preflight there is no such route.
  if (access.mode === 'preflight') {
    if (isPreflight(request)) done()
    else reply.callNotFound()
    return
  }
  reply.header('cache-control', 'no-store')
  if (access.mode === 'optional' && request.headers.authorization === undefined) { done(); return }
  authorize(request, reply, access, done, refuse)
}

function authorize (request: FastifyRequest, reply: FastifyReply, access: Access, done: HookHandlerDoneFunction, refuse: RefuseWith): void {
  let known: Principal | Promise<Principal>
  try {
    known = request[AUTHENTICATE]()
    if (!(known instanceof Promise)) enforceAccess(access, known)
  } catch (error) {
    refuse(error, request, reply, done); return
  }
  if (!(known instanceof Promise)) { done(); return }
  known.then((principal) => enforceAccess(access, principal)).then(() => done(), (error: unknown) => refuse(error, request, reply, done))
}

/** The scopes of a handler's own check, as single words. Throws HandlerMistake for what is not a scope of the catalogue. */
function scopesAsked (scopes: readonly string[], catalogue: ScopeCatalogue | undefined): readonly string[] {
  const compiled = compileAccess({ scopes }, catalogue)
  if (!('mode' in compiled)) {
    throw new HandlerMistake(`request.requireScope(${scopes.map((scope) => JSON.stringify(scope)).join(', ')}): ${compiled.join('; ')}`)
  }
  if (compiled.scopes.length === 0) throw new HandlerMistake('request.requireScope() was called without a scope')
  return compiled.scopes
}

function requireScope (request: FastifyRequest, scopes: readonly string[]): void {
  const { principal } = request
  const missing = scopes.filter((scope) => !principal.has(scope))
  if (missing.length === 0) return
  const needed = [...new Set([...request.access?.challengeScopes ?? [], ...scopes])]
  throw withHeaders(new InsufficientScope(
    'scope_missing',
    `The access token lacks the scope ${missing.join(' ')}`,
    needed,
    { grantedScopes: principal.scopes }
  ), request)
}
