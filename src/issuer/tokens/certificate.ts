import { sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

/** One element of DER (X.690): tag, length, content. */
function der (tag: number, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(body.length)
  const octets = length.subarray(length.findIndex((octet) => octet !== 0))
  return Buffer.concat([Buffer.from([tag, 0x80 | octets.length]), octets, body])
}

const SEQUENCE = 0x30
const SET = 0x31
const COMMON_NAME = der(0x06, Buffer.from('550403', 'hex'))
const SHA256_WITH_RSA = der(SEQUENCE, der(0x06, Buffer.from('2a864886f70d01010b', 'hex')), der(0x05))

const named = (name: string): Buffer =>
  der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(0x0c, Buffer.from(name)))))

/** UTCTime: two digits of the year, right until 2049. */
const at = (timeMs: number): Buffer =>
  der(0x17, Buffer.from(new Date(timeMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '').slice(2)))

const YEAR_MS = 365 * 86_400_000

/**
 * The self-signed certificate that Keycloak publishes with an RSA key as `x5c`: X.509 version 1, the realm's name as
 * subject and issuer, valid for ten years from a little before `nowMs`. Nobody verifies it; it is there to be parsed.
 */
export function selfSigned (name: string, publicKey: KeyObject, privateKey: KeyObject, nowMs: number): Buffer {
  // Its first octet is neither 0 nor over 127 between 2005 and 6429: positive and as short as DER wants it.
  const serial = Buffer.alloc(6)
  serial.writeUIntBE(nowMs, 0, 6)
  const validity = der(SEQUENCE, at(nowMs - 100_000), at(nowMs + 10 * YEAR_MS))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const certificate = der(SEQUENCE, der(0x02, serial), SHA256_WITH_RSA, named(name), validity, named(name), spki)
  const signature = Buffer.concat([Buffer.alloc(1), sign('RSA-SHA256', certificate, privateKey)])
  return der(SEQUENCE, certificate, SHA256_WITH_RSA, der(0x03, signature))
}
