// npm run -s licences: one line for each package of production with its licence. Exit code 1 where one is not on the list.
import { billOfMaterials, licenceOf } from './bill-of-materials.mjs'

/** Licences that require a notice at most. Another one is a decision of a person: read it, then add it here. */
const ACCEPTED = new Set(['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'Unlicense', 'CC0-1.0'])

const { components } = await billOfMaterials()
const refused = []
for (const component of components) {
  const licence = licenceOf(component)
  if (licence === undefined || !licence.replace(/[()]/g, '').split(/ (?:AND|OR) /).every((name) => ACCEPTED.has(name))) {
    refused.push(component.name)
  }
  process.stdout.write(`${component.name}@${component.version} ${licence ?? 'no licence'}\n`)
}
if (refused.length > 0) {
  process.stderr.write(`Not on the list of accepted licences (tools/image/licences.mjs): ${refused.join(', ')}\n`)
  process.exitCode = 1
}
