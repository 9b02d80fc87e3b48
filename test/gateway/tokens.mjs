import { createPrivateKey, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The demo's client and its secret, which everybody knows, as the realm file has them. */
async function secretOf (clientId) {
  const realm = JSON.parse(await readFile(new URL('../../keycloak/myorg-realm.json', import.meta.url), 'utf8'))
  return realm.clients.find((client) => client.clientId === clientId).secret
}

export async function tokenOf (issuer, scope) {
  const form = {
    grant_type: 'client_credentials', client_id: 'test_api_client', client_secret: await secretOf('test_api_client'), ...scope && { scope }
  }
  const response = await fetch(`${issuer}/protocol/openid-connect/token`, { method: 'POST', body: new URLSearchParams(form) })
  return (await response.json()).access_token
}

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The token with claims added until it has exactly this length, signed with the issuer's key (RS256). */
export async function paddedToken (token, bytes, folder) {
  const { signing } = JSON.parse(await readFile(join(folder, 'keys.json'), 'utf8'))
  const [header, payload] = token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')))
  for (const note of ['', 'a', 'ab', 'abc']) {
    for (let padding = Math.ceil((bytes - token.length) * 3 / 4); padding > 0; padding--) {
      const input = `${encoded({ ...header, ...note && { note } })}.${encoded({ ...payload, padding: 'x'.repeat(padding) })}`
      const length = input.length + token.length - token.lastIndexOf('.')
      if (length < bytes) break
      if (length === bytes) return `${input}.${sign('sha256', Buffer.from(input), createPrivateKey(signing)).toString('base64url')}`
    }
  }
  throw new Error(`no token has ${bytes} bytes`)
}

/** The token with these claims added or replaced, signed with the issuer's key (RS256). */
export async function withClaims (token, claims, folder) {
  const { signing } = JSON.parse(await readFile(join(folder, 'keys.json'), 'utf8'))
  const [header, payload] = token.split('.')
  const input = `${header}.${encoded({ ...JSON.parse(Buffer.from(payload, 'base64url')), ...claims })}`
  return `${input}.${sign('sha256', Buffer.from(input), createPrivateKey(signing)).toString('base64url')}`
}
