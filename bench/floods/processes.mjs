import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/** A process of the load: a file of this folder. */
export function startProcess (file) {
  return fork(fileURLToPath(new URL(`${file}.mjs`, import.meta.url)), { stdio: 'inherit' })
}

/** The next message of a child process; rejects when it ends instead. */
export async function nextMessage (child) {
  const ended = once(child, 'exit').then(([code]) => { throw new Error(`a process of the load ended with ${code}`) })
  const message = once(child, 'message').then(([received]) => received)
  return Promise.race([message, ended])
}
