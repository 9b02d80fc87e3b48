// Lets tests import the TypeScript sources as they are: `node --import ./tools/test/sources.mjs FILE.ts`.
import * as modules from 'node:module'
import { load } from './load.mjs'

// In the thread of the tests where Node can: hooks in a thread of their own make each process start later.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major > 24 || (major === 24 && minor >= 13)) modules.registerHooks({ load })
else modules.register('./load.mjs', import.meta.url)

// What tests start is tested as a process (test/support/coverage-map.mjs). Recorded, a bundle would count as all of its sources. tap has
// begun to record this process by now.
process.env._TAPJS_PROCESSINFO_COVERAGE_ = '0'
