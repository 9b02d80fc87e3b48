import { readFileSync } from 'node:fs'
import { decodeText } from '../../http/text.ts'
import { UsageError } from './arguments.ts'

/** The secret of `--client-secret-file`; `-`: `input`, which is undefined where it is not text. Throws UsageError. */
export function secretIn (file: string, input: string | undefined): string {
  const secret = file === '-' ? input : decodeText(bytesOf(file))
  if (secret !== undefined) return secret.trim()
  throw new UsageError(`--client-secret-file: ${file === '-' ? 'standard input' : 'the file'} is not text in UTF-8.`)
}

function bytesOf (file: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new UsageError(`--client-secret-file: the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`)
  }
}
