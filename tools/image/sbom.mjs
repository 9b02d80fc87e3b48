// npm run -s sbom > sbom.json: what production consists of, as CycloneDX.
import { billOfMaterials } from './bill-of-materials.mjs'

process.stdout.write(`${JSON.stringify(await billOfMaterials(), null, 2)}\n`)
