import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { billOfMaterials, licenceOf } from '../../tools/image/bill-of-materials.mjs'
import { must } from '../support/command.mjs'

const LICENCES = fileURLToPath(new URL('../../tools/image/licences.mjs', import.meta.url))

/** Prints name@version of every package below node_modules, in the container. */
const INSTALLED = `
const { readdirSync, readFileSync } = require('node:fs')
const found = readdirSync('/app/node_modules', { recursive: true })\
  .filter((path) => /(^|node_modules\\/)(@[^/]+\\/)?[^/]+\\/package\\.json$/.test(path))
console.log(JSON.stringify(found.map((path) => JSON.parse(readFileSync('/app/node_modules/' + path)))\
  .filter(({ name, version }) => name && version).map(({ name, version }) => name + '@' + version)))`

/** The bill of materials, the licences, the labels and the size of the image. */
export async function checkComponents ({ check, say, config, container, tag, env }) {
  await check('the bill of materials (CycloneDX) names every package of the image, with hash and licence', async () => {
    const { bomFormat, components } = await billOfMaterials()
    assert.equal(bomFormat, 'CycloneDX')
    const listed = new Set(components.map(({ name, version }) => `${name}@${version}`))
    const { stdout } = await container.exec(['node', '-e', INSTALLED])
    const installed = JSON.parse(stdout)
    assert.ok(installed.length > 20, `${installed.length} packages`)
    assert.deepEqual(installed.filter((one) => !listed.has(one)), [], 'in the image and not in the bill')
    assert.deepEqual(components.filter((component) => licenceOf(component) === undefined).map(({ name }) => name), [])
  })
  await check('every licence is on the list of accepted ones', () => must(process.execPath, [LICENCES]))
  await check('labels of OCI: title, licence, base, version', () => {
    const { Labels } = config
    const label = (name) => Labels?.[`org.opencontainers.image.${name}`]
    assert.deepEqual([label('title'), label('licenses'), label('version')], ['scopegate', 'MIT', '0.0.0-test'])
    assert.match(label('base.name'), /^node:\d+-[a-z]+-slim$/)
  })
  await check('its size is reported', async () => {
    const bytes = Number(await must('podman', ['image', 'inspect', '--format', '{{.Size}}', tag], { env }))
    const { stdout } = await container.exec([
      'node',
      '-e',
      'const { readdirSync, statSync } = require(\'node:fs\'); console.log(readdirSync(\'/app\', { recursive: true }).reduce((sum, path) ' +
      '=> sum + (statSync(\'/app/\' + path).isFile() ? statSync(\'/app/\' + path).size : 0), 0))'
    ])
    say(`        ${Math.round(bytes / 1e6)} MB, ${(Number(stdout) / 1e6).toFixed(1)} MB of it the service and its packages`)
    assert.ok(Number(stdout) > 1e6)
  })
}
