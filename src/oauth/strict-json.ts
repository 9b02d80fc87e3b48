import { isUtf8 } from 'node:buffer'

/** What is wrong with a part that should be a JSON object in canonical base64url. */
export type PartFault = 'not_base64url' | 'not_utf8' | 'not_json_object' | 'duplicate_member' | 'nested_too_deep'

/** Objects and arrays within each other, the outermost counted. */
const MAX_DEPTH = 16

/**
 * One part of a compact JWS → the JSON object in it, or what is wrong with it. Stricter than JWT libraries, since a second spelling
 * of a token or a second reading of a claim is an attack: base64url must be canonical (re-encoding gives the same text), the text
 * strict UTF-8 without BOM, the value an object, no member name twice in any object (RFC 7519 §4 leaves that to us).
 */
export function readJsonPart (part: string): Record<string, unknown> | PartFault {
  const bytes = decoded(part)
  if (bytes === undefined) return 'not_base64url'
  if (!isUtf8(bytes)) return 'not_utf8'
  const text = bytes.toString('utf8')
  const value = parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not_json_object'
  const { members, depth } = measure(text)
  if (depth > MAX_DEPTH) return 'nested_too_deep'
  return members === countMembers(value) ? value as Record<string, unknown> : 'duplicate_member'
}

/** Whether a part is canonical base64url, whatever it encodes. */
export function isBase64url (part: string): boolean {
  return decoded(part) !== undefined
}

/** Every token is decoded here, one after the other: memory of its own for each part would be collected at once. */
const space = Buffer.allocUnsafeSlow(16_384)

/** The bytes of a part, until the next call; undefined where encoding them does not give the part again. */
function decoded (part: string): Buffer | undefined {
  const bytes = part.length > space.length ? Buffer.from(part, 'base64url') : space.subarray(0, space.write(part, 'base64url'))
  return bytes.toString('base64url') === part ? bytes : undefined
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const QUOTE = 0x22
const BACKSLASH = 0x5C
const COLON = 0x3A
const COMMA = 0x2C

/** Members written and depth reached in a text that JSON.parse has accepted: outside of strings every colon belongs to one member. */
function measure (text: string): { members: number, depth: number } {
  let members = 0
  let depth = 0
  let open = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === COLON) members++
    else if (code === 0x7B || code === 0x5B) depth = Math.max(depth, ++open)
    else if (code === 0x7D || code === 0x5D) open--
  }
  return { members, depth }
}

function endOfString (text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (text.charCodeAt(end - 1) === BACKSLASH && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end
}

function isEscaped (text: string, at: number): boolean {
  let backslashes = 0
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
  return backslashes % 2 === 1
}

interface Open {
  /** Of an object, the names so far; of an array, undefined. */
  readonly names: Set<string> | undefined
  /** The member of the object or the index of the array that is being read. */
  at: string | number
}

/**
 * Where a part contains a member twice: names (and array indexes) from the outermost object inwards; empty where it does not. The part
 * contains JSON, as `readJsonPart` has found.
 */
export function duplicateMember (part: string): readonly string[] {
  const text = Buffer.from(part, 'base64url').toString('utf8')
  const open: Open[] = []
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    const inner = open.at(-1)
    if (code === 0x7B) open.push({ names: new Set(), at: '' })
    else if (code === 0x5B) open.push({ names: undefined, at: 0 })
    else if (code === 0x7D || code === 0x5D) open.pop()
    else if (code === COMMA && typeof inner?.at === 'number') inner.at++
    else if (code === QUOTE) {
      const end = endOfString(text, at)
      if (inner?.names !== undefined && isNameBefore(text, end + 1)) {
        inner.at = JSON.parse(text.slice(at, end + 1)) as string
        if (inner.names.has(inner.at)) return open.map((one) => String(one.at))
        inner.names.add(inner.at)
      }
      at = end
    }
  }
  return []
}

function isNameBefore (text: string, at: number): boolean {
  return /^\s*:/.test(text.slice(at))
}

/** Members that are left after parsing: of two with one name, JSON.parse keeps the last and drops the first with all that is in it. */
function countMembers (value: object): number {
  const inner: unknown[] = Object.values(value)
  let members = Array.isArray(value) ? 0 : inner.length
  for (const one of inner) if (typeof one === 'object' && one !== null) members += countMembers(one)
  return members
}
