import { hash, randomBytes } from 'node:crypto'

/** Fixed, and shown by tests. */
export const SEEN_NAMES_LIMITS = { places: 131_072, seconds: 10 } as const

/** How a name was seen lately: with one token at most, with several or one that came back, or with a bad one. */
export type Seen = 'once' | 'again' | 'bad'

/** What is remembered of a name: one of these, or the token with which it was seen once. */
const AGAIN = 0
const BAD = 1
const FIRST_TOKEN = 2

/** A place has the mark of its name in the upper bits, and the second in which the name was seen last in the others. */
const SECONDS = 256
const MARK = -SECONDS >>> 0

interface Place { readonly at: number, readonly mark: number }

/**
 * Names that were seen in the last ten seconds, in a megabyte, however many there are: of two names with one place, the later is kept. A
 * keyed hash with a key of this process chooses the place, so that nobody can aim at that of another.
 */
export class SeenNames {
  readonly #nowMs: () => number
  readonly #key = randomBytes(32).toString('hex')
  /** Made with the first name: a service that nobody attacks never needs them. */
  #arrays: { readonly places: Uint32Array, readonly states: Uint32Array } | undefined

  /** Milliseconds since the epoch. */
  constructor (nowMs: () => number) {
    this.#nowMs = nowMs
  }

  stateOf (name: string): Seen {
    return this.#arrays === undefined ? 'once' : seen(this.#get(this.#placeOf(name)))
  }

  /** It is seen with this token, a number, however often that is on its way. Returns how it was seen, with this time. */
  see (name: string, token: number): Seen {
    const place = this.#placeOf(name)
    const first = Math.max(token >>> 0, FIRST_TOKEN)
    const before = this.#get(place) ?? first
    const now = before === first || before === BAD ? before : AGAIN
    this.#set(place, now)
    return seen(now)
  }

  /** Its token was sent away and may come back; what is bad remains so. */
  expect (name: string): void {
    const place = this.#placeOf(name)
    if (this.#get(place) !== BAD) this.#set(place, AGAIN)
  }

  markBad (name: string): void {
    this.#set(this.#placeOf(name), BAD)
  }

  #placeOf (name: string): Place {
    const digest = hash('sha256', `${this.#key} ${name}`, 'buffer')
    return { at: digest.readUInt32BE() % SEEN_NAMES_LIMITS.places, mark: (digest.readUInt32BE(4) & MARK) >>> 0 }
  }

  #get ({ at, mark }: Place): number | undefined {
    const held = this.#arrays?.places[at]
    if (held === undefined || (held & MARK) >>> 0 !== mark) return undefined
    const ageSeconds = (this.#second() - held % SECONDS + SECONDS) % SECONDS
    return ageSeconds > SEEN_NAMES_LIMITS.seconds ? undefined : this.#arrays?.states[at]
  }

  #set ({ at, mark }: Place, state: number): void {
    const { places } = SEEN_NAMES_LIMITS
    this.#arrays ??= { places: new Uint32Array(places), states: new Uint32Array(places) }
    this.#arrays.places[at] = mark + this.#second()
    this.#arrays.states[at] = state
  }

  #second (): number {
    return Math.floor(this.#nowMs() / 1000) % SECONDS
  }
}

function seen (state: number | undefined): Seen {
  if (state === AGAIN) return 'again'
  return state === BAD ? 'bad' : 'once'
}
