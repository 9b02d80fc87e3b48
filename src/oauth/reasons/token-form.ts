import { printable } from '../printable.ts'
import type { ReasonContext, ReasonText } from './context.ts'

const NOT_ISSUED = 'The token was truncated, altered, or not issued by this issuer. Compare it with the access_token of the token response.'

/** Reasons that need nothing but the text and the header of a token. */
export const TOKEN_FORM_TEXTS = {
  token_too_large: {
    status: 401,
    sentence: 'The token is longer than MAX_TOKEN_BYTES.',
    fix: ({ maxTokenBytes }) =>
      `${maxTokenBytes === undefined ? '' : `The limit is ${maxTokenBytes} bytes. `}In Keycloak remove mappers and roles from the client ` +
      '(Full scope allowed puts every role of the caller into the token), use lightweight access tokens, ' +
      'or raise MAX_TOKEN_BYTES (at most 60000; gateways have limits of their own).'
  },
  token_encrypted: {
    status: 401,
    sentence: 'The token is encrypted (JWE).',
    fix: () => 'In Keycloak switch the encryption of access tokens off for this client.'
  },
  not_three_parts: {
    status: 401,
    sentence: 'The token does not have the three parts of a signed JWT.',
    fix: ({ mistake }) => mistake ??
      'An opaque token, a truncated one, or a client secret sent in place of a token looks like this. ' +
      'The caller must send the access_token of the token response.'
  },
  not_base64url: { status: 401, sentence: 'A part of the token is not canonical base64url.', fix: () => NOT_ISSUED },
  not_utf8: { status: 401, sentence: 'A part of the token is not UTF-8.', fix: () => NOT_ISSUED },
  not_json_object: { status: 401, sentence: 'The header or the payload of the token is not a JSON object.', fix: () => NOT_ISSUED },
  duplicate_member: {
    status: 401,
    sentence: 'The JSON of the token contains a member twice, so that two readers could understand it differently.',
    fix: (context) => fixOfDuplicate(context)
  },
  nested_too_deep: {
    status: 401,
    sentence: 'The JSON of the token is nested deeper than 16 levels.',
    fix: () => 'In Keycloak remove the mapper that writes this claim.'
  },
  header_not_allowed: {
    status: 401,
    sentence: 'The header of the token contains a key, the address of a key, or an extension.',
    fix: () => 'Keycloak writes none of these members: find out where the caller has this token from.'
  },
  algorithm_not_allowed: {
    status: 401,
    sentence: 'The token is signed with an algorithm that ALGORITHMS does not list.',
    fix: (context) => fixOfAlgorithm(context)
  },
  kid_missing: {
    status: 401,
    sentence: 'The header of the token does not name a key.',
    fix: () => 'Keycloak always names one (kid): find out where the caller has this token from.'
  },
  wrong_header_type: {
    status: 401,
    sentence: 'The typ in the header is not the type of an access token.',
    fix: ({ tokenKind }) => tokenKind === 'at+jwt'
      ? 'TOKEN_KIND=at+jwt requires at+jwt: in Keycloak switch "Use \'at+jwt\' as access token header type" ' +
      'on for the client (Advanced), or set TOKEN_KIND=keycloak.'
      : 'It is another kind of token, such as a logout token or a DPoP proof. The caller must send the access_token of the token response.'
  }
} as const satisfies Readonly<Record<string, ReasonText>>

function fixOfDuplicate ({ path }: ReasonContext): string {
  if (path?.length === 0) return 'It is in the header, which Keycloak never writes so: find out where the caller has this token from.'
  const claim = path === undefined ? 'the claim that detail names' : printable(path.join('.'))
  if (path?.at(-1) === 'roles') {
    return `Keycloak issues such a token when a role mapper writes ${claim} once more: open the User Realm Role or User Client Role ` +
      'mapper with this Token Claim Name (in the client or one of its client scopes) and switch Multivalued on, ' +
      'or remove it where the client scope roles already writes the claim.'
  }
  return `Keycloak can issue such a token: look at the client and its client scopes for a mapper with the Token Claim Name ${claim}, ` +
    'such as a Hardcoded claim for a claim that Keycloak or another mapper writes too, and remove it.'
}

function fixOfAlgorithm ({ alg, algorithms }: ReasonContext): string {
  if (typeof alg === 'string' && /^HS\d/i.test(alg)) {
    return 'It is not an access token of this realm: Keycloak signs refresh tokens so (HS512). The caller must send the access_token of ' +
      'the token response, not the refresh_token. HMAC algorithms cannot be allowed: whoever can verify such a token can create one.'
  }
  if (typeof alg === 'string' && /^(?:RS|PS|ES)(?:256|384|512)$|^EdDSA$/.test(alg)) {
    return `ALGORITHMS is ${algorithms.join(' ')}. If the realm signs access tokens with ${alg} (Realm settings, Tokens, Default ` +
      `signature algorithm; or the client, Advanced), add ${alg} to ALGORITHMS.`
  }
  return `ALGORITHMS is ${algorithms.join(' ')}. Only the asymmetric algorithms RS, PS and ES with 256, 384 or 512, and EdDSA, ` +
    'can be allowed: find out where the caller has this token from.'
}
