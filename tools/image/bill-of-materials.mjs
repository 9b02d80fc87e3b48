import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MOST_BYTES = 64 * 1024 * 1024

const inRoot = async (file) => JSON.parse(await readFile(new URL(`../../${file}`, import.meta.url), 'utf8'))

/**
 * What production consists of, as CycloneDX 1.5, from package-lock.json alone: names, versions, hashes and licences. `npm sbom --omit=dev`
 * leaves out packages of production that a development dependency needs too (seen with npm 11), so what is for development only is
 * left out here. Node.js and Debian of the base image are not in it: a scanner of images reports those.
 */
export async function billOfMaterials () {
  const wanted = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application']
  const { stdout } = await promisify(execFile)('npm', wanted, { cwd: ROOT, maxBuffer: MOST_BYTES, shell: process.platform === 'win32' })
  const [bill, { name }, { packages }] = [JSON.parse(stdout), await inRoot('package.json'), await inRoot('package-lock.json')]
  // npm takes the name from the folder.
  bill.metadata.component.name = name
  const installed = Object.entries(packages).filter(([folder, { dev, link }]) => dev !== true && link !== true && folder !== '')
  const nameOf = (folder) => folder.split('node_modules/').at(-1).replace(/^vendor\//, '')
  const kept = new Set([bill.metadata.component['bom-ref'], ...installed.map(([folder, { version }]) => `${nameOf(folder)}@${version}`)])
  const isKept = (reference) => kept.has(reference.split('|')[0])
  return {
    ...bill,
    components: bill.components.filter((component) => isKept(component['bom-ref'])).map(withoutFolders),
    dependencies: bill.dependencies.filter(({ ref }) => isKept(ref))
      .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(isKept) }))
  }
}

/** Where a package lies on this machine concerns nobody. */
function withoutFolders (component) {
  return { ...component, externalReferences: component.externalReferences?.filter(({ url }) => !url.startsWith('file:')) ?? [] }
}

/** The licence of a component as SPDX has it: an identifier or an expression; undefined where its package names none. */
export function licenceOf ({ licenses = [] }) {
  const names = licenses.map(({ license, expression }) => expression ?? license?.id ?? license?.name).filter(Boolean)
  return names.length > 0 ? names.join(' AND ') : undefined
}
