import { schemesOf } from '../../oauth/challenge.ts'
import type { AccessRow } from '../../oauth/access-matrix.ts'
import type { KeySet } from '../../oauth/key-set.ts'
import { REASONS } from '../../oauth/reasons.ts'
import type { Refusal } from '../../oauth/errors.ts'
import { isDate } from '../../oauth/rules/rule.ts'
import type { Presentation } from './binding.ts'
import { failed, ok, skipped, type Check, type Section } from './check.ts'
import { clockCheck, type Written } from './clock.ts'
import { causesOfLack, requestToken, type Credentials, type TokenSource } from './client.ts'
import type { Presented } from './input.ts'
import { reachedAt, type Discovery } from './issuer.ts'
import type { TokenVerdict } from './report.ts'
import { routeChecks, scopesLacking, type ScopeCause } from './routes.ts'
import type { Subject } from './subject.ts'
import { examineToken, type TokenReport, type Trusted } from './token.ts'

export interface PresentedContext {
  readonly presented: Presented
  /** A check: there are credentials, but they cannot be used. */
  readonly credentials: Credentials | Check | undefined
  readonly subject: Subject
  readonly rows: readonly AccessRow[] | undefined
  readonly nowMs: () => number
  readonly claims: boolean
  readonly keySetOf: (issuer: string) => KeySet | undefined
  readonly discovery: Discovery | undefined
  /** Whether the clock of that issuer was compared by the `Date` of a response. */
  readonly dated: boolean
}

export interface PresentedFindings {
  readonly sections: readonly Section[]
  readonly token?: TokenVerdict | undefined
}

const TITLE = 'Token'
const PASS_A_TOKEN =
  'Pass an access token, a token response, or the head of a request as "curl -v" ' +
  'prints it; or set CLIENT_ID and CLIENT_SECRET, and the doctor requests a token.'

/** The token on standard input, or that of the client whose credentials are given: every rule, and every route. */
export async function examinePresented (context: PresentedContext): Promise<PresentedFindings> {
  const { presented, credentials, subject } = context
  if (presented.kind === 'nothing') {
    if (credentials === undefined) return { sections: [] }
    return 'status' in credentials ? { sections: [{ title: TITLE, checks: [credentials] }] } : await ofClient(credentials, context)
  }
  if (presented.kind === 'no_token') {
    return { sections: [{ title: TITLE, checks: [failed('no_token', presented.sentence, { fix: PASS_A_TOKEN })] }] }
  }
  if (presented.kind === 'refused') return ofRefusal(presented.refusal, subject)
  const note = presented.note === undefined ? [] : [ok('input', presented.note)]
  return ofToken(presented.token, note, context, { presentation: presented.presentation })
}

/** A request that the service refuses before it reads a token. */
function ofRefusal ({ reason, evidence, statusCode }: Refusal, { issuers: [first], bindings }: Subject): PresentedFindings {
  const schemes = schemesOf(bindings, false)
  const context = { issuer: '', audience: [], algorithms: [], ...first, bindings, schemes, ...evidence }
  const check = failed(reason, REASONS[reason].sentence, { fix: REASONS[reason].fix(context) })
  return { sections: [{ title: TITLE, checks: [check] }], token: { accepted: false, reason, status: statusCode } }
}

function reportOf (
  token: string, { subject, keySetOf, nowMs }: PresentedContext, presentation?: Presentation
): TokenReport | undefined {
  const { config, issuers, bindings } = subject
  if (issuers.length === 0) return undefined
  const trusted: Trusted[] = issuers.map((settings) => (
    { ...settings, confirmations: confirmationsOf(bindings), maxTokenBytes: config?.maxTokenBytes ?? 15_000 }
  ))
  const { developmentIssuer = false } = config ?? {}
  return examineToken(token, {
    issuers: trusted, keySetOf, nowSeconds: nowMs() / 1000, developmentIssuer, bindings, presentation
  })
}

/** As plugins/proof-of-possession.ts has them. */
function confirmationsOf ({ dpop, clientCertificate }: Subject['bindings']): NonNullable<Trusted['confirmations']> {
  return [...dpop === 'off' ? [] : ['jkt' as const], ...clientCertificate === 'off' ? [] : ['x5t#S256' as const]]
}

/** What more is known of a token: how it is presented, or why it lacks scopes. */
interface About {
  readonly presentation?: Presentation | undefined
  readonly causeOf?: ScopeCause
}

function ofToken (
  token: string, before: readonly Check[], context: PresentedContext, { presentation, causeOf }: About
): PresentedFindings {
  const report = reportOf(token, context, presentation)
  if (report === undefined) {
    return { sections: [{ title: TITLE, checks: [...before, skipped('token', 'the rules of the service', 'No issuer is configured.')] }] }
  }
  const { reason, complete, decoded } = report
  const accepted = reason !== undefined ? false : complete && context.subject.config !== undefined ? true : undefined
  return {
    sections: [{ title: TITLE, checks: [...before, ...report.checks] }, ...routeSection(report, accepted, context, causeOf)],
    token: {
      accepted, reason, status: reason === undefined ? undefined : REASONS[reason].status,
      ...context.claims &&
      { decoded: decoded === undefined ? 'the token cannot be decoded' : { header: decoded.header, claims: decoded.claims } }
    }
  }
}

function routeSection (
  { principal, settings }: TokenReport, accepted: boolean | undefined, { rows, subject }: PresentedContext, causeOf: ScopeCause | undefined
): Section[] {
  if (rows === undefined) return []
  const checks = principal === undefined
    ? [skipped('route', 'which routes the token opens', 'It has no claims of an access token that can be read.')]
    : routeChecks(rows, principal, { settings, accepted, dpopRequired: subject.bindings.dpop === 'required', ...causeOf && { causeOf } })
  return [{ title: 'Routes that require a token', checks }]
}

/** The clock by a token that was issued between these two times. */
function issueClock (report: TokenReport | undefined, between: Pick<Written, 'startedMs' | 'endedMs'>, toleranceSeconds: number): Check[] {
  const iat: unknown = report?.decoded?.claims.iat
  return isDate(iat) ? [clockCheck([{ ...between, atMs: iat * 1000 }], toleranceSeconds)] : []
}

async function ofClient (credentials: Credentials, context: PresentedContext): Promise<PresentedFindings> {
  const { subject, discovery, rows = [], nowMs } = context
  const [first] = subject.issuers
  const tokenEndpoint = credentials.tokenEndpoint ??
    discovery?.tokenEndpoint ??
    (first === undefined ? undefined : `${reachedAt(first)}/protocol/openid-connect/token`)
  if (tokenEndpoint === undefined) {
    return { sections: [
      { title: TITLE, checks: [skipped('token_request', 'a token for the client', 'No issuer is configured, and no TOKEN_ENDPOINT.')] }
    ] }
  }
  const { allowInsecureHttp, useEnvProxy } = subject
  const request = (scope: readonly string[]): Promise<TokenSource> =>
    requestToken(credentials, tokenEndpoint, scope, { allowInsecureHttp, useEnvProxy })
  const startedMs = nowMs()
  const { check, token, notListed } = await request(credentials.scope)
  if (token === undefined) return { sections: [{ title: TITLE, checks: [check] }] }
  const endedMs = nowMs()
  const report = reportOf(token, context)
  const clock = context.dated ? [] : issueClock(report, { startedMs, endedMs }, first?.clockToleranceSeconds ?? 0)
  const lacking = report?.principal === undefined ? [] : scopesLacking(rows, report.principal)
  const causes = await causesOfLack(lacking, credentials, notListed, discovery?.scopesSupported, request)
  return ofToken(token, [check, ...clock], context, { causeOf: (scope) => causes.get(scope) })
}
