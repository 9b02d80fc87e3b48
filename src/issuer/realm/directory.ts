import { createHash } from 'node:crypto'
import { BUILT_IN_CLIENTS, BUILT_IN_DEFAULTS, BUILT_IN_OPTIONALS, BUILT_IN_SCOPES, OFFLINE_ACCESS } from './built-in.ts'
import type { Realm, RealmClient, RealmClientScope, RealmUser } from './realm.ts'
import { Roles } from './roles.ts'
import type { Role } from './roles.ts'

/** Who a token is about. `id` is its `sub`. */
export interface Subject {
  readonly id: string
  readonly profile: RealmUser
  readonly held: ReadonlySet<Role>
}

/** A client with the scopes it has by default and those it may request. */
export interface Client extends RealmClient {
  readonly attributes: Readonly<Record<string, string>>
  /** Origins of browsers, `+` replaced by those of the redirect addresses. */
  readonly webOrigins: readonly string[]
  readonly defaultScopes: readonly RealmClientScope[]
  readonly optionalScopes: readonly RealmClientScope[]
}

/** The same for the same names, in every run: shaped like a UUID (RFC 9562, version 8). */
function stableId (...names: readonly string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(names)).digest('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-')
}

function origins ({ webOrigins = [], redirectUris = [] }: RealmClient): readonly string[] {
  const ofRedirects = redirectUris.filter((uri) => URL.canParse(uri)).map((uri) => new URL(uri).origin)
  return [...new Set(webOrigins.flatMap((origin) => origin === '+' ? ofRedirects : [origin]))]
}

/** What a realm file means: the one place where Keycloak's defaults are filled in. */
export class Directory {
  readonly realm: Realm
  readonly scopes: ReadonlyMap<string, RealmClientScope>
  readonly #clients: ReadonlyMap<string, Client>
  readonly #users: ReadonlyMap<string, RealmUser>
  readonly #roles: Roles

  constructor (realm: Realm) {
    this.realm = realm
    const scopes = [OFFLINE_ACCESS, ...realm.clientScopes ?? BUILT_IN_SCOPES]
    this.scopes = new Map(scopes.filter(({ protocol = 'openid-connect' }) => protocol === 'openid-connect').map((one) => [one.name, one]))
    this.#clients = new Map([...BUILT_IN_CLIENTS, ...realm.clients ?? []].map((one) => [one.clientId, this.#complete(one)]))
    this.#users = new Map((realm.users ?? []).map((one) => [one.username.toLowerCase(), one]))
    this.#roles = new Roles(realm)
  }

  /** A client that may be used, by its exact id. */
  client (clientId: string): Client | undefined {
    const client = this.#clients.get(clientId)
    return client?.enabled === false ? undefined : client
  }

  /** The user behind a client's service account: the one of the file, or as Keycloak makes it. */
  serviceAccount ({ clientId }: Client): Subject {
    const listed = this.realm.users?.find((one) => one.serviceAccountClientId === clientId)
    return this.#subject(listed ?? { username: `service-account-${clientId}`.toLowerCase() }, this.#roles.heldBy(listed))
  }

  /** A person who may log in, by name in any letter case. */
  person (username: string): Subject | undefined {
    const user = this.#users.get(username.toLowerCase())
    const mayLogIn = user !== undefined && user.enabled !== false && user.serviceAccountClientId === undefined
    return mayLogIn ? this.#subject(user, this.#roles.heldBy(user)) : undefined
  }

  /** The roles of a subject that a token for this client, with these scopes, may carry. */
  rolesFor (client: Client, scopes: readonly RealmClientScope[], { held }: Subject): readonly Role[] {
    if (client.fullScopeAllowed ?? client.consentRequired !== true) return [...held]
    const inScope = this.#roles.inScope(client.clientId, scopes.map(({ name }) => name))
    return [...held].filter((role) => inScope.has(role))
  }

  #subject (profile: RealmUser, held: ReadonlySet<Role>): Subject {
    return { id: profile.id ?? stableId(this.realm.realm, profile.username), profile, held }
  }

  /** A client that names any scopes has those and no others; one that names none has the realm's. */
  #complete (client: RealmClient): Client {
    const names = this.#scopeNames(client)
    const optionalNames = names.optional.filter((name) => !names.byDefault.includes(name))
    return {
      ...client,
      attributes: client.attributes ?? {},
      webOrigins: origins(client),
      defaultScopes: this.#named(names.byDefault),
      optionalScopes: this.#named(optionalNames)
    }
  }

  #scopeNames (client: RealmClient): { readonly byDefault: readonly string[], readonly optional: readonly string[] } {
    const { defaultClientScopes, optionalClientScopes, serviceAccountsEnabled } = client
    if (defaultClientScopes !== undefined || optionalClientScopes !== undefined) {
      return { byDefault: defaultClientScopes ?? [], optional: optionalClientScopes ?? [] }
    }
    const { clientScopes, defaultDefaultClientScopes, defaultOptionalClientScopes } = this.realm
    const ofRealm = defaultDefaultClientScopes ?? (clientScopes === undefined ? BUILT_IN_DEFAULTS : [])
    const optional = defaultOptionalClientScopes ?? (clientScopes === undefined ? BUILT_IN_OPTIONALS : [])
    const byDefault = serviceAccountsEnabled === true ? [...ofRealm, 'service_account'] : ofRealm
    return { byDefault, optional: [...optional, OFFLINE_ACCESS.name] }
  }

  #named (names: readonly string[]): readonly RealmClientScope[] {
    return [...new Set(names)].flatMap((name) => this.scopes.get(name) ?? [])
  }
}
