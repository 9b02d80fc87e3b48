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

const isIncluded = (attributes: Readonly<Record<string, string>> = {}): boolean => attributes['include.in.token.scope'] !== 'false'

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

/**
 * What a realm file lacks for tokens with these scopes: the lines to add, for a person. Empty where every scope is defined,
 * is included in tokens, and can be requested by a client.
 */
export function missingScopes (realm: Realm, scopes: readonly string[], clientId: string): readonly string[] {
  return scopes.flatMap((scope) => {
    const definition = realm.clientScopes?.find(({ name }) => name === scope)
    const assigned = realm.clients?.some(({ defaultClientScopes = [], optionalClientScopes = [] }) =>
      [...defaultClientScopes, ...optionalClientScopes].includes(scope)) === true
    const steps = [
      ...definition === undefined ? [`to "clientScopes":\n    ${scopeDefinition(scope)}`] : [],
      ...assigned ? [] : [`to "optionalClientScopes" of ${clientId}:\n    ${JSON.stringify(scope)}`],
      ...isIncluded(definition?.attributes) ? [] : ['to the "attributes" of this scope:\n    "include.in.token.scope": "true"']
    ]
    return steps.length === 0 ? [] : [`No token has the scope ${scope}. Add\n${steps.map((step) => `  ${step}`).join('\n')}`]
  })
}
