/** The body of a request to undici, and whether it can be sent once more. */
export interface DispatchBody {
  /** For one attempt; null: none. */
  readonly next: () => unknown
  /** At this moment: what is recorded can be sent again when all of it has been sent. */
  readonly isRepeatable: () => boolean
  /** There is no other attempt: the record is deleted. */
  readonly release: () => void
}

/** A longer body is sent once only. */
const MOST_RECORDED_BYTES = 65_536

/** Of these undici makes the same bytes again; the tags are also those of classes that are not Node's. */
const LASTING = new Set(['[object ArrayBuffer]', '[object Blob]', '[object File]', '[object FormData]'])

/**
 * `fetch` of undici makes a generator of every body, of a text too: what an iterable yields is recorded while it is sent, without a change
 * of how it is sent. Node's streams are not: undici takes the length of one that has ended, and listens to it in its own time.
 */
export function dispatchBodyOf (body: unknown): DispatchBody {
  const isLasting = body === undefined || body === null || typeof body === 'string' || ArrayBuffer.isView(body) ||
    LASTING.has(Object.prototype.toString.call(body))
  if (!isLasting && isIterable(body) && !('pipe' in body)) return new Recording(body)
  return { next: () => body, isRepeatable: () => isLasting, release: () => undefined }
}

type Source = Iterable<unknown> | AsyncIterable<unknown>

function isIterable (body: unknown): body is Source {
  return typeof body === 'object' && body !== null && (Symbol.asyncIterator in body || Symbol.iterator in body)
}

/** A generator once more: bytes alone would be sent with a length that the first attempt may not have declared. */
async function* inOnePiece (bytes: Uint8Array): AsyncGenerator {
  yield await Promise.resolve(bytes)
}

class Recording implements DispatchBody {
  readonly #source: Source
  /** Grows as it is filled. Undefined: nothing is recorded any more. */
  #bytes: Buffer | undefined = Buffer.alloc(0)
  #length = 0
  #isWhole = false

  constructor (source: Source) {
    this.#source = source
  }

  next (): AsyncIterable<unknown> {
    return this.#isWhole && this.#bytes !== undefined ? inOnePiece(this.#bytes.subarray(0, this.#length)) : this.#recording()
  }

  isRepeatable (): boolean {
    return this.#isWhole && this.#bytes !== undefined
  }

  release (): void {
    this.#bytes = undefined
  }

  async* #recording (): AsyncGenerator {
    for await (const chunk of this.#source) {
      this.#keep(chunk)
      yield chunk
    }
    this.#isWhole = true
  }

  /** A copy, since the source may use its memory again. */
  #keep (chunk: unknown): void {
    if (this.#bytes === undefined) return
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    const length = bytes instanceof Uint8Array ? this.#length + bytes.length : Infinity
    if (length > MOST_RECORDED_BYTES) {
      this.release()
      return
    }
    if (length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(length, Math.min(2 * this.#bytes.length, MOST_RECORDED_BYTES)))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes.set(bytes as Uint8Array, this.#length)
    this.#length = length
  }
}
