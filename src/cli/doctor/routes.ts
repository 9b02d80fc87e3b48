import { describeAccess, type AccessRow } from '../../oauth/access-matrix.ts'
import { enforceAccess, type Access } from '../../oauth/access-policy.ts'
import { InsufficientScope, InvalidToken } from '../../oauth/errors.ts'
import type { Principal } from '../../oauth/principal.ts'
import { REASONS, type ReasonContext } from '../../oauth/reasons.ts'
import { failed, ok, skipped, type Check, type More } from './check.ts'

/** Why a token lacks a scope, where more is known than that it does. */
export type ScopeCause = (scope: string) => More | undefined

export interface RouteContext {
  readonly settings: ReasonContext
  /** DPOP=required: what the token is bound to is a check of the token, not of each route. */
  readonly dpopRequired: boolean
  /** Whether the service accepts the token; undefined: that is not known. */
  readonly accepted: boolean | undefined
  readonly causeOf?: ScopeCause
}

/** The routes whose access depends on a token, each once: `HEAD` is left out where `GET` requires the same. */
export function guardedRows (rows: readonly AccessRow[]): readonly AccessRow[] {
  const key = ({ url, constraints, access }: AccessRow): string => JSON.stringify([url, constraints, describeAccess(access)])
  const gets = new Set(rows.filter(({ method }) => method === 'GET').map(key))
  return rows.filter((row) => row.access.mode === 'protected' && !(row.method === 'HEAD' && gets.has(key(row))))
}

/** A route as a person names it: `GET /api/private`. */
export function routeName ({ method, url, constraints }: AccessRow): string {
  return `${method} ${url}${constraints === undefined ? '' : ` ${constraints}`}`
}

/** Which of the routes a token opens; one check for each right that it lacks. Pure. */
export function routeChecks (rows: readonly AccessRow[], principal: Principal, context: RouteContext): Check[] {
  return guardedRows(rows).flatMap((row) => {
    const { dpopRequired } = context
    const lacking = rightsLacking(dpopRequired ? { ...row.access, bound: false } : row.access, principal)
    const title = `${routeName(row)} (${describeAccess(dpopRequired ? { ...row.access, bound: true } : row.access)})`
    if (lacking.length > 0) return lacking.map((refusal) => lackCheck(title, row.access, refusal, principal, context))
    if (context.accepted === true) return [ok('route', title)]
    return [skipped(
      'route',
      title,
      context.accepted === false
        ? 'The token has the rights, but is refused before they are looked at.'
        : 'The token has the rights, if it is accepted.'
    )]
  })
}

function lackCheck (
  title: string, access: Access, refusal: Lack, principal: Principal, { settings, causeOf }: RouteContext
): Check {
  const { reason } = refusal
  // One text stands for every invalid token: the sentence of the reason says more.
  const message = refusal instanceof InvalidToken ? REASONS[reason].sentence.replace(/\.$/, '') : refusal.message
  const scope = reason === 'scope_missing' ? [...access.scopes, ...access.anyScope].find((one) => !principal.has(one)) : undefined
  const known = scope === undefined ? undefined : causeOf?.(scope)
  const fix = REASONS[reason].fix({ ...settings, scopes: access.challengeScopes, grantedScopes: principal.scopes })
  return failed(reason, title, {
    cause: `${message}.`, fix, ...known, ...known?.cause !== undefined && { cause: `${message}. ${known.cause}` }
  })
}

/** The scopes that any of the routes requires and the token lacks. */
export function scopesLacking (rows: readonly AccessRow[], principal: Principal): readonly string[] {
  const lacking = guardedRows(rows).flatMap(({ access: { scopes, anyScope } }) => [
    ...scopes.filter((scope) => !principal.has(scope)),
    ...anyScope.some((scope) => principal.has(scope)) ? [] : anyScope
  ])
  return [...new Set(lacking)]
}

/** What `enforceAccess` throws: a right that is missing, or that the token is not bound to a key. */
type Lack = InsufficientScope | InvalidToken

/** The service stops at the first right that is missing; here each is looked at alone. */
function rightsLacking (access: Access, principal: Principal): Lack[] {
  return parts(access).flatMap((part) => {
    try {
      enforceAccess(part, principal)
      return []
    } catch (error) {
      if (error instanceof InsufficientScope || error instanceof InvalidToken) return [error]
      throw error
    }
  })
}

function parts (access: Access): Access[] {
  const none: Access = {
    ...access, scopes: [], anyScope: [], realmRoles: [], clientRoles: {}, kind: undefined, clientId: false, bound: false
  }
  return [
    { ...none, bound: access.bound },
    ...access.scopes.map((scope) => ({ ...none, scopes: [scope] })),
    { ...none, anyScope: access.anyScope },
    { ...none, kind: access.kind },
    { ...none, clientId: access.clientId },
    ...access.realmRoles.map((role) => ({ ...none, realmRoles: [role] })),
    ...Object.entries(access.clientRoles).flatMap(([client, roles]) =>
      roles.map((role) => ({ ...none, clientRoles: { [client]: [role] } })))
  ]
}
