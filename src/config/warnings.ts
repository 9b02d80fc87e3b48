import { isInsecure } from '../http/addresses.ts'
import { realmOf, withoutDefaultPort } from '../http/issuer-address.ts'
import { quote } from './config-error.ts'
import { namesReadTooEarly, OLD_CHALLENGE_REALM, unknownNames } from './names.ts'
import type { Config } from './settings.ts'

type Given = Readonly<Record<string, string>>

/** What an operator should read at every start: one sentence each. */
export function warningsOf (config: Omit<Config, 'warnings'>, given: Given, fileNames: readonly string[]): string[] {
  return [
    environmentWarning(given), ...audienceWarnings(config), insecureWarning(config), portWarning(config), realmWarning(config), oldNameWarning(given),
    unknownNames(fileNames), namesReadTooEarly(fileNames)
  ].filter((warning) => warning !== undefined)
}

function environmentWarning ({ NODE_ENV }: Given): string | undefined {
  return NODE_ENV === undefined || ['production', 'development', 'test'].includes(NODE_ENV) ? undefined
    : `NODE_ENV=${quote(NODE_ENV)} is treated as production; expected production, development or test`
}

function audienceWarnings ({ audience }: Pick<Config, 'audience'>): string[] {
  if (audience === 'any') return ['AUDIENCE=*: a token made for any other API of the realm is accepted here too; name this API (an audience mapper in Keycloak) instead']
  return audience.includes('account') ? ['AUDIENCE=account: almost every token of a Keycloak realm has this audience, so that it proves nothing; name this API (an audience mapper in Keycloak) instead'] : []
}

function insecureWarning ({ issuer, jwksUrl, publicUrl }: Pick<Config, 'issuer' | 'jwksUrl' | 'publicUrl'>): string | undefined {
  const names = Object.entries({ ISSUER: issuer, JWKS_URL: jwksUrl, PUBLIC_URL: publicUrl })
    .filter(([, value]) => value !== undefined && isInsecure(value)).map(([name]) => name)
  return names.length === 0 ? undefined : `${names.join(', ')}: plain http to another host: anyone on the path can change keys and read tokens; use https`
}

function portWarning ({ issuer }: Pick<Config, 'issuer'>): string | undefined {
  const usual = withoutDefaultPort(issuer)
  return usual === undefined ? undefined : `ISSUER has the default port in it; most issuers leave it out of iss, and the two are compared exactly: if tokens are refused as issuer_mismatch, write ${usual}`
}

function realmWarning ({ issuer, jwksUrl }: Pick<Config, 'issuer' | 'jwksUrl'>): string | undefined {
  const [ours, keys] = [realmOf(issuer), realmOf(jwksUrl)]
  return ours === undefined || keys === undefined || ours === keys ? undefined
    : `JWKS_URL is of the realm ${quote(keys)}, ISSUER of the realm ${quote(ours)}: no token of the issuer has a key there, so that every token is refused as key_unknown`
}

function oldNameWarning (given: Given): string | undefined {
  return given[OLD_CHALLENGE_REALM] === undefined ? undefined
    : `${OLD_CHALLENGE_REALM} is now CHALLENGE_REALM (the realm of the challenge, not the Keycloak realm), and will not be read in the next version`
}
