import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import type { AxeResults } from 'axe-core'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Test } from 'tap'

/** Where Debian has it; CHROMIUM names another. */
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
/** Screenshots are kept here, to be looked at: SCREENSHOTS names a folder. */
const SCREENSHOTS = process.env.SCREENSHOTS
const AXE = readFileSync('node_modules/axe-core/axe.min.js', 'utf8')

export async function launch (t: Test): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`no Chromium at ${CHROMIUM}: apt-get install chromium, or set CHROMIUM to the path of another`)
  const browser = await chromium.launch({ executablePath: CHROMIUM, chromiumSandbox: process.getuid?.() !== 0 })
  t.teardown(() => browser.close())
  return browser
}

export interface Opened {
  readonly page: Page
  /** Addresses outside of the origin that the page has requested. */
  readonly foreign: string[]
  /** What the page's policy has refused, and errors of its scripts. */
  readonly errors: string[]
}

/** A window of its own. `base` is the only origin that it may reach. */
export async function open (t: Test, browser: Browser, base: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options })
  t.teardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  const foreign: string[] = []
  const errors: string[] = []
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (!['data:', 'blob:'].includes(protocol) && origin !== base) foreign.push(request.url())
  })
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => { if (/Content Security Policy|violat/i.test(message.text())) errors.push(message.text()) })
  return { page, foreign, errors }
}

/** What axe-core finds, a line for each rule, with the places. Its script is evaluated, not loaded: the policy of the page holds. */
export async function faults (page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate<AxeResults>('axe.run()')
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}

export async function screenshot (page: Page, name: string): Promise<void> {
  if (SCREENSHOTS === undefined) return
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: `${SCREENSHOTS}/${name}.png`, fullPage: true })
}
