import { keys } from '../src/events.ts'
import { addressHint } from '../src/oauth/address-hint.ts'
import { twoKeysUnder } from '../src/oauth/key-set.ts'
import type { KeyringEvents } from '../src/oauth/keyring.ts'
import type { IssuerOptions } from './auth.ts'

type Log = (fields: object, message: string) => void
interface Logger { readonly info: Log, readonly warn: Log, readonly error: Log }

type Whose = Pick<IssuerOptions, 'issuer' | 'jwksUrl' | 'keys'>
type Changes = Required<Omit<KeyringEvents, 'fetched'>>

/** One line of the log for each change of state of one issuer's keys. */
function loggedEvents (log: Logger, { issuer, jwksUrl, keys: given }: Whose): Changes {
  const cannot = given === undefined ? `the issuer's keys cannot be fetched from ${jwksUrl}` : 'the keys that were given cannot be used'
  return {
    unavailable (error, knownKeys, status) {
      const what = `${cannot}: ${error}${status === 404 ? `. ${addressHint(issuer, jwksUrl)}` : ''}`
      if (knownKeys > 0) log.warn({ issuer, jwksUrl, error, knownKeys }, `${what}; the known keys remain in use`)
      else log.error({ issuer, jwksUrl, error }, `${what}; protected routes respond 503 until they can`)
    },
    available: (afterMs) => log.info({ issuer, afterSeconds: Math.round(afterMs / 1000) }, 'the issuer\'s keys can be fetched again'),
    keysLoaded: (kids) => log.info({ issuer, kids }, 'the issuer\'s keys are known'),
    keysChanged: (added, removed) => log.info({ issuer, added, removed }, 'the issuer\'s keys have changed'),
    keysAmbiguous: (kids) => log.warn({ issuer, jwksUrl, kids }, `the key set lists ${twoKeysUnder(kids)}: these keys are not used`),
    keysExpired: (removed) =>
      log.error({ issuer, removed }, 'the issuer could not be reached for KEYS_MAX_STALE_HOURS; its keys are no longer used')
  }
}

/** What the keyring of one issuer reports: a line of the log for each change, and the events of `scopegate:keys`. */
export function keyringEvents (log: Logger, whose: Whose): KeyringEvents {
  const { issuer } = whose
  const logged = loggedEvents(log, whose)
  const published: Changes = {
    unavailable: (error, knownKeys) => keys.publish({ issuer, event: 'unavailable', error, knownKeys }),
    available: (afterMs) => keys.publish({ issuer, event: 'available', afterMs }),
    keysLoaded: (kids) => keys.publish({ issuer, event: 'loaded', kids }),
    keysChanged: (added, removed) => keys.publish({ issuer, event: 'changed', added, removed }),
    keysAmbiguous: (kids) => keys.publish({ issuer, event: 'ambiguous', kids }),
    keysExpired: (removed) => keys.publish({ issuer, event: 'expired', removed })
  }
  return {
    fetched: (durationMs, knownKeys, error) => keys.publish({
      issuer, event: 'fetched', result: error === undefined ? 'ok' : 'failed', durationMs, knownKeys, ...error !== undefined && { error }
    }),
    unavailable (...change) { logged.unavailable(...change); published.unavailable(...change) },
    available (...change) { logged.available(...change); published.available(...change) },
    keysLoaded (...change) { logged.keysLoaded(...change); published.keysLoaded(...change) },
    keysChanged (...change) { logged.keysChanged(...change); published.keysChanged(...change) },
    keysAmbiguous (...change) { logged.keysAmbiguous(...change); published.keysAmbiguous(...change) },
    keysExpired (...change) { logged.keysExpired(...change); published.keysExpired(...change) }
  }
}
