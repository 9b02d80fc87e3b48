import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KeycloakError } from './checks.ts'

/** Of another user too. */
function isRunning (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function holderOf (file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return Number.isSafeInteger(pid) && pid > 0 && isRunning(pid) ? pid : undefined
  } catch {
    return undefined
  }
}

function isCreated (file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx', mode: 0o644 })
    return true
  } catch {
    return false
  }
}

/**
 * Reserves a port for one Keycloak of this machine: two that start at nearly the same time both find the port free, and
 * Keycloak notices a taken port only at the end of its start. Returns what gives it back. Throws a KeycloakError where
 * another process holds it; the claim of a process that is gone does not count. Where no file can be written nothing is held.
 */
export async function claimPort (port: number, issuer: string, isUp: () => Promise<boolean>): Promise<() => void> {
  const file = join(tmpdir(), `scopegate-keycloak-${port}.pid`)
  if (!isCreated(file)) {
    const holder = holderOf(file)
    if (holder !== undefined) throw held(port, issuer, holder, await isUp())
    rmSync(file, { force: true })
    isCreated(file)
  }
  return () => {
    if (holderOf(file) === process.pid) rmSync(file, { force: true })
  }
}

function held (port: number, issuer: string, pid: number, isUp: boolean): KeycloakError {
  const state = isUp ? 'is up already' : 'is being started already'
  return new KeycloakError(`A Keycloak on port ${port} ${state}, by another \`npm run keycloak\` (process ${pid}). ` +
    `Use it: its issuer is ${issuer}. ` +
    `For another one choose another port: npm run keycloak -- --port ${port + 1}`)
}
