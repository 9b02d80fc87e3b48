// RSA keys for the tests: a pair takes a tenth of a second or more, and a run needs two hundred. Those of 2048 bits are generated once for
// each run, and every process takes them in their order, each once; what it needs beyond them it generates.
import crypto from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { COMPILED } from './compiled.mjs'

const FILE = join(COMPILED, '.rsa-keys.json')
const PAIRS = 16

/** Generates the keys of a run, where every process of it finds them. */
export async function generateKeys () {
  const pairs = await Promise.all(Array.from({ length: PAIRS }, () => promisify(crypto.generateKeyPair)('rsa', { modulusLength: 2048 })))
  writeFileSync(FILE, JSON.stringify(pairs.map(({ privateKey }) => privateKey.export({ type: 'pkcs8', format: 'pem' }))), { mode: 0o600 })
}

export const deleteKeys = () => rmSync(FILE, { force: true })

const isPlain = (type, options) => type === 'rsa' && options.modulusLength === 2048 && Object.keys(options).length === 1

/** From now on, this process takes its keys from those of the run. Returns what begins with the first of them again. */
export function useKeys () {
  const all = JSON.parse(readFileSync(FILE, 'utf8'))
  let pems = []
  const { generateKeyPair, generateKeyPairSync } = crypto
  const next = (type, options) => {
    const pem = isPlain(type, options) ? pems.shift() : undefined
    return pem && { publicKey: crypto.createPublicKey(pem), privateKey: crypto.createPrivateKey(pem) }
  }
  crypto.generateKeyPairSync = (type, options) => next(type, options) ?? generateKeyPairSync(type, options)
  const generated = promisify(generateKeyPair)
  crypto.generateKeyPair = Object.assign((...args) => generateKeyPair(...args), {
    [promisify.custom]: async (type, options) => next(type, options) ?? await generated(type, options)
  })
  syncBuiltinESMExports()
  return () => { pems = [...all] }
}
