import { readFile } from 'node:fs/promises'
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
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new SecretUnavailable(`the file with ${what} cannot be read (${systemCode((error as NodeJS.ErrnoException).code, 'unknown')})`)
  })
  if (text.trim() === '') throw new SecretUnavailable(`the file with ${what} is empty`)
  return text
}
