import type { Entry } from './entry-list.ts'

/**
 * Counted from the end: within the signature, and not at its very end, where a character holds fewer bits. 36 bits of a signature that
 * only an issuer can make; the number keeps 32 of them, so a few of a million tokens share one.
 */
const FIRST = 23
const LAST = 18
/** A prime near the number of characters of base64url. */
const FACTOR = 67

const SMALLEST = 64
/** Of the places, so that most texts are found at their first, or known to be absent; with fewer than the least, half of them go. */
const [MOST, LEAST] = [1 / 2, 1 / 8]
/** Behind the last first place. It is never full by chance; somebody who makes signatures could fill it, and only loses entries. */
const TAIL = 64
/** Spreads numbers that are alike over all places (Knuth: 2³² divided by the golden ratio). */
const SPREAD = 0x9E37_79B1

/**
 * Entries by characters of the signature, as a number: a text would have to be hashed at each request. Found is only what is the same
 * text, whole. A table with open addresses and not a Map: with thousands of tokens in use, what is read comes from far away, and a Map
 * reads three places, one after the other, before it has the entry.
 */
export class TokenIndex {
  #numbers = new Int32Array(SMALLEST + TAIL)
  #entries = placesFor(SMALLEST)
  /** The other bits of a spread number are its first place. */
  #shift = shiftOf(SMALLEST)
  #size = 0
  /** What is below was not yet in a part of this round. */
  #visited = SMALLEST + TAIL

  get size (): number {
    return this.#size
  }

  /** Where an entry can be: at least twice as many as there are entries. */
  get places (): number {
    return this.#numbers.length - TAIL
  }

  find (text: string): Entry | undefined {
    return this.#entries[this.#placeOf(numberOf(text), text)]
  }

  /** Returns the entry that has lost its place: of the same text, or for want of room. */
  set (entry: Entry): Entry | undefined {
    const number = numberOf(entry.text)
    const place = Math.min(this.#placeOf(number, entry.text), this.#numbers.length - 1)
    const before = this.#entries[place]
    this.#numbers[place] = number
    this.#entries[place] = entry
    if (before === undefined && ++this.#size > this.places * MOST) this.#resize(this.places * 2)
    return before
  }

  /** Only the entry itself, not one that has taken its place. */
  delete (entry: Entry): void {
    const place = this.#placeOf(numberOf(entry.text), entry.text)
    if (this.#entries[place] !== entry) return
    this.#free(place)
    if (--this.#size === 0) this.#resize(SMALLEST)
  }

  /**
   * The next of so many parts. After as many calls each entry was in one, but for those that have come meanwhile; after one more where
   * others have gone, after twice as many where the table has grown.
   */
  part (parts: number): Entry[] {
    if (this.#visited === 0) {
      if (this.#size < this.places * LEAST && this.places > SMALLEST) this.#resize(this.places / 2)
      this.#visited = this.#numbers.length
    }
    const from = Math.max(0, this.#visited - Math.ceil(this.#numbers.length / parts))
    const entries: Entry[] = []
    for (let at = from; at < this.#visited; at++) {
      const entry = this.#entries[at]
      if (entry !== undefined) entries.push(entry)
    }
    this.#visited = from
    return entries
  }

  /** Where the text is, or the free place where it would be; behind the last one if there is none. */
  #placeOf (number: number, text: string): number {
    const [numbers, entries] = [this.#numbers, this.#entries]
    let place = firstOf(number, this.#shift)
    for (let entry = entries[place]; entry !== undefined; entry = entries[++place]) {
      if (numbers[place] === number && entry.text === text) break
    }
    return place
  }

  /** What stands behind it would no longer be found from its first place: it moves, always downwards, as `part` relies on. */
  #free (place: number): void {
    const [numbers, entries] = [this.#numbers, this.#entries]
    let free = place
    for (let at = place + 1; entries[at] !== undefined; at++) {
      const number = numbers[at] as number
      if (firstOf(number, this.#shift) > free) continue
      numbers[free] = number
      entries[free] = entries[at]
      free = at
    }
    entries[free] = undefined
  }

  /** 50 ms for a million entries, once in each doubling. Nothing changes where fewer places have no room for all; more always have. */
  #resize (places: number): void {
    const shift = shiftOf(places)
    const [numbers, entries] = [new Int32Array(places + TAIL), placesFor(places)]
    for (let at = 0; at < this.#numbers.length; at++) {
      const entry = this.#entries[at]
      if (entry === undefined) continue
      const number = this.#numbers[at] as number
      let place = firstOf(number, shift)
      while (entries[place] !== undefined) place++
      if (place === numbers.length) return
      numbers[place] = number
      entries[place] = entry
    }
    // The order is that of the spread numbers in every size.
    this.#visited = Math.min(places, Math.ceil(this.#visited * places / this.places)) + TAIL
    this.#numbers = numbers
    this.#entries = entries
    this.#shift = shift
  }
}

function placesFor (places: number): Array<Entry | undefined> {
  return new Array<Entry | undefined>(places + TAIL).fill(undefined)
}

function firstOf (number: number, shift: number): number {
  return Math.imul(number, SPREAD) >>> shift
}

function shiftOf (places: number): number {
  return 32 - Math.log2(places)
}

/** Of a token, or of a text that ends with it. Another token has the same number by chance, or because somebody made it so. */
export function numberOf (text: string): number {
  const { length } = text
  let key = 0
  // A text that is too short has no such character: NaN, and with | 0 nothing.
  for (let at = length - FIRST; at <= length - LAST; at++) key = key * FACTOR + text.charCodeAt(at) | 0
  return key
}
