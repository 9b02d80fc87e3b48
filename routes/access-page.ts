import { createHash } from 'node:crypto'
import type { FastifyPluginCallback } from 'fastify'
import { html } from '../src/http/html.ts'
import { describeAccess, type AccessRow } from '../src/oauth/access-matrix.ts'
import { PAGE_STYLE } from './page-style.ts'
import { refusalList } from './refusal-list.ts'
import { isOwnPage } from './this-machine.ts'

/** What the page shows of one issuer. */
export interface ShownIssuer {
  readonly issuer: string
  readonly audience: readonly string[] | 'any'
  readonly algorithms: readonly string[]
  readonly jwksUrl: string
  readonly keyring: {
    readonly kids: readonly string[]
    readonly state: () => { readonly knownKeys: number, readonly ageMs: number | undefined, readonly error: string | undefined }
  }
}

export interface AccessPageOptions {
  readonly title: string
  /** All pages are below it; its own page describes the API, where there is one. */
  readonly below: string
  readonly hasApiPage: boolean
  readonly docsUrl: string | undefined
}

const STYLE_HASH = createHash('sha256').update(PAGE_STYLE.text).digest('base64')
/** Nothing is loaded and nothing runs. */
const POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** Who may call what, the state of the issuers' keys and the last refusals: for development, without a script. */
export const accessPage: FastifyPluginCallback<AccessPageOptions> = (app, { title, below, hasApiPage, docsUrl }, done) => {
  app.get(`${below}/access`, { config: { auth: 'public' }, schema: { hide: true } }, (request, reply) => {
    const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Access and refusals: ${title}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>${title}: access and refusals</h1>
<nav aria-label="Pages">${hasApiPage ? html`<a href="${below}">Try the API</a> ` : undefined}\
<a href="/openapi.json">OpenAPI document</a> <a href="${below}/access">Reload</a></nav>
</header>
<main>
<h2>Routes</h2>
${matrix(app.access.routes().filter(({ url }) => url !== below && !url.startsWith(`${below}/`)))}
<h2>Issuers</h2>
${app.trustedIssuers.all.map(issuerOf)}
<h2>Last refusals</h2>
${isOwnPage(request)
  ? refusalList(app.recentRefusals(), docsUrl)
  : html`<p>Shown on the machine of the service only, at localhost and without a proxy.</p>`}
</main>
</body>
</html>
`
    return reply.headers({ 'content-security-policy': POLICY, 'cache-control': 'no-store' })
      .type('text/html; charset=utf-8')
      .send(page.text)
  })
  done()
}

/** HEAD is not shown: it has the access of GET. */
function matrix (rows: readonly AccessRow[]): ReturnType<typeof html> {
  const shown = rows.filter(({ method }) => method !== 'HEAD').sort((a, b) => a.url < b.url ? -1 : 1)
  return html`<table>
<thead><tr><th scope="col">Method</th><th scope="col">Path</th><th scope="col">Who may call</th></tr></thead>
<tbody>${shown.map(({ method, url, constraints, access, by }) => html`
<tr><td>${method}</td><td><code>${url}</code>${constraints === undefined ? undefined : html` ${constraints}`}</td>\
<td>${describeAccess(access)}${by === undefined ? undefined : html` (${by})`}</td></tr>`)}
</tbody>
</table>`
}

function issuerOf ({ issuer, audience, algorithms, jwksUrl, keyring }: ShownIssuer): ReturnType<typeof html> {
  const { knownKeys, ageMs, error } = keyring.state()
  const age = ageMs === undefined ? undefined : html`, read ${Math.round(ageMs / 1000)} s ago`
  return html`<section${knownKeys === 0 ? html` class="bad"` : error === undefined ? undefined : html` class="doubtful"`}>
<h3><code>${issuer}</code></h3>
<dl>
<dt>Audience</dt><dd>${audience === 'any' ? 'any or none' : audience.join(' or ')}</dd>
<dt>Algorithms</dt><dd>${algorithms.join(', ')}</dd>
<dt>Key set</dt><dd><code>${jwksUrl}</code></dd>
<dt>Keys</dt><dd>${knownKeys === 0 ? 'none: protected routes respond 503' : html`${knownKeys} known${age}`}\
${error === undefined ? undefined : html`; the last fetch failed: ${error}`}</dd>
${keyring.kids.length === 0 ? undefined : html`<dt>Key ids</dt><dd>${keyring.kids.map((kid) => html`<code>${kid}</code> `)}</dd>`}
</dl>
</section>`
}
