// Takes the pictures of docs/how-to/keycloak.md: clicks its five steps together in the admin console of a real Keycloak.
//
//   npm run build:fast
//   node docs/how-to/images/take.mjs
//
// Needs a Chromium: CHROMIUM names it, /usr/bin/chromium otherwise. It starts a Keycloak of its own on port 8099 and throws
// the realm myorg away there to make it anew; KEYCLOAK_URL names one that runs already, to be treated the same way.
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { startKeycloak } from '../../../dist/tools/keycloak/server.js'

const REALM = 'myorg'
const CHROMIUM_FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync'
]
/** What is on the page but has nothing to do with the step. */
const QUIET = '.pf-v5-c-banner, [data-testid="global-alerts"], [data-testid="page-header"] { display: none !important }'

const folder = fileURLToPath(new URL('.', import.meta.url))
const { url, stop } = process.env.KEYCLOAK_URL === undefined
  ? await startKeycloak({ port: 8099, say: console.log })
  : { url: process.env.KEYCLOAK_URL, stop: () => undefined }
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: CHROMIUM_FLAGS })

try {
  await dropRealm()
  const page = await browser.newPage({ viewport: { width: 900, height: 700 }, deviceScaleFactor: 0.8, reducedMotion: 'reduce' })
  await logIn(page)
  await realm(page)
  await clientScope(page)
  await audienceMapper(page)
  await client(page)
  await scopesOfTheClient(page)
} finally {
  await browser.close()
  await stop()
}

async function dropRealm () {
  const form = { grant_type: 'password', client_id: 'admin-cli', username: 'admin', password: 'admin' }
  const answer = await fetch(`${url}/realms/master/protocol/openid-connect/token`, { method: 'POST', body: new URLSearchParams(form) })
  const { access_token: token } = await answer.json()
  await fetch(`${url}/admin/realms/${REALM}`, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
}

async function logIn (page) {
  await page.goto(`${url}/admin/`)
  await page.fill('#username', 'admin')
  await page.fill('#password', 'admin')
  await page.click('#kc-login')
  await page.getByText('Welcome to Keycloak').waitFor()
}

/** 1: Manage realms, Create realm. */
async function realm (page) {
  await open(page, 'master/realms')
  await press(page, 'Create realm')
  await page.locator('#realm').fill(REALM)
  await shoot(page, '1-realm', page.getByRole('dialog'))
  await press(page, 'Create')
  await page.waitForURL(new RegExp(`#/${REALM}`))
}

/** 2: Client scopes, Create client scope. The switch is off unless one turns it on. */
async function clientScope (page) {
  await open(page, `${REALM}/client-scopes/new`)
  await page.locator('#name').fill('test_api_access')
  await page.locator('label[for="attributes.include🍺in🍺token🍺scope"]').last().click()
  await shoot(page, '2-client-scope')
  await press(page, 'Save')
  await page.getByText('Client scope created').first().waitFor({ state: 'attached' })
}

/** 3: a client that stands for the API, a client scope for its audience, and in it the mapper. */
async function audienceMapper (page) {
  await newClient(page, 'test_api')
  await page.locator('#kc-flow-standard').uncheck()
  await saveClient(page)
  await open(page, `${REALM}/client-scopes/new`)
  await page.locator('#name').fill('test_api_audience')
  await press(page, 'Save')
  await page.getByRole('tab', { name: 'Mappers' }).click()
  await press(page, 'Configure a new mapper')
  await page.getByText('Audience', { exact: true }).click()
  await page.locator('#name').fill('test_api')
  await page.locator('[id="included.client.audience"], [id="config.included🍺client🍺audience"]').first().click()
  await page.getByRole('option', { name: 'test_api', exact: true }).click()
  await shoot(page, '3-audience-mapper')
  await press(page, 'Save')
  await page.getByText('Mapping successfully created').first().waitFor({ state: 'attached' })
}

/** 4: Clients, Create client: it authenticates, and has a service account; no person logs in with it. */
async function client (page) {
  await newClient(page, 'test_api_client')
  await page.locator('label[for="kc-authentication"]').last().click()
  await page.locator('#kc-flow-standard').uncheck()
  await page.locator('#kc-flow-service-account').check()
  await shoot(page, '4-client')
  await saveClient(page)
}

/** 5: at the client, Client scopes, Add client scope: one as optional, the audience as default. */
async function scopesOfTheClient (page) {
  await page.getByRole('tab', { name: 'Client scopes' }).click()
  for (const [scope, type] of [['test_api_access', 'Optional'], ['test_api_audience', 'Default']]) {
    await press(page, 'Add client scope')
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('row', { name: new RegExp(scope) }).getByRole('checkbox').check()
    await dialog.getByRole('button', { name: 'Add', exact: true }).click()
    if (type === 'Optional') await shoot(page, '5-optional-scope', dialog)
    await page.getByRole('menuitem', { name: type }).click()
    await dialog.waitFor({ state: 'hidden' })
  }
  await page.getByPlaceholder('Search by name').fill('test_api')
  await page.keyboard.press('Enter')
  await page.getByRole('row', { name: /test_api_audience/ }).waitFor()
  await shoot(page, '6-assigned')
}

async function newClient (page, id) {
  await open(page, `${REALM}/clients/add-client`)
  await page.locator('#clientId').fill(id)
  await press(page, 'Next')
}

async function saveClient (page) {
  await press(page, 'Next')
  await press(page, 'Save')
  await page.getByText('Client created').first().waitFor({ state: 'attached' })
}

async function open (page, place) {
  await page.goto(`${url}/admin/master/console/#/${place}`)
}

async function press (page, name) {
  await page.getByRole('button', { name, exact: true }).click()
}

/** The part of the page that matters, without what is empty below it. */
async function shoot (page, name, part = page.locator('main')) {
  await page.addStyleTag({ content: QUIET })
  await page.waitForTimeout(400)
  await part.screenshot({ path: `${folder}${name}.png`, animations: 'disabled' })
}
