import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseRealm, type Realm } from './realm.ts'

/** A realm file that cannot be used: one sentence that names the file, the place in it, and what is wrong there. */
export class RealmFileError extends Error {
  override readonly name = 'RealmFileError'
}

/** keycloak/myorg-realm.json of the project: three levels up from the source, four from what is built of it. */
export function projectRealmFile (): string {
  const places = ['../../../', '../../../../'].map((up) => new URL(`${up}keycloak/myorg-realm.json`, import.meta.url))
  return fileURLToPath(places.find((place) => existsSync(place)) ?? String(places[0]))
}

/** Reads a realm file as Keycloak imports it. Throws a RealmFileError. */
export function readRealmFile (path: string): Realm {
  const content = parsed(path, textOf(path))
  try {
    return parseRealm(content)
  } catch (error) {
    throw new RealmFileError(`The realm file ${path}: ${(error as Error).message}`)
  }
}

function textOf (path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new RealmFileError(`The realm file ${path} cannot be read: ${(error as Error).message}`)
  }
}

function parsed (path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new RealmFileError(`The realm file ${path} is not JSON: ${(error as Error).message}`)
  }
}
