import { createClient } from '../../src/client/client.ts'
import type { ClientError } from '../../src/client/errors.ts'
import { takeDescriptors } from '../support/few-descriptors.ts'

/** Run by robust.test.ts in a process of its own with few descriptors: a client while there are none left, and afterwards. */
const [, , tokenEndpoint = ''] = process.argv
const write = (line: string): void => { process.stdout.write(`${line}\n`) }
let nowMs = 0
const client = createClient({ tokenEndpoint, clientId: 'id', clientSecret: 'secret', apiUrl: 'http://localhost', now: () => nowMs })
const call = async (): Promise<void> => { write(await client.token().catch((error: unknown) => (error as ClientError).code)) }

const giveBack = takeDescriptors()
await call()
giveBack()
// After the pause that follows a failure.
nowMs += 60_000
await call()
await client.close()
write('closed')
