import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { challengesOf, schemesOf, type AcceptedBindings, type ChallengeContext } from '../src/oauth/challenge.ts'
import { NonceRequired, Unavailable, type HeaderFields, type Refusal } from '../src/oauth/errors.ts'
import { shown } from '../src/oauth/printable.ts'
import type { Principal } from '../src/oauth/principal.ts'
import { explain, type Evidence, type Reason, type ReasonContext, type Settings } from '../src/oauth/reasons.ts'
import { PROBLEM_TYPE, problemOf, type Problem } from '../src/http/problem.ts'
import { REFUSED, RESPONSE_TO } from './names.ts'

export interface RefusalOptions {
  readonly challengeRealm: string
  /** Address of the RFC 9728 document, for the challenges. */
  readonly resourceMetadata: string | undefined
  /** Where the folder docs/ is published, for the type of a problem and the hints of the log. */
  readonly docsUrl?: string | undefined
  /** Which bound tokens are accepted; none by default. */
  readonly bindings?: AcceptedBindings
  /** Responses contain the reason and the hint: for development. */
  readonly explainRefusals?: boolean
  readonly explained: Settings
}

/** A refusal as it goes over the wire: status, headers (challenge, Retry-After, no-store) and the body without the request id. */
export interface RefusalResponse {
  readonly headers: HeaderFields
  readonly problem: Problem
}

/** Why a request was refused, for its log line: printable, and without values of the request. */
export interface Refused {
  readonly reason?: Reason | 'rate_limited'
  readonly detail: string | undefined
  readonly hint?: string
  /** What the token claims, not who is calling. */
  readonly unverifiedClient?: string
  readonly grantedScopes?: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * A refusal → its response to this request, noted for the log line of the request, but for one that is only thrown: a handler may catch
     * it. Sends nothing.
     */
    [RESPONSE_TO]: (refusal: Refusal, request: FastifyRequest, is?: 'sent' | 'thrown') => RefusalResponse
  }

  interface FastifyRequest {
    /** Why the request was refused, for its log line. */
    [REFUSED]: Refused | undefined
  }
}

/**
 * What a refusal of src/oauth is over HTTP. Sets no error handler: a service sets its own (error-handler.ts), a guard in somebody else's
 * application sends the response itself (`sendProblem`) or throws the refusal with its headers (`Refusal.withHeaders`).
 */
export default fp<RefusalOptions>((app, options, done) => {
  const { challengeRealm: realm, resourceMetadata, docsUrl, bindings, explained, explainRefusals } = options
  app.decorateRequest(REFUSED, undefined)
  app.decorate(RESPONSE_TO, (refusal, request, is = 'sent') => {
    const scopes = request.access?.challengeScopes ?? []
    const schemes = schemesOf(bindings, request.access?.bound ?? false, request.headers.authorization)
    const why = refusedOf(refusal, { ...explained, ...evidenceOf(refusal, request.optionalPrincipal), scopes, schemes, bindings, docsUrl })
    const response = refusalResponse(refusal, { realm, scopes, resourceMetadata, schemes }, docsUrl)
    if (is === 'sent') request[REFUSED] = why
    return explainRefusals === true ? { ...response, problem: { ...response.problem, ...explanationOf(why) } } : response
  })
  done()
}, { name: 'refusals' })

/** A token that lacks a scope was verified: the log lists those that it has. */
function evidenceOf ({ reason, evidence }: Refusal, principal: Principal | undefined): Evidence {
  return reason === 'scope_missing' && principal !== undefined ? { grantedScopes: principal.scopes, ...evidence } : evidence
}

/** For EXPLAIN_REFUSALS=on. Members of the problem that its type does not define (RFC 9457 section 3.2). */
function explanationOf ({ reason, detail, hint }: Refused): Pick<Problem, 'reason' | 'cause' | 'hint'> {
  return { ...reason !== undefined && { reason }, ...detail !== undefined && { cause: detail }, ...hint !== undefined && { hint } }
}

function refusedOf ({ reason, detail }: Refusal, context: ReasonContext): Refused {
  const { unverifiedClient, grantedScopes } = context
  return {
    reason,
    detail,
    hint: explain(reason, context),
    ...unverifiedClient !== undefined && { unverifiedClient },
    ...grantedScopes !== undefined && { grantedScopes: shown(grantedScopes.join(' ')) }
  }
}

/** Refusal → status, headers and body (RFC 6750 §3, RFC 9457). Pure: no request, no reply. */
export function refusalResponse (refusal: Refusal, context: ChallengeContext, docsUrl?: string): RefusalResponse {
  const [challenge, ...more] = challengesOf(refusal, context)
  return {
    headers: {
      'cache-control': 'no-store',
      ...challenge !== undefined && { 'www-authenticate': more.length === 0 ? challenge : [challenge, ...more] },
      ...refusal instanceof NonceRequired && { 'dpop-nonce': refusal.nonce },
      ...refusal instanceof Unavailable && { 'retry-after': String(refusal.retryAfterSeconds) }
    },
    problem: problemOf(refusal.statusCode, refusal.error === undefined
      ? { detail: refusal.message }
      : { error: refusal.error, error_description: refusal.message }, docsUrl)
  }
}

/** Sends a problem with the id of the request; for error handlers and for hooks that send the response themselves. */
export function sendProblem (reply: FastifyReply, { headers, problem }: RefusalResponse): void {
  void reply.code(problem.status).headers(headers).type(PROBLEM_TYPE).send(JSON.stringify({ ...problem, request_id: reply.request.id }))
}
