import { readdirSync, readFileSync } from 'node:fs'

export type Jwk = Readonly<Record<string, unknown>>

/** One token with what its source says about it. */
export interface JoseCase {
  /** File and number, or file and place. */
  readonly name: string
  readonly comment: string
  readonly valid: boolean
  readonly token: string
}

/** The cases of one key or key set. */
export interface JoseGroup {
  readonly name: string
  /** Public members of asymmetric keys only: what an issuer may serve. */
  readonly publicKeys: readonly Jwk[]
  /** Private and symmetric keys: what no issuer may serve. */
  readonly secretKeys: readonly Jwk[]
  readonly cases: readonly JoseCase[]
}

interface KeyOrSet extends Jwk { readonly keys?: readonly Jwk[] }

interface WycheproofGroup {
  readonly comment: string
  readonly private?: KeyOrSet
  readonly public?: KeyOrSet
  readonly tests: ReadonlyArray<{
    readonly tcId: number
    readonly comment: string
    readonly result: string
    readonly jws?: string | object
    readonly jwe?: string | object
  }>
}

const FOLDER = 'test/vectors'

export function readWycheproof (file: 'signature' | 'key' | 'crypto' | 'encryption'): readonly JoseGroup[] {
  const { testGroups } = readJson(`wycheproof/json_web_${file}_test.json`) as { testGroups: readonly WycheproofGroup[] }
  return testGroups.map((group) => ({
    name: `${file} ${group.tests[0]?.tcId ?? ''}… ${group.comment}`,
    publicKeys: keysOf(group.public).map(publicPart).filter((key) => key !== undefined),
    secretKeys: keysOf(group.private).filter(isSecret),
    cases: group.tests.map(({ tcId, comment, result, jws, jwe = '' }) => ({
      name: `${file} ${tcId}`, comment, valid: result === 'valid', token: textOf(jws ?? jwe)
    }))
  }))
}

/** A token in one of the JSON serializations goes as its text. */
function textOf (token: string | object): string {
  return typeof token === 'string' ? token : JSON.stringify(token)
}

interface Recipe {
  readonly input: { readonly key?: KeyOrSet | readonly Jwk[] }
  readonly output: Readonly<Record<string, string | object>>
}

/** Every file of the cookbook that has a result; each is valid for the one who holds the key and takes what it shows. */
export function readCookbook (): readonly JoseGroup[] {
  const files = cookbookFiles().filter((file) => !file.startsWith('jwk_'))
  return files.map((file) => {
    const recipes = recipesOf(readJson(`jose-cookbook/${file}`) as Recipe & { readonly sign?: Recipe, readonly encrypt?: Recipe })
    return {
      name: file,
      publicKeys: recipes.flatMap(({ input }) => keysOf(input.key)).map(publicPart).filter((key) => key !== undefined),
      secretKeys: recipes.flatMap(({ input }) => keysOf(input.key)).filter(isSecret),
      cases: recipes.flatMap(({ output }) => Object.entries(output).map(([form, value]) => ({
        name: `${file} ${form}`, comment: form, valid: true, token: textOf(value)
      })))
    }
  })
}

/** The cookbook's keys as they stand, by file: public, private and symmetric ones. */
export function readCookbookKeys (): ReadonlyMap<string, Jwk> {
  return new Map(cookbookFiles().filter((file) => file.startsWith('jwk_')).map((file) => [file, readJson(`jose-cookbook/${file}`) as Jwk]))
}

export interface JsonCase {
  readonly file: string
  /** y: JSON, n: not, i: left to the reader. */
  readonly verdict: string
  readonly bytes: Buffer
}

export function readJsonTestSuite (): readonly JsonCase[] {
  const folder = `${FOLDER}/json-test-suite/test_parsing`
  return readdirSync(folder).sort().map((file) => ({ file, verdict: file.slice(0, 1), bytes: readFileSync(`${folder}/${file}`) }))
}

function readJson (file: string): unknown {
  return JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8'))
}

function cookbookFiles (): readonly string[] {
  return readdirSync(`${FOLDER}/jose-cookbook`).filter((file) => file.endsWith('.json')).sort()
}

function recipesOf ({ sign, encrypt, ...whole }: Recipe & { readonly sign?: Recipe, readonly encrypt?: Recipe }): readonly Recipe[] {
  return sign === undefined || encrypt === undefined ? [whole] : [sign, encrypt]
}

function keysOf (key: KeyOrSet | readonly Jwk[] | undefined): readonly Jwk[] {
  if (key === undefined) return []
  if (Array.isArray(key)) return key as readonly Jwk[]
  return (key as KeyOrSet).keys ?? [key as Jwk]
}

function isSecret (key: Jwk): boolean {
  return key.d !== undefined || key.k !== undefined
}

const PUBLIC_MEMBERS = ['kty', 'kid', 'use', 'key_ops', 'alg', 'crv', 'x', 'y', 'n', 'e']

function publicPart (key: Jwk): Jwk | undefined {
  if (key.kty === 'oct') return undefined
  return Object.fromEntries(Object.entries(key).filter(([member]) => PUBLIC_MEMBERS.includes(member)))
}
