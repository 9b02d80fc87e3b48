import { write } from 'node:fs'

export interface BlockWriterOptions {
  /** Where to: 1 is standard output. */
  readonly fd: number
  /** A block is written when so much has come together, or after `afterMs`. */
  readonly blockBytes: number
  readonly afterMs: number
  /** More than this never waits in memory: what comes on top is dropped, and a line says how many were. */
  readonly maxPendingBytes: number
}

/**
 * A destination for pino that writes lines in blocks, asynchronously, one block at a time. sonic-boom does the same, but it flattens
 * its growing text with every line, which costs three times what the line itself does (bench/README.md).
 * Not handled: a destination that is gone (EPIPE): its lines are lost, and the service goes on.
 */
export class BlockWriter {
  readonly #options: BlockWriterOptions
  #lines: string[] = []
  #pendingBytes = 0
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #dropped = 0
  /** Lines that were dropped since the start. */
  droppedInAll = 0

  constructor (options: BlockWriterOptions) {
    this.#options = options
  }

  write (line: string): void {
    if (this.#pendingBytes + line.length > this.#options.maxPendingBytes) {
      this.#dropped++
      this.droppedInAll++
      return
    }
    this.#lines.push(line)
    this.#pendingBytes += line.length
    if (this.#pendingBytes >= this.#options.blockBytes) this.#start()
    else this.#timer ??= setTimeout(() => this.#start(), this.#options.afterMs).unref()
  }

  /** Resolves when everything received so far is written. */
  async flush (): Promise<void> {
    while (this.#writing !== undefined || this.#lines.length > 0) {
      this.#start()
      await this.#writing
    }
  }

  #start (): void {
    if (this.#writing !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writeBlocks().finally(() => { this.#writing = undefined })
  }

  async #writeBlocks (): Promise<void> {
    while (this.#lines.length > 0) {
      const block = Buffer.from(this.#lines.join(''))
      this.#lines = []
      await writeAll(this.#options.fd, block)
      if (this.#dropped > 0) {
        this.#lines.push(
          `{"level":40,"time":${Date.now()},"dropped":${this.#dropped},"msg":"log lines were dropped: the log is read too slowly"}\n`
        )
      }
      this.#dropped = 0
      this.#pendingBytes = this.#lines.reduce((sum, line) => sum + line.length, 0)
    }
  }
}

const RETRY_MS = 20

/** All of a block: a pipe may take less than it is given, or nothing for now. */
async function writeAll (fd: number, block: Buffer): Promise<void> {
  for (let at = 0; at < block.length;) {
    const { error, bytes } = await writeSome(fd, block, at)
    if (error === null) at += bytes
    else if (error.code === 'EAGAIN' || error.code === 'EBUSY') await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    else return
  }
}

function writeSome (fd: number, block: Buffer, at: number): Promise<{ error: NodeJS.ErrnoException | null, bytes: number }> {
  return new Promise((resolve) => write(fd, block, at, block.length - at, null, (error, bytes) => resolve({ error, bytes })))
}
