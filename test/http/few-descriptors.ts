import { createBoundedFetch, type BoundedFetch, type FetchError } from '../../src/http/bounded-fetch.ts'
import { takeDescriptors } from '../support/few-descriptors.ts'

/** Run by bounded-fetch.test.ts in a process of its own with few descriptors: what happens while there are none left, and afterwards. */
const [, , url = ''] = process.argv
const write = (line: string): void => { process.stdout.write(`${line}\n`) }
const call = async (bounded: BoundedFetch): Promise<void> => {
  write(await bounded.fetch(url).then(({ status, text }) => `${status} ${text}`, (error: unknown) => (error as FetchError).code))
}

const giveBack = takeDescriptors()
const bounded = createBoundedFetch({ deadlineMs: 60_000, maxBytes: 1000 })
const other = createBoundedFetch({ deadlineMs: 60_000, maxBytes: 1000 })
await call(other)
await other.close()
write('closed')
await call(bounded)
giveBack()
await call(bounded)
await bounded.close()
write('closed')
