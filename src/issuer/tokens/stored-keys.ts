import { createPrivateKey, randomUUID, type KeyObject } from 'node:crypto'
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'

/** Two private keys and when they were made, in ms since 1970: what the published key set follows from. */
export interface KeyMaterial {
  readonly madeMs: number
  readonly signing: KeyObject
  readonly encryption: KeyObject
}

const OWNER_ONLY = 0o600

/** Others may neither read nor write it. Windows has no such bits. */
function isPrivate (file: string): boolean {
  return process.platform === 'win32' || (statSync(file).mode & 0o077) === 0
}

/** The keys in a file; `undefined` where there is none that can be used: missing, readable by others, not written here. */
export function readKeys (file: string): KeyMaterial | undefined {
  try {
    if (!isPrivate(file)) return undefined
    const { madeMs, signing, encryption } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
    const made = Number(madeMs)
    return Number.isSafeInteger(made)
      ? { madeMs: made, signing: createPrivateKey(String(signing)), encryption: createPrivateKey(String(encryption)) }
      : undefined
  } catch {
    return undefined
  }
}

/** Keeps the keys for the next start, readable by the owner alone. Where that is not possible they live for this run only. */
export function writeKeys (file: string, { madeMs, signing, encryption }: KeyMaterial): void {
  const pem = (key: KeyObject): string => String(key.export({ type: 'pkcs8', format: 'pem' }))
  const fresh = `${file}.${randomUUID()}`
  try {
    writeFileSync(fresh, JSON.stringify({ madeMs, signing: pem(signing), encryption: pem(encryption) }), { mode: OWNER_ONLY, flag: 'wx' })
    renameSync(fresh, file)
  } catch {
    rmSync(fresh, { force: true })
  }
}
