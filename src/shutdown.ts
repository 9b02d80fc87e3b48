import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import { leaveSignals } from './early-signals.ts'
import type { Log } from './log.ts'

/** How long the service continues to serve after SIGTERM, so that gateways notice that it is not ready any more. */
const DRAIN_MS = 5_000
/** From the signal on: whatever is still open is cut, and the process exits. */
const HARD_END_MS = 20_000
/** For the last lines of the log, where nobody reads them. */
const LAST_LINES_MS = 2_000

export interface Closing {
  readonly app: FastifyInstance
  /** Closed after the service: the development issuer and the management listener. */
  readonly closeLast: () => Promise<void>
  readonly log: Log
  /** Whether SIGTERM waits for gateways. */
  readonly drain: boolean
}

/**
 * First signal: not ready any more, but still serving while gateways take notice (SIGTERM only), then closed in order.
 * Connections that are still open after HARD_END_MS are cut. A second signal ends the process at once.
 */
export function closeOnSignal ({ app, closeLast, log: { logger, flush }, drain }: Closing): void {
  closeWithGrace({ delay: HARD_END_MS + 5_000, logger: false, onSecondSignal: endIfTerminalIsGone }, async ({ err, signal }) => {
    if (err !== undefined) logger.fatal({ err }, 'the process exits because of an unexpected error')
    else logger.info({ signal }, 'the process exits')
    app.beginDrain()
    const hardEnd = setTimeout(() => app.listeners.closeAll(), HARD_END_MS)
    if (drain && signal === 'SIGTERM') await new Promise((resolve) => setTimeout(resolve, DRAIN_MS))
    await app.close()
    clearTimeout(hardEnd)
    await closeLast()
    await Promise.race([flush(), new Promise((resolve) => setTimeout(resolve, LAST_LINES_MS))])
    endIfTerminalIsGone(signal)
  })
  leaveSignals()
}

/** A Node that ends after its terminal was closed hangs in resetting that terminal, with a full core (seen with 20.20). */
function endIfTerminalIsGone (signal: string | undefined): void {
  if (signal === 'SIGHUP') process.kill(process.pid, 'SIGKILL')
}
