import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isInstalled, must, run } from '../support/command.mjs'

const PULL_DEADLINE_MS = 300_000

/**
 * Sees to it that the base image of the Dockerfile is there: kept from an earlier run, pulled, or else built as a stand-in
 * (Debian's own packages, Node and npm from npm's registry, at the addresses that this machine is set up for) and kept.
 * The stand-in has no corepack and no yarn: whether the Dockerfile removes those is seen with the real image only.
 */
export async function provideBaseImage (name, { env, say }) {
  const standIn = `localhost/${name}`
  if ((await run('podman', ['image', 'exists', standIn], { env })).code === 0) return `${standIn}, kept from an earlier run`
  if ((await run('podman', ['pull', '--quiet', name], { env, timeoutMs: PULL_DEADLINE_MS })).code === 0) return name
  if (process.getuid?.() !== 0 || !await isInstalled('debootstrap')) {
    throw new Error(`${name} cannot be pulled, and a stand-in needs root and debootstrap`)
  }
  say(`${name} cannot be pulled: building a stand-in, which is kept`)
  const folder = await mkdtemp(join(tmpdir(), 'scopegate-base-'))
  try {
    await buildStandIn({ folder, env, standIn, release: name })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return `${standIn}, a stand-in`
}

/** `release`: such as node:24-bookworm-slim, which names both releases. */
async function buildStandIn ({ folder, env, standIn, release }) {
  const [, node, debian] = /^node:(\d+)-([a-z]+)-slim$/.exec(release) ?? []
  const root = join(folder, 'root')
  await must('debootstrap', ['--variant=minbase', debian, root, ...await mirrorOf(debian)])
  const npm = (...args) => must('npm', [...args, '--no-audit', '--no-fund', '--ignore-scripts'])
  await npm('install', '--prefix', folder, `node-linux-${process.arch}@${node}`)
  await mkdir(join(root, 'usr/local/bin'), { recursive: true })
  await copyFile(join(folder, `node_modules/node-linux-${process.arch}/bin/node`), join(root, 'usr/local/bin/node'))
  await npm('install', '--global', '--prefix', join(root, 'usr/local'), 'npm@11')
  await must('chroot', [root, 'useradd', '-u', '1000', '-U', '-m', 'node'])
  const archive = join(folder, 'root.tar')
  await must('tar', ['-C', root, '-cf', archive, '.'])
  await must('podman', ['import', '--quiet', archive, standIn], { env })
}

/** Where this machine's apt finds that release; nothing where it does not know it: then debootstrap's own default. */
async function mirrorOf (debian) {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(RELEASE) $(ORIGIN)'])
  const line = stdout.split('\n').map((text) => text.split(' ')).find(([, release, origin]) => release === debian && origin === 'Debian')
  return line === undefined ? [] : [line[0]]
}
