import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { decodePem, decodeText } from '../http/text.ts'
import { isSecret, NONCE_SECRETS_TEXT } from '../options/binding-options.ts'

/** Settings that name a file, whose content is read once, at the start. */
const FILE_SETTINGS = ['DPOP_NONCE_SECRET_FILE', 'TLS_CERT_FILE', 'TLS_KEY_FILE'] as const
export type FileSetting = typeof FILE_SETTINGS[number]

/** What stands in a file, or that it is not text, or the code of the error. */
type Content = { readonly text: string } | { readonly notText: true } | { readonly error: string }

/** What stands in the files that are named. */
export type SettingFiles = Readonly<Partial<Record<FileSetting, Content>>>

type Given = Readonly<Record<string, string | undefined>>

export function readSettingFiles (variables: Given): SettingFiles {
  return Object.fromEntries(FILE_SETTINGS.flatMap((name) => {
    const path = variables[name]?.trim()
    return path === undefined ? [] : [[name, contentOf(path, name === 'DPOP_NONCE_SECRET_FILE' ? decodeText : decodeTls)]]
  }))
}

/** Bytes that are not text would become others: a decoder that replaces them makes different secrets equal, and short ones long. */
function contentOf (path: string, decode: (bytes: Uint8Array) => string | undefined): Content {
  try {
    const text = decode(readFileSync(path))
    return text === undefined ? { notText: true } : { text }
  } catch (error) {
    return { error: (error as NodeJS.ErrnoException).code ?? 'unknown error' }
  }
}

function decodeTls (bytes: Uint8Array): string | undefined {
  return decodePem(bytes) ?? decodeText(bytes)
}

const EXPECTED: Readonly<Record<FileSetting, string>> = {
  DPOP_NONCE_SECRET_FILE: `a file with ${NONCE_SECRETS_TEXT}, one in a line`, TLS_CERT_FILE: 'a file in PEM', TLS_KEY_FILE: 'a file in PEM'
}

/** What to do about a file that is not text. */
const REMEDY: Readonly<Record<FileSetting, string>> = {
  DPOP_NONCE_SECRET_FILE: 'encode random bytes in base64',
  TLS_CERT_FILE: 'convert DER (openssl x509 -inform DER -in <file> -out <new file>), and save text as UTF-8',
  TLS_KEY_FILE: 'convert DER (openssl pkey -inform DER -in <file> -out <new file>), and save text as UTF-8'
}

/** One sentence for each file that cannot be used. What stands in a file is never shown. */
export function fileProblems (files: SettingFiles, given: Given): string[] {
  return FILE_SETTINGS.flatMap((name) => {
    const file = files[name]
    if (file === undefined) return []
    if ('error' in file) return [`${name}: ${String(given[name])} cannot be read (${file.error})`]
    if ('notText' in file) return [`${name}: expected ${EXPECTED[name]}, and this one is not text in UTF-8: ${REMEDY[name]}`]
    if (name !== 'DPOP_NONCE_SECRET_FILE') return tlsProblems(name, file.text, textOf(files, 'TLS_CERT_FILE'))
    const secrets = linesOf(file.text)
    return secrets.length >= 1 && secrets.length <= 2 && secrets.every(isSecret)
      ? []
      : [`${name}: expected ${EXPECTED[name]}`]
  })
}

/** Whether the file can be used, and whether the key belongs to the certificate. */
function tlsProblems (name: 'TLS_CERT_FILE' | 'TLS_KEY_FILE', text: string, certificates = ''): string[] {
  if (!text.includes('-----BEGIN ')) return [`${name}: expected ${EXPECTED[name]}`]
  if (name === 'TLS_CERT_FILE') return certificateProblems(text)
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return [`${name}: expected a private key, and the file has none`]
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    return [`${name}: the key is encrypted, expected one without a passphrase (openssl pkey -in <file> -out <new file>)`]
  }
  const key = parsed(() => createPrivateKey(text))
  if (key === undefined) return [`${name}: the private key in this file cannot be read; expected one in PEM, whole`]
  const [first] = certificatesOf(certificates)
  return first === undefined || isKeyOf(first, key)
    ? []
    : [`${name}: the private key is not that of the certificate in TLS_CERT_FILE (of several, the first must be the server's own)`]
}

function certificateProblems (text: string): string[] {
  const certificates = certificatesOf(text)
  if (certificates.length === 0) return ['TLS_CERT_FILE: expected a certificate, and the file has none']
  return certificates.every((one) => parsed(() => new X509Certificate(one)) !== undefined)
    ? []
    : ['TLS_CERT_FILE: a certificate in this file cannot be read; expected one in PEM, whole']
}

function certificatesOf (text: string): readonly string[] {
  return text.match(/-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----[^-]*(?:-----END \1CERTIFICATE-----)?/g) ?? []
}

/** True where the certificate cannot be read: that has its own sentence. */
function isKeyOf (certificate: string, key: KeyObject): boolean {
  return parsed(() => new X509Certificate(certificate))?.checkPrivateKey(key) ?? true
}

function parsed<T> (parse: () => T): T | undefined {
  try {
    return parse()
  } catch {
    return undefined
  }
}

/** Lines that are not empty. */
export function linesOf (text: string): string[] {
  return text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '')
}

export function textOf (files: SettingFiles, name: FileSetting): string | undefined {
  const file = files[name]
  return file !== undefined && 'text' in file ? file.text : undefined
}
