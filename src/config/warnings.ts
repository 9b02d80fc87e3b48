import { insecureWarning, issuerWarnings, type SettingNames } from '../options/issuer-warnings.ts'
import { quote } from '../options/quote.ts'
import { namesReadTooEarly, OLD_CHALLENGE_REALM, unknownNames } from './names.ts'
import type { Config } from './settings.ts'

type Given = Readonly<Record<string, string>>

/** What an operator should read at every start: one sentence each. */
export function warningsOf (config: Omit<Config, 'warnings'>, given: Given, fileNames: readonly string[]): string[] {
  return [
    environmentWarning(given), explainingWarning(config), ...warningsOfIssuers(config, given), ...unusedWarnings(config),
    oldNameWarning(given), unknownNames(fileNames), namesReadTooEarly(fileNames)
  ].filter((warning) => warning !== undefined)
}

function environmentWarning ({ NODE_ENV }: Given): string | undefined {
  return NODE_ENV === undefined || ['production', 'development', 'test'].includes(NODE_ENV) ? undefined
    : `NODE_ENV=${quote(NODE_ENV)} is treated as production; expected production, development or test`
}

function explainingWarning ({ explainRefusals }: Pick<Config, 'explainRefusals'>): string | undefined {
  return explainRefusals ? 'EXPLAIN_REFUSALS=on: every refused caller reads the reason and the hint; for development only' : undefined
}

function namesOf (index: number, fromFile: boolean): SettingNames {
  if (!fromFile) return { issuer: 'ISSUER', audience: 'AUDIENCE', jwksUrl: 'JWKS_URL', anyAudience: 'AUDIENCE=*' }
  const at = `ISSUERS_FILE[${index}].`
  return { issuer: `${at}issuer`, audience: `${at}audience`, jwksUrl: `${at}jwksUrl`, anyAudience: `${at}audience "*"` }
}

function warningsOfIssuers ({ issuers, publicUrl }: Pick<Config, 'issuers' | 'publicUrl'>, { ISSUERS_FILE }: Given): string[] {
  const named = issuers.map((settings, index) => ({ settings, names: namesOf(index, ISSUERS_FILE !== undefined) }))
  const fetched = named.filter(({ settings }) => settings.keys === undefined)
  const addresses = fetched.flatMap(({ settings, names }) => [[names.issuer, settings.issuer], [names.jwksUrl, settings.jwksUrl]])
  const insecure = insecureWarning({ ...Object.fromEntries(addresses) as Record<string, string>, PUBLIC_URL: publicUrl })
  return [...named.flatMap(({ settings, names }) => issuerWarnings(settings, names)), ...insecure === undefined ? [] : [insecure]]
}

/** A setting that does nothing for want of another one: whoever set it believes that replicas share something. */
function unusedWarnings ({ redisUrl, rateLimitPerMinute, dpop }: Omit<Config, 'warnings'>): string[] {
  return redisUrl !== undefined && rateLimitPerMinute === undefined && dpop === 'off'
    ? ['REDIS_URL is not used: RATE_LIMIT_PER_MINUTE is not set, and DPOP is off'] : []
}

function oldNameWarning (given: Given): string | undefined {
  return given[OLD_CHALLENGE_REALM] === undefined ? undefined
    : `${OLD_CHALLENGE_REALM} is now CHALLENGE_REALM (the realm of the challenge, not the Keycloak realm), ` +
      'and will not be read in the next version'
}
