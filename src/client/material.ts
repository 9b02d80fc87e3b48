import { readFile } from 'node:fs/promises'
import { decodePem, decodeText } from '../http/text.ts'
import { SecretUnavailable, systemCode } from './errors.ts'
import type { FromFile } from './options.ts'

/** Where a secret, a key, an assertion or a certificate comes from. */
export type Material = string | FromFile | (() => string | Promise<string>)

/** Whether the text may be another one the next time. */
export function mayRotate (material: Material): boolean {
  return typeof material !== 'string'
}

/** `what` names it in the error, such as `the secret`. The text itself never stands in an error. Not checked: what the text is. */
export async function readMaterial (material: Material, what: string): Promise<string> {
  if (typeof material === 'string') return material
  return typeof material === 'function' ? await readFunction(material, what) : await readMaterialFile(material.file, what)
}

async function readFunction (source: () => string | Promise<string>, what: string): Promise<string> {
  let text: unknown
  try {
    text = await source()
  } catch (error) {
    throw new SecretUnavailable(
      `${what} cannot be read (${systemCode((error as NodeJS.ErrnoException | null)?.code, 'its function threw')})`
    )
  }
  if (typeof text !== 'string' || text === '') throw new SecretUnavailable(`the function that returns ${what} returned none`)
  return text
}

/** The path may be a secret in the wrong place: it is not named. */
async function readMaterialFile (path: string, what: string): Promise<string> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new SecretUnavailable(`the file with ${what} cannot be read (${systemCode((error as NodeJS.ErrnoException).code, 'unknown')})`)
  })
  // A lenient decoder would replace what is not UTF-8, and the issuer would get another secret than the file has.
  const text = decodeText(bytes) ?? decodePem(bytes)
  if (text === undefined) {
    throw new SecretUnavailable(`the file with ${what} is not text in UTF-8: save it as UTF-8, a key or a certificate as PEM`)
  }
  if (text.trim() === '') throw new SecretUnavailable(`the file with ${what} is empty`)
  return text
}
