import { readFileSync } from 'node:fs'
import { isSecret, NONCE_SECRETS_TEXT } from '../options/binding-options.ts'

/** Settings that name a file, whose content is read once, at the start. */
const FILE_SETTINGS = ['DPOP_NONCE_SECRET_FILE', 'TLS_CERT_FILE', 'TLS_KEY_FILE'] as const
export type FileSetting = typeof FILE_SETTINGS[number]

/** What stands in the files that are named. */
export type SettingFiles = Readonly<Partial<Record<FileSetting, { readonly text: string } | { readonly error: string }>>>

type Given = Readonly<Record<string, string | undefined>>

export function readSettingFiles (variables: Given): SettingFiles {
  return Object.fromEntries(FILE_SETTINGS.flatMap((name) => {
    const path = variables[name]?.trim()
    return path === undefined ? [] : [[name, contentOf(path)]]
  }))
}

function contentOf (path: string): { readonly text: string } | { readonly error: string } {
  try {
    return { text: readFileSync(path, 'utf8') }
  } catch (error) {
    return { error: (error as NodeJS.ErrnoException).code ?? 'unknown error' }
  }
}

/** One sentence for each file that cannot be used. What stands in a file is never shown. */
export function fileProblems (files: SettingFiles, given: Given): string[] {
  return FILE_SETTINGS.flatMap((name) => {
    const file = files[name]
    if (file === undefined) return []
    if ('error' in file) return [`${name}: ${String(given[name])} cannot be read (${file.error})`]
    if (name !== 'DPOP_NONCE_SECRET_FILE') return file.text.includes('-----BEGIN ') ? [] : [`${name}: expected a file in PEM`]
    const secrets = linesOf(file.text)
    return secrets.length >= 1 && secrets.length <= 2 && secrets.every(isSecret)
      ? []
      : [`${name}: expected a file with ${NONCE_SECRETS_TEXT}, one in a line`]
  })
}

/** Lines that are not empty. */
export function linesOf (text: string): string[] {
  return text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '')
}

export function textOf (files: SettingFiles, name: FileSetting): string | undefined {
  const file = files[name]
  return file !== undefined && 'text' in file ? file.text : undefined
}
