import { isInsecure } from '../http/addresses.ts'
import { realmOf, withoutDefaultPort } from '../http/issuer-address.ts'
import type { IssuerSettings } from './issuer-options.ts'
import { quote } from './quote.ts'

/** How the reader of a warning knows a setting: `AUDIENCE`, or `audience`. */
export interface SettingNames {
  readonly issuer: string
  readonly audience: string
  readonly jwksUrl: string
  /** As it is written: `AUDIENCE=*`. */
  readonly anyAudience: string
}

type Warned = Pick<IssuerSettings, 'issuer' | 'audience' | 'jwksUrl'> & { readonly keys?: IssuerSettings['keys'] }

/** What an operator should read at every start about one issuer: one sentence each. */
export function issuerWarnings (settings: Warned, names: SettingNames): string[] {
  return [audienceWarning(settings, names), portWarning(settings, names), realmWarning(settings, names)]
    .filter((warning) => warning !== undefined)
}

function audienceWarning ({ audience }: Warned, { audience: name, anyAudience }: SettingNames): string | undefined {
  if (audience === 'any') {
    return `${anyAudience}: a token made for any other API of the realm is accepted here too; ` +
      'name this API (an audience mapper in Keycloak) instead'
  }
  return audience.includes('account')
    ? `${name}=account: almost every token of a Keycloak realm has this audience, so that it proves nothing; ` +
    'name this API (an audience mapper in Keycloak) instead'
    : undefined
}

function portWarning ({ issuer }: Warned, { issuer: name }: SettingNames): string | undefined {
  const usual = withoutDefaultPort(issuer)
  return usual === undefined ? undefined
    : `${name} has the default port in it; most issuers leave it out of iss, and the two are compared exactly: ` +
      `if tokens are refused as issuer_mismatch, write ${usual}`
}

function realmWarning ({ issuer, jwksUrl, keys }: Warned, names: SettingNames): string | undefined {
  const [ours, theirs] = [realmOf(issuer), realmOf(jwksUrl)]
  return keys !== undefined || ours === undefined || theirs === undefined || ours === theirs ? undefined
    : `${names.jwksUrl} is of the realm ${quote(theirs)}, ${names.issuer} of the realm ${quote(ours)}: ` +
      'no token of the issuer has a key there, so that every token is refused as key_unknown'
}

/** Settings that name plain http to another host. */
export function insecureWarning (settings: Readonly<Record<string, string | undefined>>): string | undefined {
  const names = Object.entries(settings).filter(([, value]) => value !== undefined && isInsecure(value)).map(([name]) => name)
  return names.length === 0
    ? undefined
    : `${names.join(', ')}: plain http to another host: anyone on the path can change keys and read tokens; use https`
}
