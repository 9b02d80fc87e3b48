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
 * Where writing fails (EPIPE, ENOSPC), the lines of the block are lost and counted, and the service goes on; the first line that can be
 * written again says how many were.
 */
export class BlockWriter {
  readonly #options: BlockWriterOptions
  #lines: string[] = []
  #pendingBytes = 0
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  /** Lines since the last one that said how many, and why. */
  #dropped = 0
  #cause = ''
  /** What was written last is a part of a line. */
  #isWithinLine = false
  /** Lines that were dropped since the start. */
  droppedInAll = 0

  constructor (options: BlockWriterOptions) {
    this.#options = options
  }

  write (line: string): void {
    if (this.#pendingBytes + line.length > this.#options.maxPendingBytes) {
      this.#drop(1, 'the log is read too slowly')
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

  #drop (lines: number, cause: string): void {
    this.#dropped += lines
    this.droppedInAll += lines
    this.#cause = cause
  }

  #start (): void {
    if (this.#writing !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writeBlocks().finally(() => { this.#writing = undefined })
  }

  async #writeBlocks (): Promise<void> {
    while (this.#lines.length > 0) {
      const block = Buffer.from(`${this.#isWithinLine ? '\n' : ''}${this.#lines.join('')}`)
      this.#lines = []
      const { error, bytes } = await writeAll(this.#options.fd, block)
      if (bytes > 0) this.#isWithinLine = block[bytes - 1] !== NEWLINE
      const lost = block.subarray(bytes).filter((byte) => byte === NEWLINE).length
      if (error !== undefined) this.#drop(lost, `the log cannot be written (${error})`)
      else if (this.#dropped > 0) {
        this.#lines.push(`{"level":40,"time":${Date.now()},"dropped":${this.#dropped},"msg":"log lines were dropped: ${this.#cause}"}\n`)
        this.#dropped = 0
      }
      this.#pendingBytes = this.#lines.reduce((sum, line) => sum + line.length, 0)
    }
  }
}

const RETRY_MS = 20
const NEWLINE = 0x0A

/** All of a block: a pipe may take less than it is given, or nothing for now. Returns how much was written, and the error that ended it. */
async function writeAll (fd: number, block: Buffer): Promise<{ readonly error?: string, readonly bytes: number }> {
  let at = 0
  while (at < block.length) {
    const { error, bytes } = await writeSome(fd, block, at)
    if (error === null) at += bytes
    else if (error.code === 'EAGAIN' || error.code === 'EBUSY') await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    else return { error: error.code ?? error.message, bytes: at }
  }
  return { bytes: at }
}

function writeSome (fd: number, block: Buffer, at: number): Promise<{ error: NodeJS.ErrnoException | null, bytes: number }> {
  return new Promise((resolve) => write(fd, block, at, block.length - at, null, (error, bytes) => resolve({ error, bytes })))
}
