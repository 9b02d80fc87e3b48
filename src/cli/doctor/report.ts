import { styleText } from 'node:util'
import type { Check, Section, Status } from './check.ts'

/** What the doctor found. */
export interface Report {
  readonly sections: readonly Section[]
  /** Undefined: there was no token. */
  readonly token?: TokenVerdict | undefined
}

export interface TokenVerdict {
  /** Undefined: it could not be checked whether the service accepts it. */
  readonly accepted: boolean | undefined
  /** The first reason for which the service refuses it. */
  readonly reason: string | undefined
  readonly status: number | undefined
  /** Header and claims, where they are requested. */
  readonly decoded?: unknown
}

const COLOURS = { ok: 'green', failed: 'red', warning: 'yellow', skipped: 'dim' } as const

type Paint = (colour: typeof COLOURS[Status] | 'bold', text: string) => string

export function isHealthy ({ sections }: Report): boolean {
  return sections.every(({ checks }) => checks.every(({ status }) => status !== 'failed'))
}

/** For people: a line for each check; cause and fix below it. */
export function formatReport (report: Report, coloured: boolean): string {
  // The caller decides about colour: styleText would look at standard output.
  const paint: Paint = (colour, text) => coloured ? styleText(colour, text, { validateStream: false }) : text
  const sections = report.sections.map(({ title, checks }) =>
    `${paint('bold', escaped(title))}\n${checks.map((check) => formatCheck(check, paint)).join('')}`)
  const decoded = report.token?.decoded === undefined
    ? []
    : [`${paint('bold', 'Header and claims')}\n${escaped(JSON.stringify(report.token.decoded, null, 2)).replaceAll(/^/gm, '  ')}\n`]
  return [...sections, ...decoded, `${verdictOf(report)}\n`].join('\n')
}

function formatCheck ({ name, status, title, code, cause, fix }: Check, paint: Paint): string {
  const names = status === 'ok' || status === 'skipped' ? name : code === undefined ? name : `${name}, ${code}`
  const below = [cause, fix === undefined ? undefined : `Fix: ${fix}`].filter((text) => text !== undefined)
  return `  ${paint(COLOURS[status], status.padEnd(7))}  ${escaped(title)}  ` +
    `(${names})\n${below.map((text) => `           ${escaped(text)}\n`).join('')}`
}

function verdictOf (report: Report): string {
  const count = report.sections.flatMap(({ checks }) => checks).filter(({ status }) => status === 'failed').length
  const problems = count === 0 ? 'Nothing is wrong.' : count === 1 ? '1 problem.' : `${count} problems.`
  const { token } = report
  if (token === undefined) return problems
  if (token.accepted === undefined) {
    return `${problems} Whether the service accepts the token is not known: key and signature were not checked.`
  }
  if (token.accepted) return `${problems} The service accepts the token.`
  return `${problems} The service refuses the token: ${token.status ?? 401} ${token.reason ?? ''}. ` +
    'It stops at the first problem; the doctor lists all.'
}

/** For programs. */
export function reportAsJson (report: Report): string {
  return escaped(JSON.stringify({ ok: isHealthy(report), ...report }, null, 2))
}

/** Printable ASCII and line breaks: what a claim contains must not drive a terminal. JSON remains JSON. Our own texts have an ellipsis. */
export function escaped (text: string): string {
  return text.replaceAll('\u2026', '...').replace(
    /[^\x20-\x7E\n]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}
