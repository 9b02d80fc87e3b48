import { asStep, noClaims, setClaim, typed } from './claims.ts'
import type { Claims } from './claims.ts'
import type { Client, Subject } from '../realm/directory.ts'
import type { RealmMapper, RealmUser } from '../realm/realm.ts'
import type { Role } from '../realm/roles.ts'

/** What mappers turn into claims. `notes` are those of the session, by Keycloak's names. */
export interface MapperInput {
  readonly client: Client
  readonly subject: Subject
  readonly roles: readonly Role[]
  readonly notes: ReadonlyMap<string, string>
}

/** The setting that puts a mapper's claim into a kind of token. */
export type Target = 'access.token.claim' | 'id.token.claim' | 'lightweight.claim'

/** What the mappers made. The audience is kept apart: several mappers add to it. */
export interface MappedClaims {
  readonly claims: Claims
  readonly audience: Set<string>
}

type Config = Readonly<Record<string, string>>
type Mapper = (config: Config, input: MapperInput, mapped: MappedClaims) => void

/** Puts texts under the claim that `config` names: all of them where it says `multivalued`, else the first. */
function put (config: Config, { claims }: MappedClaims, texts: readonly string[], claimName = config['claim.name'] ?? ''): void {
  const values = texts.map((text) => typed(text, config['jsonType.label'])).filter((value) => value !== undefined)
  if (values.length > 0) setClaim(claims, claimName, config['multivalued'] === 'true' ? values : values[0])
}

type Attribute = readonly [string, (user: RealmUser) => string | undefined]

const BUILT_IN: readonly Attribute[] = [
  ['username', (user) => user.username],
  ['email', (user) => user.email],
  ['firstName', (user) => user.firstName],
  ['lastName', (user) => user.lastName]
]

// Maps: a realm file may name `constructor`.
const ATTRIBUTES = new Map(BUILT_IN)
const PROPERTIES = new Map([
  ...BUILT_IN,
  ['emailVerified', (user) => String(user.emailVerified ?? false)],
  ['enabled', (user) => String(user.enabled ?? true)]
] satisfies readonly Attribute[])

const one = (value: string | undefined): readonly string[] => value === undefined ? [] : [value]

function fullName ({ firstName, lastName }: RealmUser): string | undefined {
  const name = [firstName, lastName].filter((part) => part !== undefined).join(' ')
  return name === '' ? undefined : name
}

const clientRoles: Mapper = (config, { roles }, mapped) => {
  const only = config['usermodel.clientRoleMapping.clientId']
  const prefix = config['usermodel.clientRoleMapping.rolePrefix'] ?? ''
  const clients = new Set(roles.flatMap(({ client }) => one(client)).filter((client) => !only || client === only))
  for (const client of clients) {
    const names = roles.filter((role) => role.client === client).map(({ name }) => prefix + name)
    put(config, mapped, names, (config['claim.name'] ?? '').replace('${client_id}', () => asStep(client)))
  }
}

const MAPPERS = new Map<string, Mapper>([
  ['oidc-sub-mapper', (_, { subject }, { claims }) => { claims['sub'] = subject.id }],
  ['oidc-acr-mapper', (_, __, { claims }) => { claims['acr'] = '1' }],
  ['oidc-full-name-mapper', (_, { subject }, { claims }) => setClaim(claims, 'name', fullName(subject.profile))],
  ['oidc-usermodel-property-mapper', (config, { subject }, mapped) =>
    put(config, mapped, one(PROPERTIES.get(config['user.attribute'] ?? '')?.(subject.profile)))],
  ['oidc-usermodel-attribute-mapper', (config, { subject: { profile } }, mapped) => {
    const name = config['user.attribute'] ?? ''
    const builtIn = ATTRIBUTES.get(name)
    put(config, mapped, builtIn ? one(builtIn(profile)) : new Map(Object.entries(profile.attributes ?? {})).get(name) ?? [])
  }],
  [
    'oidc-usersessionmodel-note-mapper',
    (config, { notes }, mapped) => put(config, mapped, one(notes.get(config['user.session.note'] ?? '')))
  ],
  ['oidc-usermodel-realm-role-mapper', (config, { roles }, mapped) => {
    const prefix = config['usermodel.realmRoleMapping.rolePrefix'] ?? ''
    put(config, mapped, roles.filter(({ client }) => client === undefined).map(({ name }) => prefix + name))
  }],
  ['oidc-usermodel-client-role-mapper', clientRoles],
  ['oidc-allowed-origins-mapper', (_, { client }, { claims }) => {
    if (client.webOrigins.length > 0) claims['allowed-origins'] = client.webOrigins
  }],
  ['oidc-audience-mapper', (config, _, { audience }) => {
    const name = config['included.client.audience'] || config['included.custom.audience']
    if (name) audience.add(name)
  }],
  // A client is never put into the audience of its own tokens by its roles, only by a mapper that names it.
  ['oidc-audience-resolve-mapper', (_, { client: { clientId }, roles }, { audience }) => {
    for (const { client } of roles) if (client !== undefined && client !== clientId) audience.add(client)
  }],
  ['oidc-hardcoded-claim-mapper', (config, _, mapped) => put(config, mapped, one(config['claim.value']))]
])

/** Runs the mappers that are meant for this kind of token; the later one wins. Kinds that are not known do nothing. */
export function mapClaims (mappers: readonly RealmMapper[], target: Target, input: MapperInput): MappedClaims {
  const mapped: MappedClaims = { claims: noClaims(), audience: new Set() }
  for (const { protocolMapper, config = {} } of mappers) {
    if (config[target] === 'true') MAPPERS.get(protocolMapper)?.(config, input, mapped)
  }
  return mapped
}
