import type { Browser, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { project, up, type Started } from '../support/project.ts'
import { faults, launch, open, screenshot } from './chromium.ts'

const WINDOWS = (['light', 'dark'] as const).flatMap((colorScheme) =>
  [[1200, 900], [390, 844]].map(([width = 0, height = 0]) => ({ colorScheme, viewport: { width, height } })))
const ROUTE = '#operations-default-get_api_private_scoped'

async function withService (t: Test): Promise<{ browser: Browser, server: Started, base: string }> {
  const server = project(t).start()
  const [browser] = await Promise.all([launch(t), up(server)])
  return { browser, server, base: server.api() }
}

/** The text of each block with buttons that one of them covers. */
const COVERED = `[...document.querySelectorAll('.highlight-code, .curl-command')].flatMap((block) => {
  const text = document.createRange()
  text.selectNodeContents(block.querySelector('pre code, pre'))
  const lines = [...text.getClientRects()].filter(({ width }) => width > 0)
  return [...block.querySelectorAll('.download-contents, .copy-to-clipboard')].map((button) => button.getBoundingClientRect())
    .flatMap((button) => lines.filter((line) => line.right > button.left && line.left < button.right && \
      line.bottom > button.top && line.top < button.bottom))
    .map(() => block.className)
})`

/** In the dialog: a token of the development issuer, with these scopes. */
async function authorize (page: Page, scopes: readonly string[]): Promise<void> {
  await page.click('.btn.authorize.unlocked, .btn.authorize.locked')
  for (const scope of scopes) await page.locator(`.scopes input[id*="${scope}"]`).check()
  await page.locator('.auth-container').first().getByRole('button', { name: 'Authorize' }).click()
  await page.locator('.auth-container').first().getByRole('button', { name: 'Logout' }).waitFor()
  await page.click('.close-modal')
}

async function logout (page: Page, at = 0): Promise<void> {
  await page.click('.btn.authorize.locked')
  await page.locator('.auth-container').nth(at).getByRole('button', { name: 'Logout' }).click()
  await page.click('.close-modal')
}

/** Calls the opened route; resolves to the status and the body that the page shows. */
async function call (page: Page): Promise<readonly [status: string, body: string]> {
  const clear = page.locator(`${ROUTE} .btn-clear`)
  if (await clear.count() > 0) await clear.click()
  await page.click(`${ROUTE} .btn.execute`)
  const response = page.locator(`${ROUTE} .live-responses-table .response`)
  const status = await response.locator('.response-col_status').textContent()
  return [status?.trim().slice(0, 3) ?? '', await response.locator('.highlight-code').first().textContent() ?? '']
}

t.test('the API page: 401 without a token, 403 with its sentence, 200 with the scope, a pasted token', async (t) => {
  const { browser, server, base } = await withService(t)
  const { page, foreign, errors } = await open(t, browser, base)
  await page.goto(`${base}/docs`)
  await page.click(`${ROUTE} .opblock-summary-control`)
  t.match(await page.textContent(`${ROUTE} .opblock-summary-description`), 'valid token: scope test_api_access')

  t.match(await call(page), ['401', /An access token is required/])
  await authorize(page, [])
  t.match(await call(page), ['403', /The access token lacks the scope test_api_access/])
  await logout(page)
  await authorize(page, ['test_api_access'])
  t.match(await call(page), ['200', /a scope named test_api_access is required/])
  await logout(page)

  await page.click('.btn.authorize')
  await page.locator('.auth-container').last().locator('input').fill('x.y.z')
  await page.locator('.auth-container').last().getByRole('button', { name: 'Authorize' }).click()
  await page.click('.close-modal')
  t.match(await call(page), ['401', /The access token is not valid for this API/])

  t.same(foreign, [], 'nothing is requested from another origin')
  t.same(errors, [], 'nothing breaks the policy of the page')
  t.same(await page.evaluate('[localStorage.length, sessionStorage.length, document.cookie]'), [0, 0, ''], 'no token is kept')
  t.match(server.out(), '"reason":"scope_missing"')
})

t.test('contrast, names, landmarks, headings of both pages, light and dark, wide and narrow (axe-core)', async (t) => {
  const { browser, base } = await withService(t)
  await Promise.all(['Bearer x.y.z', 'Basic eDp5'].map((authorization) => fetch(`${base}/api/private`, { headers: { authorization } })))
  for (const size of WINDOWS) {
    const name = `${size.colorScheme}-${size.viewport.width}`
    const { page, errors } = await open(t, browser, base, size)
    const look = async (what: string): Promise<void> => {
      t.same(await faults(page), [], `${what}, ${name}`)
      t.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), `${what}, ${name}: fits into the window`)
      await screenshot(page, `${what}-${name}`)
    }
    await page.goto(`${base}/docs`)
    await page.waitForSelector(ROUTE)
    await look('api')
    await page.click('.btn.authorize')
    await page.waitForSelector('.modal-ux')
    await look('authorize')
    await page.click('.close-modal')
    await page.click(`${ROUTE} .opblock-summary-control`)
    await call(page)
    await look('called')
    t.same(await page.evaluate(COVERED), [], `no button covers text, called, ${name}`)
    await page.goto(`${base}/docs/access`)
    await look('access')
    t.same(errors, [])
  }
})

t.test('with the keyboard alone: authorize, choose a scope, open a route, call it', async (t) => {
  const { browser, base } = await withService(t)
  const { page } = await open(t, browser, base)
  await page.goto(`${base}/docs`)
  await page.waitForSelector(ROUTE)
  await tabTo(page, '.btn.authorize')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.modal-ux')
  await tabTo(page, 'input[type=checkbox]')
  await page.keyboard.press('Space')
  await tabTo(page, '.auth-btn-wrapper .btn.authorize')
  await page.keyboard.press('Enter')
  await page.locator('.auth-container').first().getByRole('button', { name: 'Logout' }).waitFor()
  await page.keyboard.press('Escape')
  await page.waitForSelector('.modal-ux', { state: 'detached' })
  await tabTo(page, `${ROUTE} .opblock-summary-control`)
  await page.keyboard.press('Enter')
  await tabTo(page, `${ROUTE} .btn.execute`)
  await page.keyboard.press('Enter')
  t.match(
    await page.locator(`${ROUTE} .live-responses-table .response .highlight-code`).first().textContent(),
    /a scope named test_api_access/
  )
})

/** Presses Tab until the element has the focus, and the focus can be seen. */
async function tabTo (page: Page, selector: string): Promise<void> {
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab')
    if (await page.evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`) !== true) continue
    if (await page.evaluate('getComputedStyle(document.activeElement).outlineStyle') === 'none') {
      throw new Error(`the focus of ${selector} cannot be seen`)
    }
    return
  }
  throw new Error(`${selector} cannot be reached with Tab`)
}

t.test('what an attacker writes is text: claims, key ids, paths, methods', async (t) => {
  const { browser, base } = await withService(t)
  const script = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const token = (header: object, claims: object): string =>
    `${part(header)}.${part(claims)}.${Buffer.from('signature').toString('base64url')}`
  for (const bad of [
    token({ alg: script }, {}), token({ alg: 'RS256', kid: script }, {}), token({ alg: 'RS256', kid: 'x', typ: script }, {}),
    token({ alg: 'RS256', kid: 'x', typ: 'JWT' }, { iss: script, aud: script, exp: 1, azp: script, typ: script })
  ]) await fetch(`${base}/api/private`, { headers: { authorization: `Bearer ${bad}` } })
  await fetch(`${base}/${encodeURIComponent(script)}`)
  await fetch(`${base}/api/private?${script}`, { headers: { authorization: script } })
  const { page, errors, foreign } = await open(t, browser, base)
  await page.goto(`${base}/docs/access`)
  t.equal(await page.title(), 'Access and refusals: Scopegate')
  t.equal(await page.locator('img, script').count(), 0)
  t.ok(await page.locator('main ol li').count() >= 5)
  t.match(await page.textContent('main ol'), /<img src=x/, 'it is shown, as text')
  t.same([errors, foreign], [[], []])
})
