import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { decodeText } from '../../http/text.ts'
import { jsonPlaces, lineAndColumn, type JsonError } from './json-places.ts'
import { parseRealm, shapeSentence, type Realm, type RealmShapeError } from './realm.ts'
import { scopeDefinition, undefinedScopes } from './scope-names.ts'

/** A realm file that cannot be used: one sentence that names the file, the place in it, and what is wrong there. */
export class RealmFileError extends Error {
  override readonly name = 'RealmFileError'
}

/** keycloak/myorg-realm.json of the project: three levels up from the source, four from what is built of it. */
export function projectRealmFile (): string {
  const places = ['../../../', '../../../../'].map((up) => new URL(`${up}keycloak/myorg-realm.json`, import.meta.url))
  return fileURLToPath(String([...places.filter((place) => existsSync(place)), ...places][0]))
}

/** Reads a realm file as Keycloak imports it. Throws a RealmFileError. Not checked: whether the names in it refer to anything. */
export function readRealmFile (path: string): Realm {
  return read(path).realm
}

/**
 * Reads the realm file of the project for the development issuer. A client scope that is named and not defined is an error
 * here: Keycloak skips it with a line in its log, and the token lacks the scope.
 */
export function readProjectRealm (path = projectRealmFile()): Realm {
  const { realm, placeOf } = read(path)
  const [first, ...more] = undefinedScopes(realm)
  if (first === undefined) return realm
  const sentences = [first, ...more].map(({ at, owner, scope }) => `${placeOf(at)}: ${owner} names the scope ${scope}`)
  throw new RealmFileError(`The realm file ${path} does not define every scope that it names. ${sentences.join('; ')}. ` +
    `Add to "clientScopes": ${scopeDefinition(first.scope)}`)
}

interface Read {
  readonly realm: Realm
  readonly placeOf: (member: string) => string
}

function read (path: string): Read {
  const text = textOf(path)
  const places = placesIn(path, text)
  // Where a member is missing: the object that should have it.
  const placeOf = (member: string): string => lineAndColumn(text, places.get(member) ?? Number(places.get(member.replace(/\.?[^.]*$/, ''))))
  try {
    return { realm: parseRealm(JSON.parse(text)), placeOf }
  } catch (error) {
    const { errors } = error as RealmShapeError
    const sentences = errors.map((one) => `${placeOf(one.at)}: ${shapeSentence(one)}`)
    throw new RealmFileError(`The realm file ${path} cannot be used. ${sentences.join('; ')}.`)
  }
}

function textOf (path: string): string {
  let bytes: Uint8Array
  try {
    bytes = readFileSync(path)
  } catch (error) {
    throw new RealmFileError(`The realm file ${path} cannot be read: ${(error as Error).message}`)
  }
  const text = decodeText(bytes)
  if (text === undefined) throw new RealmFileError(`The realm file ${path} is not text in UTF-8 or UTF-16.`)
  return text
}

function placesIn (path: string, text: string): ReadonlyMap<string, number> {
  try {
    return jsonPlaces(text)
  } catch (error) {
    const { message, offset } = error as JsonError
    throw new RealmFileError(`The realm file ${path} is not JSON. ${lineAndColumn(text, offset)}: ${message}.`)
  }
}
