import { KeySetError } from '../../oauth/key-set-source.ts'
import { readKeyMember } from '../../oauth/key-set-member.ts'
import { membersOf, readKeySet, twoKeysUnder, type KeySet } from '../../oauth/key-set.ts'
import { printable } from '../../oauth/printable.ts'
import type { IssuerSettings } from '../../options/issuer-options.ts'
import { failed, ok, warning, type Check } from './check.ts'

export interface KeySetFindings {
  readonly checks: readonly Check[]
  readonly keySet: KeySet | undefined
}

/** Which keys of a set can be used, and why the others are ignored. */
export function keySetChecks (text: string, { algorithms }: Pick<IssuerSettings, 'algorithms'>): KeySetFindings {
  let keySet: KeySet
  try {
    keySet = readKeySet(text)
  } catch (error) {
    if (!(error instanceof KeySetError)) throw error
    return { checks: [failed('keys', 'the key set contains no usable key', {
      cause: `The response is ${error.message}.${ignoredKeys(text)}`,
      fix: 'Look at Realm settings, Keys: a key with the use SIG must be active. If the address is not that of a key set, set JWKS_URL.'
    })], keySet: undefined }
  }
  return { checks: [usableCheck(keySet, algorithms), ...ignoredCheck(text), ...ambiguousCheck(keySet)], keySet }
}

function usableCheck ({ keys }: KeySet, algorithms: readonly string[]): Check {
  const allowed = [...keys.values()].filter(({ alg }) => algorithms.includes(alg))
  const listed = (all: Iterable<{ readonly kid: string, readonly alg: string }>): string =>
    [...all].slice(0, 10).map(({ kid, alg }) => `${alg} ${printable(kid)}`).join(', ')
  if (allowed.length > 0) return ok('keys', `${allowed.length} usable: ${listed(allowed)}`)
  return failed('keys', 'no key is for an algorithm of ALGORITHMS', {
    cause: `ALGORITHMS is ${algorithms.join(' ')}; the keys are ${listed(keys.values())}.`,
    fix:
      'Add the algorithm with which the realm signs access tokens to ALGORITHMS (Realm settings, Tokens, Default signature algorithm). ' +
      'A Keycloak creates a key for another algorithm only when it issues the first token with it.'
  })
}

/** That a set lists keys for encryption too is usual, so that they are no reason to worry. */
function ignoredCheck (text: string): Check[] {
  const ignored = ignoredKeys(text)
  return ignored === '' ? [] : [ok('keys_ignored', `ignored:${ignored.replace(/^ Ignored:/, '')}`)]
}

function ignoredKeys (text: string): string {
  const ignored = members(text).flatMap((member) => {
    const why = readKeyMember(member).ignored
    return why === undefined ? [] : [`${printable((Object(member) as { kid?: unknown }).kid)} ${why}`]
  })
  return ignored.length === 0
    ? ''
    : ` Ignored: ${ignored.slice(0, 10).join('; ')}${ignored.length > 10 ? `; and ${ignored.length - 10} more` : ''}.`
}

function members (text: string): readonly unknown[] {
  try {
    return membersOf(text)
  } catch {
    return []
  }
}

function ambiguousCheck ({ ambiguous }: KeySet): Check[] {
  if (ambiguous.size === 0) return []
  return [warning('keys_ambiguous', 'some keys cannot be used', {
    cause: `The set lists ${twoKeysUnder([...ambiguous.values()])}: none of them is used.`,
    fix: 'Tokens signed with them are refused. Remove one of the keys in Realm settings, Keys.'
  })]
}
