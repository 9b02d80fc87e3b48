// What one source becomes in JavaScript. Types are not checked here (`npm run typecheck`).
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')

export const hashOf = (...texts) => createHash('sha256').update(JSON.stringify(texts)).digest('base64url')

/** Changes where the output of every file may change. */
export const toolchain = () => hashOf(
  ...['tools/transpile.mjs', 'tools/output.mjs', 'tsconfig.json', 'package.json', 'node_modules/typescript/package.json']
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
)

/** The output for one source, or what is wrong with it. One file at a time: `isolatedModules` holds. */
export function transpile (source, text, changes = {}) {
  // Loaded only where something has changed: it takes longer than all the rest.
  const ts = createRequire(import.meta.url)('typescript')
  const { rootDir, outDir, ...settings } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')).compilerOptions
  // One file alone cannot know that package.json has "type": "module"; and without `jsx` transpileModule takes `preserve`, unlike tsc.
  const { options } = ts.convertCompilerOptionsFromJson(
    { ...settings, module: 'esnext', moduleResolution: 'bundler', jsx: 'react-jsx', ...changes }, ROOT
  )
  const { outputText, sourceMapText, diagnostics } = ts.transpileModule(text, {
    fileName: source, compilerOptions: options, reportDiagnostics: true
  })
  const errors = diagnostics.map(({ file, start = 0, messageText }) => {
    const { line, character } = file?.getLineAndCharacterOfPosition(start) ?? { line: 0, character: 0 }
    return `${source}:${line + 1}:${character + 1} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
  return { errors, outputText, sourceMapText }
}
