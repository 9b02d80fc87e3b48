import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { parseRealm } from '../../src/issuer/development-issuer.ts'
import type { Realm } from '../../src/issuer/development-issuer.ts'

type Json = Readonly<Record<string, unknown>>

export interface Sent {
  readonly method: string
  /** Sent as it is written, dots and all. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly text: string
}

/** One request over a connection of its own, without the corrections that `fetch` makes to paths and headers. */
export const send = (port: number, { method, path, headers = {}, body }: Sent, host = '127.0.0.1'): Promise<Received> =>
  new Promise((resolve, reject) => {
    const outgoing = request({ host, port, method, path, headers, agent: false }, (response) => {
      response.setEncoding('utf8')
      let text = ''
      response.on('data', (part: string) => { text += part })
      response.on('end', () => resolve({ status: Number(response.statusCode), headers: response.headers, text }))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })

const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** A form as a request: an array is a parameter that is sent so many times. */
export const formRequest = (path: string, form: Readonly<Record<string, string | readonly string[]>>): Sent => ({
  method: 'POST',
  path,
  headers: FORM,
  body: Object.entries(form).flatMap(([name, value]) => [value].flat().map((one) => String(new URLSearchParams([[name, one]])))).join('&')
})

/** A token response that must be one: its body, and the claims of the access token. */
export async function tokens (port: number, realm: string, form: Readonly<Record<string, string>>): Promise<{ body: Json, claims: Json }> {
  const { status, text } = await send(port, formRequest(`/realms/${realm}/protocol/openid-connect/token`, form))
  if (status !== 200) throw new Error(`${status} ${text}`)
  const body = JSON.parse(text) as Json
  return { body, claims: decoded(String(body['access_token'])).payload }
}

/** The parts of a JWT; its signature is looked at elsewhere. */
export function decoded (token: string): { readonly headerText: string, readonly header: Json, readonly payload: Json } {
  const [headerText = '', payload = ''] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString())
  return { headerText, header: JSON.parse(headerText) as Json, payload: JSON.parse(payload) as Json }
}

export const readJson = (path: string): unknown => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))

export const myorg = (): Realm => parseRealm(readJson('../../keycloak/myorg-realm.json'))
