import type { AcceptedBindings } from '../challenge.ts'
import { issuerDifference } from '../issuer-difference.ts'
import { printable } from '../printable.ts'
import { fixOfBinding } from './bindings.ts'
import type { ReasonContext, ReasonText } from './context.ts'

const CLOCKS = 'Compare the clocks of the issuer and of this machine; CLOCK_TOLERANCE_SECONDS (at most 60) allows for small differences.'
const NO_BINDINGS: AcceptedBindings = { dpop: 'off', clientCertificate: 'off' }
const OVERWRITTEN = 'In Keycloak look for a mapper that overwrites it.'

/** Reasons that the claims of a token give. */
export const TOKEN_CLAIM_TEXTS = {
  claim_missing: {
    status: 401,
    sentence: 'The token lacks a claim that is required.',
    fix: ({ tokenKind }) => tokenKind === 'at+jwt'
      ? 'detail names the claim. TOKEN_KIND=at+jwt requires iss, exp, aud, sub, client_id, iat and jti (RFC 9068).'
      : 'detail names the claim. iss and exp are always required; with TOKEN_KIND=at+jwt sub, client_id, iat and jti too.'
  },
  claim_type: {
    status: 401,
    sentence: 'A claim has a type that the standards do not give it.',
    fix: () => `detail names the claim. ${OVERWRITTEN}`
  },
  scope_malformed: {
    status: 401,
    sentence: 'The scope claim is not a string of words with single spaces between them.',
    fix: () => OVERWRITTEN
  },
  issuer_mismatch: {
    status: 401,
    sentence: 'The token was issued by another issuer.',
    fix: (context) => fixOfIssuer(context)
  },
  audience_mismatch: {
    status: 401,
    sentence: 'The token was not issued for this API.',
    fix: ({ audience }) => fixOfAudience(audience)
  },
  wrong_kind: {
    status: 401,
    sentence: 'The token is not an access token, but another kind of token of the same realm.',
    fix: ({ typ }) => `${kindOf(typ)}The caller must send the access_token of the token response.`
  },
  confirmation_unsupported: {
    status: 401,
    sentence: 'The token is bound to a key (cnf) in a way that this service does not check.',
    fix: (context) => fixOfConfirmation(context)
  },
  expired: {
    status: 401,
    sentence: 'The token has expired.',
    fix: ({ secondsApart }) =>
      `${apart(secondsApart, 'It ended', 'ago')}The caller must request a new token before the old one expires. ${CLOCKS}`
  },
  not_yet_valid: {
    status: 401,
    sentence: 'The token is not valid yet (nbf).',
    fix: ({ secondsApart }) => `${apart(secondsApart, 'It becomes valid in', '')}${CLOCKS}`
  },
  issued_in_future: {
    status: 401,
    sentence: 'The token was issued in the future (iat).',
    fix: ({ secondsApart }) =>
      `${apart(secondsApart, 'The clock of the issuer is ahead of the clock of this machine by', 'or more')}${CLOCKS}`
  },
  lifetime_too_long: {
    status: 401,
    sentence: 'The token expires later than MAX_TOKEN_LIFETIME_SECONDS from now.',
    fix: ({ secondsApart }) =>
      `${apart(secondsApart, 'It exceeds the limit by', '')}In Keycloak shorten Access Token Lifespan (Realm settings, Tokens; or the ` +
      'client, Advanced), or raise the limit.'
  }
} as const satisfies Readonly<Record<string, ReasonText>>

function fixOfIssuer ({ issuer, issuers = [issuer], tokenIssuer }: ReasonContext): string {
  const trusted = issuers.length === 1 ? `ISSUER is ${issuer}.` : `The trusted issuers are ${issuers.join(', ')}.`
  const difference = tokenIssuer === undefined ? undefined : issuers.map((one) => issuerDifference(tokenIssuer, one))
    .find((one) => one !== undefined)
  return difference === undefined
    ? `${trusted} The token comes from another realm or another server. The caller must request it from this issuer.`
    : `${trusted} ${difference}`
}

function fixOfAudience (audience: ReasonContext['audience']): string {
  const names = audience === 'any' ? 'the API' : audience.join(' or ')
  return 'In Keycloak open a client scope of the calling client (Client scopes, or the dedicated one), Add mapper, By configuration, ' +
    `Audience, and choose ${names} as Included Client Audience with "Add to access token" on; a client of that name must exist. ` +
    `AUDIENCE is what this service expects (${names}); AUDIENCE=* accepts any.`
}

const KINDS: Readonly<Record<string, string>> = {
  ID: 'It is an ID token. ',
  Refresh: 'It is a refresh token. ',
  Offline: 'It is an offline token (a refresh token). ',
  Logout: 'It is a logout token. '
}

function kindOf (typ: unknown): string {
  if (typ === undefined) return 'It has no typ: a signed userinfo response looks like this. '
  return typeof typ === 'string' && Object.hasOwn(KINDS, typ) ? KINDS[typ] ?? '' : `Its typ is ${printable(typ)}, and must be Bearer. `
}

/** Each binding that the service does not check, and no other: to switch on what is on would change nothing. */
function fixOfConfirmation (context: ReasonContext): string {
  const { boundBy = [], bindings = NO_BINDINGS } = context
  const [isDpop, isCertificate] = [boundBy.includes('jkt'), boundBy.includes('x5t#S256')]
  if (isCertificate && !isDpop && bindings.dpop === 'required') return fixOfBinding(context)
  const fixes = [
    isDpop && bindings.dpop === 'off'
      ? 'It is bound to a DPoP key. Set DPOP=allowed (docs/how-to/bound-tokens.md), or in Keycloak switch "Require DPoP bound tokens" ' +
      'off for the client (Advanced), and request the token without a DPoP proof.'
      : undefined,
    isCertificate && bindings.clientCertificate === 'off'
      ? 'It is bound to a client certificate. Set CLIENT_CERTIFICATE=tls or header (docs/how-to/bound-tokens.md), ' +
      'or in Keycloak switch "OAuth 2.0 Mutual TLS Certificate Bound Access Tokens Enabled" off for the client (Advanced).'
      : undefined
  ].filter((fix) => fix !== undefined)
  if (fixes.length > 0) return fixes.join(' ')
  if (isDpop || isCertificate) {
    return 'cnf has another member that cannot be checked, or a thumbprint that is not a SHA-256 in base64url. In Keycloak remove a ' +
      'mapper that writes cnf.'
  }
  return 'In Keycloak switch DPoP and certificate binding off for the client (Advanced), and remove a mapper that writes cnf.'
}

function apart (seconds: number | undefined, before: string, after: string): string {
  return seconds === undefined ? '' : `${before} ${Math.ceil(seconds)} s${after === '' ? '' : ` ${after}`}. `
}
