import type { FastifyInstance, RouteOptions } from 'fastify'
import { compileAccess, misplacedAccess, onlyBound, PREFLIGHT, PUBLIC } from '../src/oauth/access-declaration.ts'
import type { AccessRow } from '../src/oauth/access-matrix.ts'
import type { Access, ScopeCatalogue } from '../src/oauth/access-policy.ts'

/** An allowance for routes of a plugin that cannot declare access: whoever composes the application vouches for them. */
export interface TrustedRoutes {
  /** The path of a route as registered, or everything below a path: `/docs/*`. `/*` alone is only the route of that path. */
  readonly path: string
  /** GET and HEAD by default. */
  readonly methods?: readonly string[]
}

export interface RouteRules {
  /** Without it, any scope name is accepted. */
  readonly scopes?: ScopeCatalogue
  /** What a route without `config.auth` is: an error that stops the start (the default), or open to anyone. */
  readonly unlisted?: 'refuse' | 'public'
  readonly trusted?: readonly TrustedRoutes[]
  /** Bound tokens: without it no route can require one; `required`, of every protected route as if it had declared that (DPOP=required). */
  readonly boundTokens?: 'accepted' | 'required' | undefined
}

/** What a route requires; empty until every onRoute hook has had its turn. */
export interface Held {
  access: Access | undefined
}

export const HELD = Symbol('access')

interface Witnessed {
  /** Fastify's own object: what later onRoute hooks write into it counts. */
  readonly route: RouteOptions & { readonly prefix?: string }
  readonly held: Held
  /** As it was at the call of the hook: Fastify writes the second spelling of a path into the same object. */
  readonly url: string
}

/** What the rules say of one declaration. `by`: where access comes from when the route declares none. */
interface Verdict { readonly access: Access, readonly by?: string }

type Verdicts = ReadonlyArray<readonly [route: Witnessed, verdict: Verdict | readonly string[]]>

/** The routes of one guard, as its onRoute hook has seen them, and what each requires. */
export class GuardedRoutes {
  readonly #rules: RouteRules
  readonly #witnessed: Witnessed[] = []
  readonly #replaced = new Set<string>()
  #settled: readonly AccessRow[] | undefined

  constructor (rules: RouteRules) {
    this.#rules = rules
  }

  /**
   * For the onRoute hook. A configuration of its own for every route: an object shared by two would carry what one requires to
   * the other.
   */
  witness (route: RouteOptions): void {
    const held: Held = { access: undefined }
    route.config = { ...route.config, [HELD]: held }
    this.#witnessed.push({ route, held, url: route.url })
  }

  /**
   * Fixes what each route requires, or returns everything that is wrong. Each declaration is read once, here, and never again.
   * `before`: rows for routes that no hook has seen.
   */
  settle (app: FastifyInstance, before: readonly AccessRow[] = []): string[] {
    const verdicts = this.#verdicts()
    const faults = [...faultsOf(verdicts), ...this.#unusedAllowances(verdicts)]
    if (faults.length > 0) return faults
    this.#settled = Object.freeze([...this.#rows(app, verdicts), ...before])
    for (const [{ route, held, url }, verdict] of verdicts) {
      held.access = (verdict as Verdict).access
      if (route.config?.[HELD] !== held) this.#replaced.add(url)
    }
    return []
  }

  /** Every route so far that declares nothing or something wrong. */
  faults (): string[] {
    return faultsOf(this.#verdicts())
  }

  /** Every route with what it requires; before the application is ready, those so far. */
  rows (app: FastifyInstance): readonly AccessRow[] {
    return this.#settled ?? this.#rows(app, this.#verdicts())
  }

  #rows (app: FastifyInstance, verdicts: Verdicts): readonly AccessRow[] {
    const rows = new Map<string, AccessRow>()
    for (const [one, verdict] of verdicts) {
      if (isFaults(verdict)) continue
      for (const row of [one, ...this.#secondSpelling(app, one)].flatMap((spelling) => rowsOf(spelling, verdict))) {
        // Fastify calls the hook for a HEAD route that it then leaves out, since there is one already.
        const name = `${row.method} ${row.url} ${row.constraints ?? ''}`
        if (!rows.has(name)) rows.set(name, row)
      }
    }
    return Object.freeze([...rows.values()])
  }

  of (route: RouteOptions): Access | undefined {
    const held = route.config?.[HELD]
    if (held?.access !== undefined) return held.access
    const verdict = this.#judge({ route, url: route.url })
    return isFaults(verdict) ? undefined : verdict.access
  }

  /**
   * For a request to a route without the guard's mark: its configuration, by the rules. A route whose mark an onRoute hook has taken away
   * with the whole configuration may require more than it did; it is not opened in this way.
   */
  judgeUnmarked (
    { auth, method, url }: { readonly auth?: unknown, readonly method: string | string[], readonly url: string }
  ): Access | undefined {
    const verdict = this.#judgeDeclared(auth, [method].flat(), url)
    return isFaults(verdict) || (this.#replaced.has(url) && verdict.access.mode !== 'protected') ? undefined : verdict.access
  }

  /** What a declaration comes to, by the rules of this guard. */
  #judgeDeclared (
    declared: unknown, methods: readonly string[], url: string, misplaced: readonly string[] = []
  ): Verdict | readonly string[] {
    if (declared !== undefined) {
      const access = compileAccess(declared, this.#rules.scopes)
      if (isList(access)) return access
      if (access.bound && this.#rules.boundTokens === undefined) return [BOUND_TO_NOTHING]
      return { access: this.#rules.boundTokens === 'required' ? onlyBound(access) : access }
    }
    if (misplaced.length > 0) return misplaced
    const pattern = this.#rules.trusted?.find((trusted) => covers(trusted, methods, url))?.path
    if (pattern !== undefined) return { access: PUBLIC, by: trustedBy(pattern) }
    if (this.#rules.unlisted === 'public') return { access: PUBLIC, by: 'not declared' }
    return methods.every((method) => method === 'OPTIONS') ? { access: PREFLIGHT } : compileAccess(undefined) as readonly string[]
  }

  #judge ({ route, url }: Pick<Witnessed, 'route' | 'url'>): Verdict | readonly string[] {
    const { config = {} } = route
    return this.#judgeDeclared(config.auth, methodsOf(route), url, misplacedAccess(config, route))
  }

  #verdicts (): Verdicts {
    return this.#witnessed.map((one) => [one, this.#judge(one)])
  }

  #unusedAllowances (verdicts: Verdicts): string[] {
    const used = verdicts.map(([, verdict]) => isFaults(verdict) ? undefined : verdict.by)
    return (this.#rules.trusted ?? []).filter(({ path }) => !used.includes(trustedBy(path)))
      .map(({ path }) => `trusted ${path}: no route without config.auth is covered by it; remove it`)
  }

  /** `get('/')` below a prefix is registered with and without the slash; the second of them without a call of onRoute. */
  #secondSpelling (app: FastifyInstance, { route, held, url }: Witnessed): Witnessed[] {
    const { prefix, constraints } = route
    if (url === '' || url !== prefix) return []
    const slashed = `${url}/`
    const own = (method: string): boolean => this.#witnessed.some((one) => one.url === slashed && methodsOf(one.route).includes(method))
    const methods = methodsOf(route)
      .filter((method) => !own(method) && app.hasRoute({ method, url: slashed, ...constraints && { constraints } }))
    return methods.length === 0 ? [] : [{ route: { ...route, method: methods }, held, url: slashed }]
  }
}

const BOUND_TO_NOTHING =
  'config.auth.bound requires bound tokens, and none are accepted: set DPOP=allowed (dpop), or CLIENT_CERTIFICATE (clientCertificate)'

function faultsOf (verdicts: Verdicts): string[] {
  return verdicts.flatMap(([{ route, url }, verdict]) =>
    isFaults(verdict) ? methodsOf(route).flatMap((method) => verdict.map((fault) => `${method} ${url}: ${fault}`)) : [])
}

function trustedBy (path: string): string {
  return `trusted: ${path}`
}

/** Whether a list of sentences is in place of a result. */
function isFaults (verdict: Verdict | readonly string[]): verdict is readonly string[] {
  return Array.isArray(verdict)
}

function isList (access: Access | readonly string[]): access is readonly string[] {
  return Array.isArray(access)
}

function methodsOf ({ method }: RouteOptions): string[] {
  return [method].flat()
}

function covers ({ path, methods: allowed = ['GET', 'HEAD'] }: TrustedRoutes, methods: readonly string[], url: string): boolean {
  const below = path.endsWith('/*') && path !== '/*' ? path.slice(0, -1) : undefined
  return methods.every((method) => allowed.includes(method)) && (url === path || (below !== undefined && `${url}/`.startsWith(below)))
}

function rowsOf ({ route, url }: Witnessed, { access, by }: Verdict): AccessRow[] {
  const constraints = Object.entries(route.constraints ?? {}).map(([name, value]) => `${name}=${String(value)}`).join(' ')
  return methodsOf(route)
    .map((method) => Object.freeze({ method, url, access, ...by !== undefined && { by }, ...constraints !== '' && { constraints } }))
}
