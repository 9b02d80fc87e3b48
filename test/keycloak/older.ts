import { keycloakVersion } from '../../tools/keycloak/distribution.ts'
import type { Json } from '../support/keycloak-api.ts'

/** The development issuer imitates this line and later ones; seen different with 26.5.6 and 26.4.7. */
const IMITATED = [26, 7]
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'

const [major = 0, minor = 0] = keycloakVersion().split('.').map(Number)

/** Whether the Keycloak that KEYCLOAK_VERSION names is of an older line (docs/how-to/keycloak.md has the differences). */
export const isOlder = major < (IMITATED[0] ?? 0) || (major === IMITATED[0] && minor < (IMITATED[1] ?? 0))

/** Of a user's wrong password: 400 as RFC 6749 section 5.2 has it, 401 in older lines. */
export const wrongPasswordStatus = isOlder ? 401 : 400

/** The response of an older line as the imitated line would give it: only what is known to differ is changed. */
export function asImitated ({ status, body }: { readonly status: number, readonly body: Json }): { status: number, body: Json } {
  if (!isOlder) return { status, body }
  const { grant_types_supported: grants } = body
  return {
    status: body.error === 'invalid_grant' && status === wrongPasswordStatus ? 400 : status,
    body: Array.isArray(grants) ? { ...body, grant_types_supported: [...grants as string[], JWT_BEARER] } : body
  }
}

/** What the `cnf` of a token has beside the thumbprint of a DPoP key; seen missing with 26.5.6 and 26.4.7. */
export const BINDING_TYPE: Json = { 'kc-jkt-type': 'DPoP' }

/** Members that tokens of older lines do not have: of refresh tokens they are for the issuer alone. */
export function withNewMembers (wanted: Json, found: Json): Json {
  return isOlder ? withRefreshMembers(withBindingType(wanted), found) : wanted
}

function withBindingType (wanted: Json): Json {
  const { access_token: token } = wanted as { access_token?: { header: Json, payload: Json } }
  if (token?.payload.cnf === undefined) return wanted
  return { ...wanted, access_token: { ...token, payload: { ...token.payload, cnf: { ...token.payload.cnf, ...BINDING_TYPE } } } }
}

function withRefreshMembers (wanted: Json, found: Json): Json {
  if (typeof found.refresh_token !== 'string') return wanted
  const { aud_x: audience, prov } = JSON.parse(Buffer.from(found.refresh_token.split('.')[1] ?? '', 'base64url').toString()) as Json
  const { header, payload } = wanted.refresh_token as { header: Json, payload: Json }
  return { ...wanted, refresh_token: { header, payload: { ...payload, aud_x: audience, prov } } }
}
