import { readFileSync } from 'node:fs'
import type { Json } from './keycloak-api.ts'

export interface Granted {
  readonly status: number
  readonly headers: Headers
  readonly body: Json
}

export const myorgFile = (): Json => JSON.parse(readFileSync(new URL('../../keycloak/myorg-realm.json', import.meta.url), 'utf8')) as Json

/** The demo secrets of the realm file. */
export const secretOf = (clientId: string): string => `${clientId.replaceAll('_', '-')}-demo-secret`

export const credentials = (clientId: string, scope?: string): Record<string, string> => ({
  grant_type: 'client_credentials', client_id: clientId, client_secret: secretOf(clientId), ...scope !== undefined && { scope }
})

export const ofUser = (scope?: string): Record<string, string> => ({
  grant_type: 'password', client_id: 'test_user_client', username: 'test_user', password: 'test-user-demo-password',
  ...scope !== undefined && { scope }
})

/** The response of the token endpoint of an issuer to this form. */
export async function grant (issuer: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Granted> {
  const response = await fetch(`${issuer}/protocol/openid-connect/token`, { method: 'POST', body: new URLSearchParams(form), headers })
  return { status: response.status, headers: response.headers, body: await response.json() as Json }
}

/** A member of a token response that must be good: the access token, unless another is named. */
export async function tokenOf (issuer: string, form: Record<string, string>, member = 'access_token'): Promise<string> {
  const { status, body } = await grant(issuer, form)
  if (status !== 200 || typeof body[member] !== 'string') {
    throw new Error(`no ${member} from ${issuer}: ${status} ${JSON.stringify(body.error_description)}`)
  }
  return body[member]
}

/** Header and payload of a JWT. */
export function decode (token: string): { readonly header: Json, readonly payload: Json } {
  const [header, payload] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json)
  return { header: header ?? {}, payload: payload ?? {} }
}
