import { parseEnv } from 'node:util'
import { ConfigError } from './config-error.ts'
import { decodeText } from '../http/text.ts'

/** One setting of a `.env` file. */
export interface FileEntry {
  readonly name: string
  readonly value: string
  readonly line: number
}

export interface EnvFile {
  readonly entries: readonly FileEntry[]
  /** One sentence each; no value of the file is in them. */
  readonly warnings: readonly string[]
}

const SETTING = /^\s*(?:export\s+)?([A-Za-z_][\w.-]*)[ \t]*=(.*)$/s
/** In a quoted value of several lines: the next setting, so that the quote was never closed. Not the last line of a PEM block (`…==`). */
const NEXT_SETTING = /^\s*(?:export\s+)?[A-Za-z_]\w*=(?!=?\s*$)/

/**
 * The settings of a `.env` file, in the dialect of Node's `parseEnv`. Throws a ConfigError that names every line that is
 * not a setting, and the file when it is not text; never what stands in it.
 */
export function parseEnvFile (bytes: Uint8Array): EnvFile {
  const lines = decode(bytes).split(/\r\n|\n|\r/)
  const entries: FileEntry[] = []
  const problems: string[] = []
  const warnings: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = at + 1
    const text = lines[at] ?? ''
    if (/^\s*(#|$)/.test(text)) continue
    const read = readEntry(lines, at)
    if ('problem' in read) {
      problems.push(`.env, line ${line}: ${read.problem}`)
      continue
    }
    entries.push({ name: read.name, value: parseEnv(read.text)[read.name] ?? '', line })
    if (read.cut) {
      warnings.push(
        `.env, line ${line}: ${read.name} ends before an unquoted #, as the rest is a comment; ` +
        'if the # is part of the value, put quotes around it'
      )
    }
    at += read.furtherLines
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return { entries, warnings: [...warnings, ...repeated(entries)] }
}

function decode (bytes: Uint8Array): string {
  const text = decodeText(bytes)
  if (text === undefined) {
    throw new ConfigError(['.env: is not text in UTF-8; save it as UTF-8 (in PowerShell: … | Out-File -Encoding utf8 .env)'])
  }
  return text
}

type ReadEntry =
  | { readonly name: string, readonly text: string, readonly furtherLines: number, readonly cut: boolean }
  | { readonly problem: string }

function readEntry (lines: readonly string[], at: number): ReadEntry {
  const [, name = '', rest = ''] = SETTING.exec(lines[at] ?? '') ?? []
  if (name === '') {
    return {
      problem: `is not a setting; write NAME=value${/^\s*[\w.-]+\s*:/.test(lines[at] ?? '') ? ' (with = and not with : as in YAML)' : ''}`
    }
  }
  const quote = /^\s*(["'`])/.exec(rest)?.[1]
  if (quote === undefined) return { name, text: `${name}=${rest}`, furtherLines: 0, cut: /^#|\S#/.test(rest) }
  return readQuoted(name, quote, [rest.trimStart().slice(1), ...lines.slice(at + 1)])
}

function readQuoted (name: string, quote: string, lines: readonly string[]): ReadEntry {
  const last = lines.findIndex((line) => line.includes(quote))
  const end = lines[last]?.indexOf(quote) ?? 0
  if (last < 0 || lines.slice(1, last + 1).some((line) => NEXT_SETTING.test(line))) {
    return { problem: `the value of ${name} begins with a quote that is not closed` }
  }
  if (!/^\s*(#|$)/.test((lines[last] ?? '').slice(end + 1))) {
    return { problem: `text after the closing quote of ${name}; put another kind of quote around the whole value` }
  }
  const content = [...lines.slice(0, last), (lines[last] ?? '').slice(0, end)].join('\n')
  return { name, text: `${name}=${quote}${content}${quote}`, furtherLines: last, cut: false }
}

function repeated (entries: readonly FileEntry[]): string[] {
  const names = new Set(entries.map(({ name }) => name))
  return [...names].flatMap((name) => {
    const places = entries.filter((entry) => entry.name === name)
    return new Set(places.map(({ value }) => value)).size > 1
      ? [`.env: ${name} is set in the lines ${places.map(({ line }) => line).join(' and ')}; the last one holds`]
      : []
  })
}
