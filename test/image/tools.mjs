import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isInstalled, run } from '../support/command.mjs'

const NEEDED = ['buildah', 'podman']
/** A runtime that needs no machine of its own, and what makes the stand-in of the base image: wanted where they can be installed. */
const WANTED = ['runc', 'debootstrap']
const PACKAGES = [...NEEDED, ...WANTED, 'netavark', 'aardvark-dns', 'iptables', 'catatonit']

/** Undefined when buildah and podman are there, or could be installed; else the reason why not. */
export async function lackOfTools (say) {
  const isRoot = process.getuid?.() === 0
  const canInstall = isRoot && existsSync('/etc/debian_version')
  const missing = await missingOf(canInstall ? [...NEEDED, ...WANTED] : NEEDED)
  if (missing.length === 0) return undefined
  if (!isRoot) return 'buildah and podman are not installed (and only root on Debian may have them installed by this program)'
  if (!canInstall) return 'buildah and podman are not installed (this program can install them on Debian only)'
  say(`${missing.join(', ')}: not installed; installing with apt-get`)
  const wanted = ['install', '-y', '--no-install-recommends', ...PACKAGES]
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  if ((await run('apt-get', wanted, { env })).code !== 0) {
    await run('apt-get', ['update'], { env })
    await run('apt-get', wanted, { env })
  }
  return (await missingOf(NEEDED)).length === 0 ? undefined : 'buildah and podman are not installed, and apt-get could not install them'
}

async function missingOf (programs) {
  const found = await Promise.all(programs.map(isInstalled))
  return programs.filter((_program, index) => !found[index])
}

/**
 * Settings for buildah and podman, as environment. As root it need not be a whole machine: no systemd, control groups that
 * crun refuses, limits that may not be raised. Everybody else has settings of their own.
 */
export async function containerSettings (folder) {
  if (process.getuid?.() !== 0) return {}
  const file = join(folder, 'containers.conf')
  await writeFile(file, [
    '[containers]', 'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]',
    '[engine]', 'cgroup_manager = "cgroupfs"', 'events_logger = "file"', ...await isInstalled('runc') ? ['runtime = "runc"'] : [],
    '[network]', ...await isInstalled('/usr/lib/podman/netavark') ? ['network_backend = "netavark"'] : [], ''
  ].join('\n'))
  return { CONTAINERS_CONF: file }
}
