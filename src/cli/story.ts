import { STATUS_CODES } from 'node:http'
import { styleText } from 'node:util'

/** What a response must be; `challenge` and `body` are parts of the text. */
export interface Expected {
  readonly status: number
  readonly challenge?: string
  readonly body?: string
  /** What the API's log gives as the reason; the response does not contain it. */
  readonly reason?: string
}

/** The members of a log line that the story shows. */
export interface LogLine {
  readonly msg?: string
  readonly reason?: string
  readonly detail?: string
  readonly hint?: string
}

/** A step with another result than expected. */
export class StepFailed extends Error {
  constructor (step: string, what: string) {
    super(`Step failed: "${step}": ${what}`)
  }
}

/** Prints steps so that a newcomer can follow, and holds each against what it must be: throws StepFailed. */
export interface Story {
  readonly say: (text: string) => void
  readonly call: (step: string, url: string, init: RequestInit, expected: Expected) => Promise<void>
  readonly show: (step: string, request: string, response: Response, expected: Expected) => Promise<void>
  readonly result: (step: string, request: string, result: string, part: string) => void
  readonly end: () => void
}

export function createStory (write: (text: string) => unknown, coloured: boolean, lastLogLine: () => LogLine | undefined): Story {
  let steps = 0
  const paint = (format: 'bold' | 'dim' | 'green' | 'yellow', text: string): string => coloured ? styleText(format, text) : text
  const say = (text: string): void => void write(`${text}\n`)
  const head = (step: string, request: string): void =>
    say(`${paint('bold', `${String(++steps).padStart(2)}  ${step}`)}\n    ${paint('dim', request)}`)

  async function show (step: string, request: string, response: Response, expected: Expected): Promise<void> {
    const body = await response.text()
    const challenge = response.headers.get('www-authenticate') ?? ''
    head(step, request)
    say(`    ${paint(response.ok ? 'green' : 'yellow', `${response.status} ${STATUS_CODES[response.status] ?? ''}`)}`)
    if (challenge !== '') say(`    WWW-Authenticate: ${challenge}`)
    say(`    ${body}`)
    const reason = await loggedReason(expected, say)
    say('')
    if (reason !== expected.reason) {
      throw new StepFailed(step, `the log should give the reason ${expected.reason ?? ''}, not ${reason ?? ''}`)
    }
    if (response.status !== expected.status) throw new StepFailed(step, `${expected.status} was expected, not ${response.status}`)
    if (!challenge.includes(expected.challenge ?? '')) {
      throw new StepFailed(step, `the challenge should contain ${expected.challenge ?? ''}`)
    }
    if (!body.includes(expected.body ?? '')) throw new StepFailed(step, `the response should contain ${expected.body ?? ''}`)
  }

  /** The line is written once the response is sent: a turn of the event loop later. */
  async function loggedReason (expected: Expected, print: (text: string) => void): Promise<string | undefined> {
    if (expected.reason === undefined) return undefined
    await new Promise((resolve) => setTimeout(resolve, 20))
    const { reason, detail, hint } = lastLogLine() ?? {}
    print(paint('dim', `    The log of the API has the reason: ${reason ?? ''} (${detail ?? ''})`))
    print(paint('dim', `    ${hint?.split('. ')[0] ?? ''}.`))
    return reason
  }

  return {
    say,
    show,
    async call (step, url, init, expected) {
      const shown = init.headers === undefined ? '' : '   with Authorization: Bearer <token>'
      await show(step, `GET ${new URL(url).pathname}${shown}`, await fetch(url, init), expected)
    },
    result (step, request, result, part) {
      head(step, request)
      say(`    ${paint('yellow', result)}\n`)
      if (!result.includes(part)) throw new StepFailed(step, `"${part}" was expected`)
    },
    end: () => say(paint('green', `All ${steps} steps passed. Next: npm start`))
  }
}
