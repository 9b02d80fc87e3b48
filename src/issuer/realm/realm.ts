import { filled, flag, listOf, mapOf, membersOf, text, whole, word, type ShapeError } from './shape.ts'

type Texts = readonly string[]
type Words = Readonly<Record<string, string>>

/** Turns a user, a role or a note into a claim. `protocolMapper` is the kind, `config` its settings by Keycloak's names. */
export interface RealmMapper {
  readonly name?: string
  readonly protocolMapper: string
  readonly config?: Words
}

export interface RealmClientScope {
  readonly name: string
  readonly protocol?: string
  readonly attributes?: Words
  readonly protocolMappers?: readonly RealmMapper[]
}

export interface RealmClient {
  readonly clientId: string
  readonly secret?: string
  readonly enabled?: boolean
  readonly bearerOnly?: boolean
  readonly publicClient?: boolean
  readonly consentRequired?: boolean
  readonly serviceAccountsEnabled?: boolean
  readonly directAccessGrantsEnabled?: boolean
  readonly fullScopeAllowed?: boolean
  readonly clientAuthenticatorType?: string
  readonly attributes?: Words
  readonly redirectUris?: Texts
  readonly webOrigins?: Texts
  readonly defaultClientScopes?: Texts
  readonly optionalClientScopes?: Texts
  readonly protocolMappers?: readonly RealmMapper[]
}

export interface RealmRole {
  readonly name: string
  readonly composites?: { readonly realm?: Texts, readonly client?: Readonly<Record<string, Texts>> }
}

/** Gives the roles to the tokens of a client, or of every client with that scope. */
export interface RealmScopeMapping {
  readonly client?: string
  readonly clientScope?: string
  readonly roles?: Texts
}

export interface RealmUser {
  readonly username: string
  readonly id?: string
  readonly enabled?: boolean
  readonly email?: string
  readonly emailVerified?: boolean
  readonly firstName?: string
  readonly lastName?: string
  readonly attributes?: Readonly<Record<string, Texts>>
  readonly credentials?: readonly { readonly type?: string, readonly value?: string }[]
  readonly serviceAccountClientId?: string
  readonly realmRoles?: Texts
  readonly clientRoles?: Readonly<Record<string, Texts>>
}

/**
 * A realm as Keycloak imports and exports it (RealmRepresentation), as far as the development issuer uses it.
 * Times are in seconds; `notBefore` is a date in seconds since 1970.
 */
export interface Realm {
  readonly realm: string
  readonly enabled?: boolean
  readonly accessTokenLifespan?: number
  readonly ssoSessionIdleTimeout?: number
  readonly notBefore?: number
  readonly roles?: { readonly realm?: readonly RealmRole[], readonly client?: Readonly<Record<string, readonly RealmRole[]>> }
  readonly defaultRole?: { readonly name: string }
  readonly clientScopes?: readonly RealmClientScope[]
  readonly defaultDefaultClientScopes?: Texts
  readonly defaultOptionalClientScopes?: Texts
  readonly clients?: readonly RealmClient[]
  readonly scopeMappings?: readonly RealmScopeMapping[]
  readonly clientScopeMappings?: Readonly<Record<string, readonly RealmScopeMapping[]>>
  readonly users?: readonly RealmUser[]
}

const texts = listOf(text)
const words = mapOf(word)
const textsByName = mapOf(texts)
const mappers = listOf(membersOf({ name: text, protocolMapper: text, config: words }, 'protocolMapper'))
const scope = membersOf({ name: text, protocol: text, attributes: words, protocolMappers: mappers }, 'name')
const client = membersOf({
  clientId: text, secret: text, enabled: flag, bearerOnly: flag, publicClient: flag, consentRequired: flag,
  serviceAccountsEnabled: flag, directAccessGrantsEnabled: flag, fullScopeAllowed: flag, clientAuthenticatorType: text,
  attributes: words, redirectUris: texts, webOrigins: texts, defaultClientScopes: texts, optionalClientScopes: texts,
  protocolMappers: mappers
}, 'clientId')
const role = membersOf({ name: text, composites: membersOf({ realm: texts, client: textsByName }) }, 'name')
const scopeMappings = listOf(membersOf({ client: text, clientScope: text, roles: texts }))
const user = membersOf({
  username: text, id: text, enabled: flag, email: text, emailVerified: flag, firstName: text, lastName: text,
  attributes: textsByName, credentials: listOf(membersOf({ type: text, value: text })), serviceAccountClientId: text,
  realmRoles: texts, clientRoles: textsByName
}, 'username')
const realm = membersOf({
  realm: filled, enabled: flag, accessTokenLifespan: whole, ssoSessionIdleTimeout: whole, notBefore: whole,
  roles: membersOf({ realm: listOf(role), client: mapOf(listOf(role)) }), defaultRole: membersOf({ name: text }, 'name'),
  clientScopes: listOf(scope), defaultDefaultClientScopes: texts, defaultOptionalClientScopes: texts,
  clients: listOf(client), scopeMappings, clientScopeMappings: mapOf(scopeMappings), users: listOf(user)
}, 'realm')

/** A realm object that cannot be used: one sentence that names every broken member, and the same as data. */
export class RealmShapeError extends TypeError {
  readonly errors: readonly ShapeError[]

  constructor (errors: readonly ShapeError[]) {
    super(`The realm object cannot be used: ${errors.map(shapeSentence).join('; ')}.`)
    this.errors = errors
  }
}

export const shapeSentence = ({ at, expected }: ShapeError): string => `${at} must be ${expected}`.trim()

/**
 * Reads a realm object, for instance a parsed realm file: a copy of the members that are used, null taken as absent.
 * Throws a RealmShapeError. Not checked: whether the names in it refer to anything.
 */
export function parseRealm (value: unknown): Realm {
  const errors: ShapeError[] = []
  const read = realm(value, '', errors) as Realm
  if (errors.length > 0) throw new RealmShapeError(errors)
  return read
}
