/** Where the progress of long work is reported. */
export interface Reporting {
  /** A line that remains. */
  readonly say: (line: string) => void
  /** On a terminal only: a line that the next one is written over; undefined ends it. */
  readonly move?: ((line: string | undefined) => void) | undefined
}

interface Sink {
  readonly write: (text: string) => unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

const FRAMES = ['|', '/', '-', '\\']
/** Back to the first column, and the rest of the line is erased (ECMA-48). */
const CLEAR = '\r\u001b[K'
/** How often the line moves, and how often there is a plain line where it cannot. */
const PACE: Readonly<Record<'movingMs' | 'plainMs', number>> = { movingMs: 250, plainMs: 10_000 }

/** A terminal that does not say how wide it is has 0 columns. */
function widthOf ({ columns = 0 }: Sink): number {
  return columns > 3 ? columns : 80
}

/** Lines on a stream; on a terminal with one that moves. Whatever else is printed meanwhile goes through `print`. */
export function reporting (out: Sink): Reporting & { readonly print: (line: string) => void } {
  let isMoving = false
  const print = (line: string): void => {
    out.write(`${isMoving ? CLEAR : ''}${line}\n`)
    isMoving = false
  }
  const move = (line: string | undefined): void => {
    if (line !== undefined) out.write(`${CLEAR}  ${line.slice(0, widthOf(out) - 3)}`)
    else if (isMoving) out.write(CLEAR)
    isMoving = line !== undefined
  }
  return { print, say: (line) => print(`  ${line}`), ...out.isTTY === true && { move } }
}

/** Reports that work is under way, and for how long, until it has ended. */
export async function whileUnderWay<Result> (work: Promise<Result>, what: string, { say, move }: Reporting, pace = PACE): Promise<Result> {
  const started = performance.now()
  let ticks = 0
  const timer = setInterval(() => {
    const text = `${what}: ${Math.floor((performance.now() - started) / 1000)} s`
    if (move === undefined) say(`… ${text}`)
    else move(`${FRAMES[ticks++ % FRAMES.length] ?? ''} ${text}`)
  }, move === undefined ? pace.plainMs : pace.movingMs)
  try {
    return await work
  } finally {
    clearInterval(timer)
    move?.(undefined)
  }
}
