import { BUILT_IN_SCOPES, OFFLINE_ACCESS } from './built-in.ts'
import type { Realm } from './realm.ts'

/** A client scope that is named and not defined. `at` is the path of the name, `clients[0].optionalClientScopes[0]`. */
export interface UndefinedScope {
  readonly at: string
  readonly owner: string
  readonly scope: string
}

/** Scopes of SAML, which Keycloak makes in every realm and nothing here uses. */
const SAML_SCOPES = ['role_list', 'saml_organization']

/** The line that defines a scope in `clientScopes` of a realm file. */
export const scopeDefinition = (name: string): string =>
  `{ "name": ${JSON.stringify(name)}, "protocol": "openid-connect", "attributes": { "include.in.token.scope": "true" } }`

function definedNames ({ clientScopes }: Realm): ReadonlySet<string> {
  const named = (clientScopes ?? BUILT_IN_SCOPES).map(({ name }) => name)
  return new Set([OFFLINE_ACCESS.name, ...named, ...clientScopes === undefined ? SAML_SCOPES : []])
}

/** Every client scope that a client, or the realm for its clients, names without defining it. */
export function undefinedScopes (realm: Realm): readonly UndefinedScope[] {
  const defined = definedNames(realm)
  const lists: readonly (readonly [string, string, readonly string[] | undefined])[] = [
    ['the realm', 'defaultDefaultClientScopes', realm.defaultDefaultClientScopes],
    ['the realm', 'defaultOptionalClientScopes', realm.defaultOptionalClientScopes],
    ...(realm.clients ?? []).flatMap(({ clientId, defaultClientScopes, optionalClientScopes }, index) => [
      [`client ${clientId}`, `clients[${index}].defaultClientScopes`, defaultClientScopes] as const,
      [`client ${clientId}`, `clients[${index}].optionalClientScopes`, optionalClientScopes] as const
    ])
  ]
  return lists.flatMap(([owner, at, names = []]) =>
    names.flatMap((scope, index) => defined.has(scope) ? [] : [{ at: `${at}[${index}]`, owner, scope }]))
}

/** What to add to a realm file so that a client can request a scope, and the token shows it; empty where nothing is missing. */
function stepsFor (realm: Realm, scope: string, clientId: string, isAssigned: boolean): readonly string[] {
  const definition = realm.clientScopes?.find(({ name }) => name === scope)
  const included = definition === undefined || definition.attributes?.['include.in.token.scope'] !== 'false'
  return [
    ...definition === undefined ? [`to "clientScopes": ${scopeDefinition(scope)}`] : [],
    ...isAssigned ? [] : [`to "optionalClientScopes" of ${clientId}: ${JSON.stringify(scope)}`],
    ...included ? [] : ['to the "attributes" of this scope: "include.in.token.scope": "true"']
  ]
}

/** The steps for every scope that no token can have, for a person. `clientId` is the client that should have it. */
export function missingScopes (realm: Realm, scopes: readonly string[], clientId: string): readonly string[] {
  return scopes.flatMap((scope) => {
    const isAssigned = realm.clients?.some(({ defaultClientScopes = [], optionalClientScopes = [] }) =>
      [...defaultClientScopes, ...optionalClientScopes].includes(scope)) === true
    const steps = stepsFor(realm, scope, clientId, isAssigned)
    return steps.length === 0
      ? []
      : [`No token has the scope ${scope}. Add to the realm file\n${steps.map((step) => `  ${step}`).join('\n')}`]
  })
}

/** Why a client was refused a scope, and what to add to the realm file. */
export const refusedScope = (realm: Realm, scope: string, clientId: string): string =>

  `The client ${clientId} cannot request the scope ${JSON.stringify(scope)}. ` +
  `Add to the realm file ${stepsFor(realm, scope, clientId, false).join('; ')}`
