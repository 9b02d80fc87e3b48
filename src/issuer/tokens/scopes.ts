import { Refusal } from '../http/responses.ts'
import type { Client } from '../realm/directory.ts'
import type { RealmClientScope } from '../realm/realm.ts'

export interface GrantedScopes {
  readonly granted: readonly RealmClientScope[]
  readonly openid: boolean
  /** As the response and the token show them: without those that are not to be included. */
  readonly text: string
}

/** Keycloak takes a longer parameter as absent. */
const MAX_CHARACTERS = 4000

const isShown = ({ attributes }: RealmClientScope): boolean => attributes?.['include.in.token.scope'] !== 'false'

/** A scope parameter with words that the client may not request. */
export class InvalidScope extends Refusal {
  readonly clientId: string
  readonly words: readonly string[]

  constructor (parameter: string | null, clientId: string, words: readonly string[]) {
    super(400, 'invalid_scope', printable(`Invalid scopes: ${parameter}`))
    this.clientId = clientId
    this.words = words.map(printable)
  }
}

/** A description may not carry control characters (RFC 6749 section 5.2). */
const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, '')

function wordsOf (parameter: string | null): ReadonlySet<string> {
  const absent = parameter === null || parameter.length > MAX_CHARACTERS || /^ +$/.test(parameter)
  return new Set(absent ? [] : parameter.split(' '))
}

/**
 * The default scopes, and those of the optional ones that are requested for. One word that the client may not have, also an
 * empty one (two spaces, a space at an end), refuses the whole.
 */
export function grantScopes (client: Client, parameter: string | null): GrantedScopes {
  const requested = wordsOf(parameter)
  const { defaultScopes, optionalScopes } = client
  const known = new Set(['openid', ...[...defaultScopes, ...optionalScopes].map(({ name }) => name)])
  const unknown = [...requested].filter((word) => !known.has(word))
  if (unknown.length > 0) throw new InvalidScope(parameter, client.clientId, unknown)
  const openid = requested.has('openid')
  const granted = [...defaultScopes, ...optionalScopes.filter(({ name }) => requested.has(name))]
  const text = [...openid ? ['openid'] : [], ...granted.filter(isShown).map(({ name }) => name)].join(' ')
  return { granted, openid, text }
}
