import assert from 'node:assert/strict'

/** Prints one line for each check, and counts: a check passes when its function neither throws nor rejects. */
export function createReport (write = (line) => process.stdout.write(`${line}\n`)) {
  let passed = 0
  let failed = 0
  return {
    say: write,
    async check (name, examine) {
      try {
        await examine()
        passed++
        write(`ok      ${name}`)
      } catch (error) {
        failed++
        write(`FAILED  ${name}: ${indented(error)}`)
      }
    },
    /** The last line of the program; gives its exit code. `skipped` counts what could not be tried on this machine. */
    end (skipped = 0) {
      write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
      return failed === 0 ? 0 : 1
    },
    /** Nothing could be tried on this machine: exit code 0, and a last line by which `.ci/run` tells it from success. */
    skip (why) {
      write(`skipped: ${why}`)
      write('0 passed, 0 failed, 1 skipped')
      return 0
    }
  }
}

function indented (error) {
  return (error instanceof assert.AssertionError || error instanceof Error
    ? error.message
    : String(error)).trim().replaceAll('\n', '\n          ')
}
