import { nearMiss } from '../../oauth/near-miss.ts'
import { printable } from '../../oauth/printable.ts'
import { failed, ok, skipped, type Check } from './check.ts'
import type { Discovery } from './issuer.ts'

const TITLE = 'the realm knows the scopes that the routes require'

/** The scopes of the access matrix against `scopes_supported` of the discovery document (RFC 8414 §2: it may list fewer than there are). */
export function scopeChecks (required: readonly string[] | undefined, discovery: Pick<Discovery, 'scopesSupported'> | undefined): Check[] {
  const supported = discovery?.scopesSupported
  if (required === undefined) return [skipped('scopes', TITLE, 'The access matrix is not known: --access names its file.')]
  if (required.length === 0) return [ok('scopes', 'no route requires a scope')]
  if (supported === undefined) {
    return [
      skipped('scopes', TITLE, discovery === undefined ? 'There is no discovery document.' : 'The discovery document lists no scopes.')
    ]
  }
  const unknown = required.filter((scope) => !supported.includes(scope))
  if (unknown.length === 0) return [ok('scopes', `${TITLE}: ${required.join(' ')}`)]
  return unknown.map((scope) => {
    const meant = nearMiss(scope, supported)
    return failed('scope_unknown', `the realm does not list the scope ${scope}`, {
      cause: `scopes_supported of the discovery document does not contain it${meant === undefined ? '' : `, but ${printable(meant)}`}.`,
      fix:
        `In Keycloak create the client scope ${scope} (Client scopes, Create client scope, "Include in token scope" on) and add it to ` +
        'the calling client. If it exists, it may be left out of the document ("Include in OpenID Provider Metadata" off).'
    })
  })
}
