import type { ReasonContext, ReasonText } from './context.ts'

/** Reasons that the keys of the issuer give. */
export const KEY_TEXTS = {
  key_unknown: {
    status: 401,
    sentence: 'The key set of the issuer does not list the key that the token names.',
    fix: (context) => fixOfUnknownKey(context)
  },
  algorithm_mismatch: {
    status: 401,
    sentence: 'The token names a key of the issuer, but another algorithm than the key is for.',
    fix: () => 'Keycloak does not issue such a token: find out where the caller has it from.'
  },
  signature_invalid: {
    status: 401,
    sentence: 'The signature was not made with the key that the token names.',
    fix: () => 'The token was altered, or signed by somebody else. Compare it with the access_token of the token response.'
  }
} as const satisfies Readonly<Record<string, ReasonText>>

function fixOfUnknownKey ({ issuer, jwksUrl, developmentIssuer }: ReasonContext): string {
  const [realm, keysRealm] = [realmOf(issuer), realmOf(jwksUrl)]
  if (realm !== undefined && keysRealm !== undefined && realm !== keysRealm) {
    return `JWKS_URL contains the realm ${keysRealm}, but ISSUER the realm ${realm}, so that the keys of another realm are fetched: ` +
      'correct JWKS_URL.'
  }
  if (developmentIssuer === true) {
    return 'The development issuer has other keys than when it issued this token: ' +
      'it was started in another folder, or its file of keys was removed. The caller must request a new token.'
  }
  return 'Either the key was withdrawn and the caller must request a new token, or its type is not supported (Ed448, RSA below 2048 ' +
    'bits), or the token comes from another realm of the same name, or it is forged. ' +
    `Keys that are added to ${issuer} are found automatically.`
}

function realmOf (address: string | undefined): string | undefined {
  return address === undefined ? undefined : /\/realms\/([^/?#]+)/.exec(address)?.[1]
}
