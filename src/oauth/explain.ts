import type { Reason } from './errors.ts'

/** What the sentences name: the service's own settings and, for rights, what the route needs. Nothing of the token. */
export interface Explained {
  readonly issuer: string
  readonly audience: readonly string[] | 'any'
  readonly algorithms: readonly string[]
  readonly scopes?: readonly string[]
}

/** A reason → what happened and what to do, with the place in Keycloak. For the operator's log and tools, never for the caller. */
export function explain (reason: Reason, context: Explained): string {
  const sentence = SENTENCES[reason]
  return typeof sentence === 'string' ? sentence : sentence(context)
}

const MALFORMED = 'The token is not one that an issuer signs as it stands; the caller has cut, changed or invented it.'
const CLOCKS = 'Compare the clocks of the issuer and of this machine (CLOCK_TOLERANCE_SECONDS allows for small differences).'

const SENTENCES: Readonly<Record<Reason, string | ((context: Explained) => string)>> = {
  credentials_missing: 'No Authorization header came. The caller must send "Authorization: Bearer <access token>"; a gateway may have removed it.',
  scheme_unsupported: 'The Authorization header does not begin with "Bearer ". The caller must send the access token with that word before it.',
  credentials_malformed: 'The Authorization header is not "Bearer", one space and one token. Look for a second space, quotes, a line break, or two tokens joined by a comma.',
  credentials_repeated: 'The Authorization header came more than once. The caller or a gateway adds a second one.',
  token_too_large: 'The token is longer than 8 kB. In Keycloak take mappers and roles away from the client, or use lightweight access tokens.',
  token_encrypted: 'The token is encrypted (JWE). In Keycloak switch the encryption of access tokens off for this client.',
  not_three_parts: `${MALFORMED} An opaque token, or a secret sent in place of the token, looks like this.`,
  not_base64url: MALFORMED,
  not_utf8: MALFORMED,
  not_json_object: MALFORMED,
  duplicate_member: `${MALFORMED} A name occurs twice in its JSON.`,
  nested_too_deep: 'The JSON of the token is nested deeper than 16 levels. Take the mapper away that writes such a claim.',
  header_not_allowed: 'The header of the token carries a key, an address of one, or an extension. Keycloak writes none; treat the caller with care.',
  algorithm_not_allowed: ({ algorithms }) => `The token is signed with an algorithm that is not in ALGORITHMS (${algorithms.join(' ')}). If the realm really signs with it (Realm settings, Tokens, Default signature algorithm), add it there.`,
  kid_missing: 'The header of the token names no key. Keycloak always names one.',
  wrong_header_type: 'The typ in the header is not that of an access token (TOKEN_KIND). With TOKEN_KIND=at+jwt switch "Use \'at+jwt\' as access token header type" on at the client (Advanced).',
  claim_missing: 'A claim that must be there is missing; detail names it. With TOKEN_KIND=at+jwt sub, client_id, iat and jti must be there too.',
  claim_type: 'A claim has a type that the standards do not give it. Look for a mapper that overwrites it.',
  scope_malformed: 'The scope claim is not a string of words with single spaces. Look for a mapper that overwrites it.',
  issuer_mismatch: ({ issuer }) => `The token comes from another issuer than ISSUER (${issuer}): another realm, or the same server under another host name. In Keycloak the host name of the token request decides unless KC_HOSTNAME fixes it.`,
  audience_mismatch: ({ audience }) => `The token was not made for this API. ${audienceMapper(audience)}`,
  wrong_kind: 'The token is no access token: an ID, refresh, logout or userinfo token of the same realm. The caller must send the access_token of the token answer.',
  confirmation_unsupported: 'The token is bound to a key (DPoP or mTLS), which this service does not check. Switch "Require DPoP bound tokens" or certificate binding off at the client.',
  expired: `The token has expired; the caller must ask for a new one in time. ${CLOCKS}`,
  not_yet_valid: `The token is not valid yet (nbf). ${CLOCKS}`,
  issued_in_future: `The token was issued in the future (iat). ${CLOCKS}`,
  lifetime_too_long: 'The token ends later than MAX_TOKEN_LIFETIME_SECONDS from now. Shorten "Access token lifespan" in the realm or at the client, or raise the limit.',
  key_unknown: ({ issuer }) => `The issuer's key set does not list the key that the token names: a key that was withdrawn, a key of a kind that is not taken (Ed448, RSA below 2048 bits), another realm of the same name, or an invented token. The keys of ${issuer} are followed by themselves.`,
  algorithm_mismatch: 'The token names a key of the issuer, but another algorithm than that key is for. Keycloak does not do this; treat the caller with care.',
  signature_invalid: 'The signature is not that of the key which the token names: the token was changed, or signed by somebody else.',
  scope_missing: ({ scopes = [] }) => `The token lacks a scope of this route (${scopes.join(' ')}). The caller must ask for it (scope=${scopes.join(' ')}), the client must have it under Client scopes, and in Keycloak the client scope needs "Include in token scope" on (off by default): without it the scope is granted but not in the token.`,
  role_missing: 'The token lacks a role of this route. In Keycloak assign it (for a service: Clients, Service accounts roles) and see that the client scope roles is a default one and the role is in the client\'s scope.',
  kind_not_allowed: 'The route is for the other kind of caller: a service by client credentials, or a user.',
  issuer_unavailable: ({ issuer }) => `The keys of ${issuer} cannot be fetched, so no new token can be verified. See the line that says why; JWKS_URL names another address where the issuer's own cannot be reached from here.`,
  overloaded: 'More new tokens came than can be verified. Callers should keep a token for its whole life; more replicas help.'
}

function audienceMapper (audience: Explained['audience']): string {
  const names = audience === 'any' ? 'the API' : audience.join(' or ')
  return `In Keycloak open a client scope of the calling client (Client scopes, or the dedicated one), Add mapper, By configuration, Audience, and choose ${names} as Included Client Audience with "Add to access token" on; a client of that name must exist. AUDIENCE is what this service expects (${names}); AUDIENCE=* accepts any.`
}
