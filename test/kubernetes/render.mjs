import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isInstalled, must, run } from '../support/command.mjs'

export const OVERLAYS = ['ingress', 'gateway-api']
const DEPLOY = fileURLToPath(new URL('../../deploy/kubernetes/overlays/', import.meta.url))

/** Gives the text of an overlay, by kustomize or kubectl; undefined where neither is installed. */
export async function renderer () {
  if (await isInstalled('kustomize')) return (overlay) => must('kustomize', ['build', join(DEPLOY, overlay)])
  if ((await run('kubectl', ['version', '--client'])).code === 0) return (overlay) => must('kubectl', ['kustomize', join(DEPLOY, overlay)])
  return undefined
}
