import { addressHint } from '../src/oauth/address-hint.ts'
import { twoKeysUnder } from '../src/oauth/key-set.ts'
import type { KeySetSource } from '../src/oauth/key-set-source.ts'
import type { Keyring, KeyringEvents } from '../src/oauth/keyring.ts'
import type { TrustedIssuer } from '../src/oauth/trusted-issuers.ts'
import type { Condition } from './readiness.ts'

/** An issuer whose keys are fetched while the service runs. */
export interface KeysSource extends TrustedIssuer {
  readonly jwksUrl: string
  readonly keyring: Keyring
  readonly source: KeySetSource
}

type Log = (fields: object, message: string) => void

/** One line of the log for each change of state of one issuer's keys. */
export function loggedEvents (log: { info: Log, warn: Log, error: Log }, { issuer, jwksUrl }: Pick<KeysSource, 'issuer' | 'jwksUrl'>): KeyringEvents {
  return {
    unavailable (error, knownKeys, status) {
      const what = `the issuer's keys cannot be fetched from ${jwksUrl}: ${error}${status === 404 ? `. ${addressHint(issuer, jwksUrl)}` : ''}`
      if (knownKeys > 0) log.warn({ issuer, jwksUrl, error, knownKeys }, `${what}; the known keys remain in use`)
      else log.error({ issuer, jwksUrl, error }, `${what}; protected routes respond 503 until they can`)
    },
    available: (afterMs) => log.info({ issuer, afterSeconds: Math.round(afterMs / 1000) }, 'the issuer\'s keys can be fetched again'),
    keysLoaded: (kids) => log.info({ issuer, kids }, 'the issuer\'s keys are known'),
    keysChanged: (added, removed) => log.info({ issuer, added, removed }, 'the issuer\'s keys have changed'),
    keysAmbiguous: (kids) => log.warn({ issuer, jwksUrl, kids }, `the key set lists ${twoKeysUnder(kids)}: these keys are not used`),
    keysExpired: (removed) => log.error({ issuer, removed }, 'the issuer could not be reached for KEYS_MAX_STALE_HOURS; its keys are no longer used')
  }
}

type Watch = readonly [name: string, condition: () => Condition | undefined]

/**
 * The conditions of every issuer. With several, each has its own, named by its place in the list (the name carries no configuration).
 * Without any keys nothing can be verified: unavailable. While another issuer has keys, a missing one is degraded: its tokens get 503.
 */
export function conditionsOf (issuers: readonly KeysSource[]): readonly Watch[] {
  const anyKeys = (): boolean => issuers.some(({ keyring }) => keyring.state().knownKeys > 0)
  return issuers.flatMap((one, at) => {
    const named = (name: string): string => issuers.length === 1 ? name : `${name}_${at + 1}`
    const whose = issuers.length === 1 ? 'the issuer' : one.issuer
    return [
      [named('keys_missing'), () => keysMissing(one, whose, anyKeys)],
      [named('issuer_unavailable'), () => issuerUnavailable(one, whose)],
      [named('any_audience'), () => one.audience === 'any' ? { severity: 'notice', text: `tokens of ${whose} that were issued for other APIs are accepted (AUDIENCE=*)` } : undefined]
    ] satisfies Watch[]
  })
}

function keysMissing ({ keyring }: KeysSource, whose: string, anyKeys: () => boolean): Condition | undefined {
  if (keyring.state().knownKeys > 0) return undefined
  return { severity: anyKeys() ? 'degraded' : 'unavailable', text: `the keys of ${whose} are not known` }
}

function issuerUnavailable ({ keyring }: KeysSource, whose: string): Condition | undefined {
  const { knownKeys, error, ageMs = 0 } = keyring.state()
  return error === undefined || knownKeys === 0 ? undefined : { severity: 'degraded', text: `the keys of ${whose} in use were fetched ${Math.round(ageMs / 1000)} s ago` }
}
