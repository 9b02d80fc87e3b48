/**
 * What Swagger UI lacks: a viewport, dark colours as the system has them, and names, landmarks and an order of headings for those who do
 * not see the page. It renders its elements again at any time, so every change of the page is looked through.
 */
export const API_PAGE_SCRIPT = `const viewport = document.createElement('meta')
viewport.name = 'viewport'
viewport.content = 'width=device-width'
document.head.append(viewport)

const dark = window.matchMedia('(prefers-color-scheme: dark)')
const paint = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', paint)
paint()

const page = document.getElementById('swagger-ui')
const set = (selector, name, value) => {
  for (const element of page.querySelectorAll(selector)) if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}
const heading = (selector, level) => {
  set(selector, 'role', 'heading')
  set(selector, 'aria-level', level)
}
let open = null
const mend = () => {
  heading('.info .title', '1')
  heading('.opblock-tag, .modal-ux-header h3', '2')
  heading('.opblock-section-header h4, .opblock-title', '2')
  heading('.auth-container h4, .responses-inner h4, .scopes h2', '3')
  heading('.responses-inner h5, .auth-container h6', '4')
  set('.information-container', 'role', 'region')
  set('.information-container', 'aria-label', 'About')
  set('.scheme-container', 'role', 'region')
  set('.scheme-container', 'aria-label', 'Authorization')
  set('.close-modal', 'aria-label', 'Close')
  set('.modal-ux', 'role', 'dialog')
  set('.modal-ux', 'aria-label', 'Authorize')
  set('.microlight, .curl, .highlight-code pre', 'tabindex', '0')
  const dialog = page.querySelector('.modal-ux')
  if (dialog !== open) {
    open = dialog
    dialog?.querySelector('input')?.focus({ preventScroll: true })
    dialog?.querySelector('.modal-ux-content')?.scrollTo(0, 0)
  }
  for (const button of page.querySelectorAll('.auth-btn-wrapper .btn')) button.removeAttribute('aria-label')
}
new MutationObserver(mend).observe(page, { childList: true, subtree: true, attributes: true, attributeFilter: ['aria-label'] })
mend()

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') page.querySelector('.close-modal')?.click()
})
`

/** Contrast of at least 4.5 (WCAG 2.2, 1.4.3), a focus that is seen, and a page that fits into a narrow window. */
export const API_PAGE_CSS = `\
.swagger-ui .scheme-container .schemes > .schemes-server-container, .swagger-ui #operations-tag-default, \
.swagger-ui .info .link, .swagger-ui .response-col_links { display: none }
.swagger-ui .info { margin: 24px 0 }
.swagger-ui .scheme-container { padding: 12px 0 }
.swagger-ui .auth-wrapper { justify-content: flex-start }
.swagger-ui .wrapper { padding: 0 16px }
.swagger-ui :focus-visible { outline: 3px solid #1769c2; outline-offset: 2px }
.dark-mode .swagger-ui :focus-visible { outline-color: #8ec2ff }
.swagger-ui .info .title small { background: #4d5660 }
.swagger-ui .info .title small.version-stamp { background: #3f6212 }
.swagger-ui .info a, .swagger-ui .scopes h2 a, .swagger-ui .markdown a { color: #0b57a4 }
.dark-mode .swagger-ui .info a, .dark-mode .swagger-ui .scopes h2 a, .dark-mode .swagger-ui .markdown a { color: #8ec2ff }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #0b5cad }
.swagger-ui .opblock.opblock-post .opblock-summary-method { background: #17663f }
.swagger-ui .opblock.opblock-put .opblock-summary-method { background: #8a4b00 }
.swagger-ui .opblock.opblock-delete .opblock-summary-method { background: #a3211a }
.swagger-ui .opblock.opblock-patch .opblock-summary-method { background: #0f6b5c }
.swagger-ui .opblock .opblock-summary-method { color: #fff; text-shadow: none }
.swagger-ui .opblock .opblock-summary-description { color: inherit }
.dark-mode .swagger-ui .header-col { color: #e4e6e6 }
html:not(.dark-mode) .swagger-ui .btn.authorize { color: #17663f; border-color: #17663f }
html:not(.dark-mode) .swagger-ui .btn.authorize svg { fill: #17663f }
html:not(.dark-mode) .swagger-ui .btn.cancel { color: #a3211a; border-color: #a3211a }
.swagger-ui .btn.execute { background: #0b5cad; border-color: #0b5cad; color: #fff }
html:not(.dark-mode) .swagger-ui .response-control-media-type__accept-message { color: #17663f }
.swagger-ui .highlight-code, .swagger-ui .microlight, .swagger-ui .curl { background: #1c2024 }
.swagger-ui .microlight [style*="rgb(211, 99, 99)"] { color: #ff9d94 !important }
.swagger-ui .download-contents, .swagger-ui .copy-to-clipboard { background: #4d5660 }
.swagger-ui .highlight-code:has(.download-contents) > .microlight { padding-bottom: 48px !important }
.swagger-ui .curl-command .curl { padding-bottom: 32px !important }
.swagger-ui .curl-command .curl code { white-space: pre-wrap !important; overflow-wrap: anywhere }
.swagger-ui .scopes .checkbox { display: flex; align-items: flex-start; gap: 8px }
.swagger-ui .scopes .checkbox input[type=checkbox] { display: inline-block; flex: none; width: 18px; height: 18px; margin: 2px 0 0; \
accent-color: #0b5cad }
.swagger-ui .scopes .checkbox input[type=checkbox] + label > .item { display: none }
.swagger-ui table tbody tr td:first-of-type { min-width: 4em }
@media (max-width: 640px) {
  .swagger-ui .opblock .opblock-summary { flex-wrap: wrap }
  .swagger-ui .opblock .opblock-summary-control { flex-wrap: wrap; gap: 4px 0 }
  .swagger-ui .opblock .opblock-summary-method { min-width: 64px; padding: 6px 0 }
  .swagger-ui .opblock .opblock-summary-path-description-wrapper { flex-basis: 100%; padding: 0 }
  .swagger-ui .opblock .opblock-summary-description { text-align: left; padding: 0 }
  .swagger-ui .opblock .opblock-summary-path { padding: 4px 0 0 }
  .swagger-ui .dialog-ux .modal-ux { min-width: 0; width: calc(100vw - 24px) }
  .swagger-ui .auth-container input[type=text], .swagger-ui .auth-container input[type=password] { min-width: 0; width: 100% }
}
`
