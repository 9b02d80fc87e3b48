import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { must, run } from '../support/command.mjs'

/** As strict as a cluster may be; no tmpfs either, so nothing can be written anywhere. */
const CONFINED = [
  '--read-only', '--read-only-tmpfs=false', '--cap-drop=ALL', '--security-opt', 'no-new-privileges',
  '--memory', '256m', '--pids-limit', '64', '--network', 'host'
]
/** The service drains for 5 s and cuts what is still open after 20. */
const STOP_SECONDS = 30

/** Builds the image of `context` under `tag`. What npm needs on this machine is mounted: it does not enter the image. */
export async function buildImage ({ context, tag, folder, env }) {
  const mounts = await npmSettings(folder)
  await must('buildah', [
    'bud', '--pull-never', '--format', 'docker', ...process.getuid?.() === 0 ? ['--isolation', 'chroot'] : [], ...mounts,
    '--build-arg', 'VERSION=0.0.0-test', '-t', tag, context
  ], { env })
}

/**
 * Removes what a build leaves behind when it is cut short: call it before the build, and what it gives afterwards.
 * Whoever else builds on this machine at that moment loses working containers too: so only after an interruption.
 */
export async function noteResidue (env) {
  const lists = { containers: ['buildah', 'containers', '-q'], images: ['podman', 'images', '-q', '--filter', 'dangling=true'] }
  const idsOf = async ([program, ...args]) => (await run(program, args, { env })).stdout.split('\n').filter(Boolean)
  const before = new Set([...await idsOf(lists.containers), ...await idsOf(lists.images)])
  return async () => {
    for (const [list, remove] of [[lists.containers, ['buildah', 'rm']], [lists.images, ['podman', 'rmi', '-f']]]) {
      const [program, ...args] = remove
      for (const id of await idsOf(list)) if (!before.has(id)) await run(program, [...args, id], { env })
    }
  }
}

/** The registry and the certificates that npm uses on this machine, read from its own settings. */
async function npmSettings (folder) {
  const [registry, cafile] =
    (await must('npm', ['config', 'get', 'registry', 'cafile'])).split('\n').map((line) => line.replace(/^[a-z]+ ?= ?/, ''))
  const lines = [`registry=${registry}`]
  const authorities = [cafile, process.env.NODE_EXTRA_CA_CERTS].find((file) => file !== undefined && existsSync(file))
  if (authorities !== undefined) lines.push(`cafile=${authorities}`)
  const file = join(folder, 'npmrc')
  await writeFile(file, `${lines.join('\n')}\n`)
  return ['-v', `${file}:/root/.npmrc:ro`, ...authorities === undefined ? [] : ['-v', `${authorities}:${authorities}:ro`]]
}

/** What the image says about itself, as Docker shows it. */
export async function inspectImage (tag, env) {
  const [{ Config, Healthcheck }] = JSON.parse(await must('podman', ['inspect', '--type', 'image', tag], { env }))
  return { Healthcheck, ...Config }
}

/** A container of the image under confinement, with these variables. */
export class Container {
  #name
  #env

  constructor (name, env) {
    this.#name = name
    this.#env = env
  }

  /** Starts the service in the background; `extra` are further options of `podman run`. */
  async start (tag, variables, extra = []) {
    await this.#podman('run', '-d', '--name', this.#name, ...CONFINED, ...extra, ...asOptions(variables), tag)
  }

  /** Runs it to its end in the foreground: for starts that must fail. */
  async runToEnd (tag, variables) {
    return run(
      'podman',
      ['run', '--rm', '--no-healthcheck', '--name', this.#name, ...CONFINED, ...asOptions(variables), tag],
      { env: this.#env, timeoutMs: 30_000 }
    )
  }

  /** A program inside, in the confinement of the container, with these variables changed. */
  async exec (command, variables = {}) {
    return run('podman', ['exec', ...asOptions(variables), this.#name, ...command], { env: this.#env })
  }

  async healthcheck () {
    return run('podman', ['healthcheck', 'run', this.#name], { env: this.#env })
  }

  async log () {
    const { stdout, stderr } = await run('podman', ['logs', this.#name], { env: this.#env })
    return stdout + stderr
  }

  /** SIGTERM, SIGKILL after STOP_SECONDS; gives the exit code of the service. */
  async stop () {
    await this.#podman('stop', '-t', String(STOP_SECONDS), this.#name)
    return Number(await this.#podman('inspect', '--format', '{{.State.ExitCode}}', this.#name))
  }

  /** The paths of all files inside. */
  async paths (folder) {
    const archive = join(folder, 'root.tar')
    await this.#podman('export', '-o', archive, this.#name)
    return (await must('tar', ['-tf', archive])).split('\n').map((path) => `/${path}`)
  }

  async remove () {
    await run('podman', ['rm', '-f', '-t', '0', this.#name], { env: this.#env })
  }

  #podman (...args) {
    return must('podman', args, { env: this.#env })
  }
}

function asOptions (variables) {
  return Object.entries(variables).flatMap(([name, value]) => ['-e', `${name}=${value}`])
}
