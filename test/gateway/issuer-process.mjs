// The development issuer as a process of its own: node issuer-process.mjs PORT KEYS_FILE
import { parseRealm, readProjectRealm, startDevelopmentIssuer } from '../../dist/src/issuer/development-issuer.js'

const [port, keysFile] = process.argv.slice(2)
await startDevelopmentIssuer({ realm: parseRealm(readProjectRealm()), port: Number(port), keysFile })
process.stdout.write('issuer listens\n')
