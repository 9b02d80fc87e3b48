import assert from 'node:assert/strict'

/** What each must be refused to a program that runs as the service does. */
const REFUSED = {
  'reading outside of its folder': 'require("fs").readFileSync("/etc/hostname")',
  writing: 'require("fs").writeFileSync("/app/dist/x", "")',
  'starting a program': 'require("child_process").spawnSync("/bin/true")',
  'starting a worker': 'new (require("worker_threads").Worker)("0", { eval: true })',
  'loading an addon': 'process.dlopen({ exports: {} }, "/app/x.node")'
}

/** How the running service is confined, by the container and by Node. */
export async function checkConfinement ({ check, config, container }) {
  const inside = async (path) => (await container.exec(['cat', path])).stdout
  const status = await inside('/proc/1/status')
  await check('the service is process 1, as 65532, without capabilities', () => {
    assert.match(status, /^Name:\tnode|^Name:\tMainThread/m)
    assert.match(status, /^Uid:\t65532\t65532/m)
    assert.match(status, /^Gid:\t65532\t65532/m)
    assert.match(status, /^Cap(Eff|Prm|Bnd):\t0+$/m)
    assert.match(status, /^NoNewPrivs:\t1$/m)
  })
  await check('its root cannot be written to', async () => assert.match(await inside('/proc/1/mounts'), /^\S+ \/ \S+ ro,/m))
  await check('it is held to 256 MB', async () => {
    assert.equal((await container.exec(['node', '-p', 'process.constrainedMemory()'])).stdout, `${256 * 1024 * 1024}\n`)
  })
  const flags = config.Entrypoint.slice(0, -1)
  await check('it runs under the permission model of Node', async () => {
    assert.deepEqual((await inside('/proc/1/cmdline')).split('\0').slice(0, -1), config.Entrypoint)
    for (const [what, program] of Object.entries(REFUSED)) {
      const { code, stderr } = await container.exec([...flags, '-e', program])
      assert.ok(code !== 0 && /ERR_ACCESS_DENIED|ERR_DLOPEN_DISABLED/.test(stderr), `${what} was not refused: ${stderr}`)
    }
  })
  await check('HEALTHCHECK: healthy', async () => assert.deepEqual(pick(await container.healthcheck()), { code: 0, stderr: '' }))
  await check('HEALTHCHECK asks at PORT, and says what is wrong', async () => {
    const { code, stderr } = await container.exec(config.Healthcheck.Test.slice(1), { PORT: '1' })
    assert.equal(code, 1)
    assert.match(stderr, /^Not alive: .*127\.0\.0\.1:1\n$/)
  })
}

function pick ({ code, stderr }) {
  return { code, stderr }
}
