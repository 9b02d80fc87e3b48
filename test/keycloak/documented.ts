import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'
import { projectFolder } from '../../tools/keycloak/checks.ts'
import { keycloakVersion } from '../../tools/keycloak/distribution.ts'
import { run } from '../../tools/keycloak/process.ts'
import { DEMO_ADMIN } from '../../tools/keycloak/server.ts'
import { callAdmin } from '../support/keycloak-admin.ts'
import { startApi } from '../support/keycloak-api.ts'
import { tokenOf } from '../support/keycloak-tokens.ts'

/** The `kcadm` lines of docs/how-to/keycloak.md, as they stand there but for the address, the password and the name of the realm. */
function documentedLines (url: string, realm: string): string {
  const text = readFileSync(join(projectFolder(), 'docs', 'how-to', 'keycloak.md'), 'utf8')
  return [...text.matchAll(/^```sh\n(kcadm[^]*?|[A-Z_]+=\$\(kcadm[^]*?)^```$/gm)].map(([, lines = '']) => lines).join('')
    .replace(/--server \S+ (.*)--user admin$/m, `--server ${url} $1--user ${DEMO_ADMIN.username} --password ${DEMO_ADMIN.password}`)
    .replaceAll(/\bmyorg\b/g, realm)
}

/** A person who pastes the documented lines has a realm that this service works with. */
export async function documented (t: Test, url: string): Promise<void> {
  const realm = `documented-${process.pid}`
  const home = mkdtempSync(join(tmpdir(), 'scopegate-'))
  const script = documentedLines(url, realm)
  t.equal(script.match(/^\S*kcadm\.sh /gm)?.length, 10, 'every line of the page is there')
  const path = [join(projectFolder(), '.keycloak', `keycloak-${keycloakVersion()}`, 'bin'), process.env.PATH].join(delimiter)
  t.teardown(async () => {
    rmSync(home, { recursive: true })
    await callAdmin(url, 'DELETE', `/${realm}`)
  })
  const { code, lines } = await run('sh', ['-c', `set -e\n${script}`], {
    environment: { PATH: path, KC_OPTS: `-Duser.home=${home} -XX:TieredStopAtLevel=1` }
  })
  t.equal(code, 0, 'they run', { lines: code === 0 ? [] : lines })
  const secret = /"value" : "(\w+)"/.exec(lines.join('\n'))?.[1] ?? ''

  const issuer = `${url}/realms/${realm}`
  const api = await startApi(t, { ISSUER: issuer, AUDIENCE: 'test_api' })
  const form = { grant_type: 'client_credentials', client_id: 'test_api_client', client_secret: secret }
  t.match(await api.get('/api/private', await tokenOf(issuer, form)), { status: 200 })
  t.match(await api.refusal(await tokenOf(issuer, form), '/api/private-scoped'), { status: 403, reason: 'scope_missing' })
  t.match(await api.get('/api/private-scoped', await tokenOf(issuer, { ...form, scope: 'test_api_access' })), { status: 200 })
}
