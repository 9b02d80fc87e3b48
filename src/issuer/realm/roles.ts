import type { Realm, RealmRole, RealmUser } from './realm.ts'

/** A role of the realm, or of a client of it. */
export interface Role {
  readonly client: string | undefined
  readonly name: string
}

type RolesByClient = Readonly<Record<string, readonly string[]>>

/** Roles that Keycloak makes in every realm unless the file does, with what they contain. */
const builtInRoles = (realm: Realm): { readonly realm: readonly RealmRole[], readonly account: readonly RealmRole[] } => ({
  realm: [{
    name: defaultRoleName(realm),
    composites: { realm: ['offline_access', 'uma_authorization'], client: { account: ['view-profile', 'manage-account'] } }
  }],
  account: [{ name: 'manage-account', composites: { client: { account: ['manage-account-links'] } } }]
})

const defaultRoleName = (realm: Realm): string => realm.defaultRole?.name ?? `default-roles-${realm.realm.toLowerCase()}`

/** Who holds which role, and which of them a client's tokens may carry. Each role is one object: compare by identity. */
export class Roles {
  readonly #realm: Realm
  readonly #byName = new Map<string, Role>()
  readonly #contained = new Map<Role, readonly Role[]>()

  constructor (realm: Realm) {
    this.#realm = realm
    const builtIn = builtInRoles(realm)
    const ofClients = Object.entries({ account: builtIn.account, ...realm.roles?.client })
    this.#define(undefined, [...builtIn.realm, ...realm.roles?.realm ?? []])
    for (const [client, roles] of ofClients) this.#define(client, roles)
  }

  /** What a user of the file holds; without one, a user that Keycloak makes itself: the default roles. */
  heldBy (user: RealmUser | undefined): ReadonlySet<Role> {
    if (user === undefined) return this.#expand([this.#role(undefined, defaultRoleName(this.#realm))])
    return this.#expand(this.#named(user.realmRoles, user.clientRoles))
  }

  /** What the tokens of a client may carry when it has not "full scope allowed": its own roles and those mapped to it. */
  inScope (clientId: string, scopeNames: readonly string[]): ReadonlySet<Role> {
    const own = [...this.#byName.values()].filter((role) => role.client === clientId)
    const { scopeMappings = [], clientScopeMappings = {} } = this.#realm
    const mapped = [[undefined, scopeMappings] as const, ...Object.entries(clientScopeMappings)].flatMap(([owner, mappings]) =>
      mappings
        .filter(({ client, clientScope }) => client === clientId || (clientScope !== undefined && scopeNames.includes(clientScope)))
        .flatMap(({ roles = [] }) => roles.map((name) => this.#role(owner, name))))
    return this.#expand([...own, ...mapped])
  }

  #define (client: string | undefined, roles: readonly RealmRole[]): void {
    for (const { name, composites } of roles) {
      this.#contained.set(this.#role(client, name), this.#named(composites?.realm, composites?.client))
    }
  }

  #named (ofRealm: readonly string[] = [], ofClients: RolesByClient = {}): Role[] {
    return [
      ...ofRealm.map((name) => this.#role(undefined, name)),
      ...Object.entries(ofClients).flatMap(([client, names]) => names.map((name) => this.#role(client, name)))
    ]
  }

  #role (client: string | undefined, name: string): Role {
    const key = JSON.stringify([client, name])
    const role = this.#byName.get(key) ?? { client, name }
    this.#byName.set(key, role)
    return role
  }

  /** With everything that composite roles contain. A set keeps its order and grows while it is walked. */
  #expand (roles: readonly Role[]): ReadonlySet<Role> {
    const all = new Set(roles)
    for (const role of all) this.#contained.get(role)?.forEach((one) => all.add(one))
    return all
  }
}
