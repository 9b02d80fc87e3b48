import { Html } from '../src/http/html.ts'

/** Of our own page; its hash is in the page's policy. */
export const PAGE_STYLE = new Html(`
:root { color-scheme: light dark; --text: #1c2024; --quiet: #4d5660; --back: #fff; --card: #f4f6f8; --line: #c9d0d8; --link: #0b57a4; \
--bad: #b3261e; --doubtful: #8a5a00 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e9ec; --quiet: #aab4be; --back: #14181c; --card: #1d2329; --line: #3a444e; --link: #8ec2ff; \
--bad: #ff8a80; --doubtful: #f0b75a }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 64rem; background: var(--back); color: var(--text); font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem; margin: 0 0 .25rem }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem }
h3 { font-size: 1rem; margin: 0 0 .25rem; overflow-wrap: anywhere }
p { margin: .25rem 0 .5rem; overflow-wrap: anywhere }
a { color: var(--link) }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 2px }
nav a { display: inline-block; padding: .25rem 1rem .25rem 0 }
code { font: .92em/1.4 ui-monospace, Consolas, monospace; overflow-wrap: anywhere }
table { width: 100%; border-collapse: collapse }
th, td { text-align: left; vertical-align: top; padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line) }
th { color: var(--quiet); font-weight: 600 }
ol { list-style: none; margin: 0; padding: 0 }
li, section { background: var(--card); border-left: 4px solid var(--line); border-radius: 4px; padding: .75rem 1rem; margin: 0 0 .75rem }
section.bad { border-color: var(--bad) }
section.doubtful { border-color: var(--doubtful) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 }
dt { color: var(--quiet) }
dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 36rem) {
  dl { grid-template-columns: 1fr; gap: 0 }
  dt { margin-top: .35rem; font-size: .9rem }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
  tr { display: grid; grid-template-columns: 4.5rem 1fr; padding: .4rem 0; border-bottom: 1px solid var(--line) }
  td { border: 0; padding: 0 }
  td:last-child { grid-column: 2; color: var(--quiet) }
}
`)
