import { html, type Html } from '../src/http/html.ts'

/** One refusal, as the page shows it. Anybody can write `detail`, `hint` and `unverifiedClient`. */
export interface ShownRefusal {
  readonly at: number
  readonly method: string
  readonly route: string | undefined
  readonly status: number
  readonly reason: string
  readonly detail: string | undefined
  readonly hint: string | undefined
  readonly clientId: string | undefined
  readonly unverifiedClient: string | undefined
  readonly address: string | undefined
  readonly requestId: string
}

/** The last refusals with their explanation, the newest first. */
export function refusalList (refusals: readonly ShownRefusal[], docsUrl: string | undefined): Html {
  if (refusals.length === 0) {
    return html`<p>None since the start. A request that is refused appears here with its reason and what to do.</p>`
  }
  return html`<p>The newest of at most 50. The caller does not learn the reason. Details of a token that was refused are not verified.</p>
<ol>${refusals.map((one) => entry(one, docsUrl))}
</ol>`
}

function entry (refusal: ShownRefusal, docsUrl: string | undefined): Html {
  const { at, method, route, status, reason, detail, hint, clientId, unverifiedClient, address, requestId } = refusal
  const time = new Date(at).toISOString()
  const name = html`<code>${reason}</code>`
  const more = (term: string, value: string | undefined): Html => value === undefined ? html`` : html`<dt>${term}</dt><dd>${value}</dd>`
  return html`
<li>
<h3>${status} ${docsUrl === undefined ? name : html`<a href="${docsUrl}/reference/reasons.md#${reason}">${name}</a>`}</h3>
<p>${method} <code>${route ?? 'no route'}</code> at <time datetime="${time}">${time.slice(11, 19)} UTC</time></p>
${hint === undefined ? undefined : html`<p>${hint}</p>`}
<dl>${more('Detail', detail)}${more('Client', clientId)}${more('Claimed client', unverifiedClient)}\
${more('Address', address)}${more('Request', requestId)}</dl>
</li>`
}
