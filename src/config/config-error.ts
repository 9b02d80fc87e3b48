import { oneLine } from '../options/quote.ts'

/** Everything that is wrong with a configuration, one sentence for each problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  /** A problem may name a setting or a file, and quote what a parser said of it. */
  constructor (sentences: readonly string[]) {
    const problems = sentences.map(oneLine)
    const count = problems.length === 1 ? 'an error' : `${problems.length} errors`
    super(`${count} in the configuration (environment or .env):\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.problems = problems
  }
}
