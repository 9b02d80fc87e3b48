import { isInsecure } from '../../http/addresses.ts'
import { addressHint } from '../../oauth/address-hint.ts'
import { issuerDifference } from '../../oauth/issuer-difference.ts'
import type { KeySet } from '../../oauth/key-set.ts'
import { printable } from '../../oauth/printable.ts'
import type { IssuerSettings } from '../../options/issuer-options.ts'
import { failed, ok, skipped, warning, type Check, type Section } from './check.ts'
import { clockCheck, clockUnknown, dateOf } from './clock.ts'
import { diagnose, type Way } from './connection.ts'
import { keySetChecks, type KeySetFindings } from './keys.ts'
import { probe, type Probe } from './probe.ts'
import { scopeChecks } from './scopes.ts'

export interface IssuerContext extends Way {
  readonly allowInsecureHttp: boolean
  readonly developmentIssuer: boolean
  /** Of the access matrix; undefined: the matrix is not known. */
  readonly scopes: readonly string[] | undefined
  readonly nowMs: () => number
}

/** What the discovery document says, as far as it is used. */
export interface Discovery {
  readonly issuer: string
  readonly jwksUri: unknown
  readonly tokenEndpoint: string | undefined
  readonly scopesSupported: readonly string[] | undefined
}

export interface IssuerFindings {
  readonly issuer: string
  readonly section: Section
  readonly keySet: KeySet | undefined
  readonly discovery: Discovery | undefined
  /** Whether a response had a `Date`, so that the clocks are compared. */
  readonly dated: boolean
}

const START = 'Start the development issuer with npm start, or set ISSUER and AUDIENCE.'
const KEYS_PATH = '/protocol/openid-connect/certs'

/** The address at which this machine reaches the issuer: that of its keys, where it has Keycloak's form. */
export function reachedAt ({ issuer, jwksUrl }: IssuerSettings): string {
  return jwksUrl.endsWith(KEYS_PATH) ? jwksUrl.slice(0, -KEYS_PATH.length) : issuer.replace(/\/$/, '')
}

/** Everything about one issuer, each check for itself: where the service reaches it, who it says it is, its keys, its clock, its scopes. */
export async function examineIssuer (settings: IssuerSettings, context: IssuerContext): Promise<IssuerFindings> {
  const title = `Issuer ${settings.issuer}`
  if (settings.keys !== undefined) {
    const { checks, keySet } = keySetChecks(JSON.stringify(settings.keys), settings)
    return {
      issuer: settings.issuer,
      section: { title, checks: [ok('issuer_reachable', 'the keys are in the configuration: nothing is fetched'), ...checks] },
      keySet,
      discovery: undefined,
      dated: false
    }
  }
  const [keys, document] = await Promise.all([
    probe(settings.jwksUrl, context, context.nowMs),
    probe(`${reachedAt(settings)}/.well-known/openid-configuration`, context, context.nowMs)
  ])
  const discovery = readDiscovery(document)
  const { checks, keySet } = keysOf(keys, settings, discovery)
  const dates = [keys, document].map(dateOf).filter((one) => one !== undefined)
  return {
    issuer: settings.issuer,
    section: {
      title,
      checks: [
        plainHttpCheck(settings, context),
        await reachableCheck(keys, context),
        discoveryCheck(document, discovery, settings, keySet !== undefined),
        ...checks,
        keys.response === undefined && document.response === undefined ? clockUnknown() : clockCheck(dates, settings.clockToleranceSeconds),
        ...scopeChecks(context.scopes, discovery)
      ]
    },
    keySet,
    discovery,
    dated: dates.length > 0
  }
}

function plainHttpCheck ({ issuer, jwksUrl }: IssuerSettings, { allowInsecureHttp }: IssuerContext): Check {
  const insecure = Object.entries({ ISSUER: issuer, JWKS_URL: jwksUrl }).filter(([, address]) => isInsecure(address)).map(([name]) => name)
  if (insecure.length === 0) return ok('plain_http', 'https, or plain http on this machine only')
  const more = {
    cause: `${insecure.join(' and ')}: plain http to another host. Anyone on the path can change the keys and so issue tokens.`,
    fix: 'Use https.'
  }
  return allowInsecureHttp
    ? warning('plain_http', 'plain http, accepted by ALLOW_INSECURE_HTTP=on', more)
    : failed('plain_http', 'plain http to another host', { ...more, fix: 'Use https; ALLOW_INSECURE_HTTP=on accepts it.' })
}

async function reachableCheck ({ address, response, error, startedMs, endedMs }: Probe, context: IssuerContext): Promise<Check> {
  if (error !== undefined) {
    const more = await diagnose(address, error, context)
    const isDown = context.developmentIssuer && more.code === 'connection_refused'
    return failed('issuer_reachable', `${new URL(address).origin} cannot be reached`, isDown ? { ...more, fix: START } : more)
  }
  return ok(
    'issuer_reachable',
    `${new URL(address).origin} responds (${response?.status ?? 0}, ${Math.max(0, Math.round(endedMs - startedMs))} ms)`
  )
}

function readDiscovery ({ response }: Probe): Discovery | undefined {
  if (response?.status !== 200) return undefined
  let document: Readonly<Record<string, unknown>>
  try {
    document = Object(JSON.parse(response.text)) as Record<string, unknown>
  } catch {
    return undefined
  }
  const { issuer, jwks_uri: jwksUri, token_endpoint: endpoint, scopes_supported: scopes } = document
  if (typeof issuer !== 'string') return undefined
  return {
    issuer,
    jwksUri,
    tokenEndpoint: typeof endpoint === 'string' ? endpoint : undefined,
    scopesSupported: Array.isArray(scopes) ? scopes.filter((scope) => typeof scope === 'string') : undefined
  }
}

/** The service needs no such document: without it nothing is wrong as long as there are keys. */
function discoveryCheck (
  { address, response, error }: Probe, discovery: Discovery | undefined, settings: IssuerSettings, hasKeys: boolean
): Check {
  const { issuer, jwksUrl } = settings
  const title = 'the discovery document names the same issuer'
  if (error !== undefined) {
    return skipped(
      'discovery_issuer',
      title,
      `${new URL(address).origin} does not respond. The service itself does not need this document.`
    )
  }
  if (discovery === undefined) {
    const cause = `${address} responds with ${response?.status === 200 ? 'something else' : `status ${response?.status ?? 0}`}.`
    return (hasKeys ? warning : failed)('discovery_issuer', 'there is no discovery document', {
      cause, fix: `${addressHint(issuer, jwksUrl)}.`
    })
  }
  if (discovery.issuer === issuer) return ok('discovery_issuer', title)
  const fix = issuerDifference(discovery.issuer, issuer) ??
    `Tokens contain the issuer that the document names. If it is the realm that is meant, set ISSUER to it.`
  const cause = `It names ${printable(discovery.issuer)}, and ISSUER is ${issuer}.`
  return reachedAt(settings) === issuer.replace(/\/$/, '')
    ? failed('discovery_issuer', 'the discovery document names another issuer', { cause, fix: fix.replaceAll('iss is ', 'the issuer is ') })
    : warning('discovery_issuer', 'at the address of JWKS_URL the issuer has another name', {
        cause,
        fix:
          'Tokens that are requested there are refused as issuer_mismatch; ' +
          'those that are requested at the address in ISSUER are accepted. ' +
          'KC_HOSTNAME fixes the name in Keycloak.'
      })
}

function keysOf ({ address, response }: Probe, settings: IssuerSettings, discovery: Discovery | undefined): KeySetFindings {
  if (response === undefined) {
    return { checks: [skipped('keys', 'the key set contains a usable key', 'There is no response.')], keySet: undefined }
  }
  if (response.status === 200) return keySetChecks(response.text, settings)
  const { jwksUri } = discovery ?? {}
  const elsewhere = typeof jwksUri === 'string' && jwksUri !== address
  const fix = elsewhere
    ? `The discovery document names another address: set JWKS_URL=${printable(jwksUri).replace(/^"|"$/g, '')}`
    : response.status === 404
      ? `${addressHint(settings.issuer, settings.jwksUrl)}.`
      : 'Look at the log of the issuer, or of the gateway in front of it.'
  return { checks: [failed('keys', 'the key set cannot be fetched', {
    code: `status_${response.status}`, cause: `${address} responds with status ${response.status}.`, fix
  })], keySet: undefined }
}
