import { readdirSync } from 'node:fs'

const FOLDERS = ['src/oauth', 'src/issuer', 'src/client', 'src/http', 'src/options', 'plugins', 'routes']

/** What `npm run check` holds at full coverage, by all tests together; programs are tested as processes. */
const files = FOLDERS.flatMap((folder) =>
  readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('.ts')).map((file) => `${folder}/${file}`))

export default () => files
