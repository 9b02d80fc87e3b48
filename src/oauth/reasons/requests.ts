import { issuerDifference } from '../issuer-difference.ts'
import { printable } from '../printable.ts'
import type { ReasonContext, ReasonText } from './context.ts'
import { sendToken } from './sending.ts'

/** Reasons for which a request is refused before a token is read. */
export const REQUEST_TEXTS = {
  credentials_missing: {
    status: 401,
    sentence: 'The request has no Authorization header.',
    fix: (context) => `${sendToken(context)} A gateway or a redirect may have removed the header.`
  },
  scheme_unsupported: {
    status: 401,
    sentence: 'The scheme of the Authorization header is not Bearer, nor DPoP where DPOP is on.',
    fix: (context) => fixOfScheme(context)
  },
  credentials_malformed: {
    status: 400,
    sentence: 'The Authorization header is not "Bearer", or "DPoP" where DPOP is on, spaces and one token.',
    fix: ({ mistake }) => mistake ?? 'Look for a tab, quotes, a second word, or two tokens that a gateway joined with a comma.'
  },
  credentials_repeated: {
    status: 400,
    sentence: 'The request has more than one Authorization header.',
    fix: () => 'The caller or a gateway adds a second one. Remove it: which of them counts must not depend on the reader.'
  },
  headers_too_many: {
    status: 400,
    sentence: 'The request has as many headers as the server reads: a second Authorization header may have been cut off.',
    fix: () => 'Look for a caller or a gateway that adds headers without end. The service itself needs fewer than 100.'
  },
  issuer_unavailable: {
    status: 503,
    sentence:
      'The keys of the issuer cannot be fetched, so that the token cannot be verified. ' +
      'While no key is known, every token gets this response, whoever issued it.',
    fix: ({ issuer, tokenIssuer }) =>
      `The log line about the keys of ${issuer} contains the cause. If this machine cannot reach the issuer's own address, ` +
      `set JWKS_URL to the address of its key set that it can reach.${otherIssuer(issuer, tokenIssuer)}`
  },
  replays_unavailable: {
    status: 503,
    sentence:
      'The store of the DPoP proofs that were used cannot be reached, or is full, so that a replay could not be noticed. ' +
      'Bearer tokens are not affected.',
    fix: () =>
      'detail contains the cause. With REDIS_URL: look at Redis and at the network between. ' +
      'Without it, this process keeps the proofs of the last 70 seconds, at most 500,000: more replicas with Redis.'
  },
  overloaded: {
    status: 503,
    sentence: 'More new tokens arrive than can be verified.',
    fix: () => 'Callers should use an access token until it expires instead of requesting a new one for each call. More replicas help too.'
  }
} as const satisfies Readonly<Record<string, ReasonText>>

/** Reasons for which a valid token is refused at a route. */
export const RIGHTS_TEXTS = {
  scope_missing: {
    status: 403,
    sentence: 'The token lacks a scope that the route requires.',
    fix: (context) => fixOfScope(context)
  },
  role_missing: {
    status: 403,
    sentence: 'The token lacks a role that the route requires.',
    fix: () =>
      'In Keycloak assign the role (for a service: Clients, Service accounts roles). The client must have the client scope roles as a ' +
      'default scope, and the role must be in the scope of the client (Client scopes, the dedicated one, Scope).'
  },
  kind_not_allowed: {
    status: 403,
    sentence: 'The route is for the other kind of caller: a service (client credentials) or a user.',
    fix: () => 'Call it with a token of the required kind, or change config.auth.kind of the route.'
  },
  kind_unknown: {
    status: 403,
    sentence: 'The route is for services, and the token does not prove that a service is calling.',
    fix: () =>
      'Since version 26.2.0 Keycloak marks tokens of the client credentials flow in jti; a refreshed token has no such mark. ' +
      'For other issuers and versions set SERVICE_CLAIM=name=value to a claim that only the tokens of services contain.'
  },
  client_unknown: {
    status: 403,
    sentence: 'The route requires a client id, and the token names none, or two different ones in azp and client_id.',
    fix: () => 'Keycloak writes azp; a mapper for client_id must write the same. With TOKEN_KIND=at+jwt only client_id counts.'
  }
} as const satisfies Readonly<Record<string, ReasonText>>

function fixOfScheme ({ scheme, ...context }: ReasonContext): string {
  const send = sendToken(context)
  switch (scheme?.toLowerCase()) {
    case undefined:
      return `A token without a scheme before it looks like this. ${send}`
    case 'basic':
      return 'Basic credentials (a client id and secret) are for the token endpoint of the issuer: ' +
        `the caller must request an access token there. ${send}`
    case 'dpop':
      return 'This service does not check DPoP proofs (DPOP is off): set DPOP=allowed, or in Keycloak switch "Require DPoP bound tokens" ' +
        `off for the client (Advanced), and request a token without a proof. ${send}`
    default:
      return `The scheme is ${printable(scheme)}. ${send}`
  }
}

function fixOfScope ({ scopes = [], grantedScopes }: ReasonContext): string {
  const needed = scopes.join(' ')
  const granted = grantedScopes === undefined
    ? ''
    : grantedScopes.length === 0
      ? 'The token has no scope. '
      : `The token has ${printable(grantedScopes.join(' '))}. `
  return `${granted}The route requires ${needed}: the caller must request it (scope=${needed}), the client must have it under Client ` +
    'scopes, and in Keycloak the client scope needs "Include in token scope" ' +
    'on (off by default): without it the scope is granted but not in the token.'
}

/** While no key is known a foreign token is not blamed: the address of the keys may come from a wrong ISSUER. */
function otherIssuer (issuer: string, tokenIssuer: string | undefined): string {
  if (tokenIssuer === undefined) return ''
  const difference = issuerDifference(tokenIssuer, issuer)
  const named = ` The token names another issuer, ${tokenIssuer} (not verified): if its realm is the right one, correct ISSUER.`
  return difference === undefined ? named : `${named} ${difference}`
}
