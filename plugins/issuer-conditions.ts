import type { KeySetSource } from '../src/oauth/key-set-source.ts'
import type { Keyring } from '../src/oauth/keyring.ts'
import type { TrustedIssuer } from '../src/oauth/trusted-issuers.ts'
import type { Condition } from './readiness.ts'

/** An issuer whose keys are fetched while the service runs. */
export interface KeysSource extends TrustedIssuer {
  readonly jwksUrl: string
  readonly keyring: Keyring
  readonly source: KeySetSource
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
      [named('any_audience'), () => one.audience === 'any'
        ? { severity: 'notice', text: `tokens of ${whose} that were issued for other APIs are accepted (AUDIENCE=*)` }
        : undefined]
    ] satisfies Watch[]
  })
}

function keysMissing ({ keyring }: KeysSource, whose: string, anyKeys: () => boolean): Condition | undefined {
  if (keyring.state().knownKeys > 0) return undefined
  return { severity: anyKeys() ? 'degraded' : 'unavailable', text: `the keys of ${whose} are not known` }
}

function issuerUnavailable ({ keyring }: KeysSource, whose: string): Condition | undefined {
  const { knownKeys, error, ageMs = 0 } = keyring.state()
  return error === undefined || knownKeys === 0
    ? undefined
    : { severity: 'degraded', text: `the keys of ${whose} in use were fetched ${Math.round(ageMs / 1000)} s ago` }
}
