import { ConfigError, loadConfig, type Environment } from '../../src/config.ts'

/** What is wrong with an environment, a sentence each. */
export function problemsOf (environment: Environment): readonly string[] {
  try {
    loadConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
