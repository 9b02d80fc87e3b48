// In a process of its own: it changes the environment, and waits.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { launch } from '../../tools/keycloak/process.ts'
import { startKeycloak } from '../../tools/keycloak/server.ts'
import { freePort } from '../support/free-port.ts'
import { respondingWith, isAlive, JAVA_17, keycloak, machine, machineWith, until } from '../support/keycloak-fakes.ts'

const ARCHIVE = 'keycloak-quarkus-dist-26.7.3.tar.gz'
const skip = process.platform === 'win32' && 'the fakes are shell scripts'
const test = (name: string, body: (t: Test) => Promise<void>): void => void t.test(name, { skip }, body)

test('help, and options that mean nothing', async (t) => {
  const { code, out } = await keycloak(['--help'])
  t.equal(code, 0)
  t.match(out, /--port 8081/)
  const refused = async (args: string[], err: RegExp): Promise<void> => { t.match(await keycloak(args), { code: 1, out: '', err }) }
  await refused(['--prot', '1'], /^Unknown option '--prot'; npm run keycloak -- --help lists the options\.\n$/)
  await refused(['--port'], /'--port <value>' argument missing/)
  await refused(['--port', '0'], /^--port takes a whole number from 1 to 65535, not "0"\.\n$/)
  await refused(['--wait', 'long'], /^--wait takes a whole number/)
})

test('a port that is taken is noticed before anything is started', async (t) => {
  const { folder } = machine(t)
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, host, resolve))
    const { port } = server.address() as AddressInfo
    t.match(await keycloak(['--port', String(port), '--folder', folder]), {
      code: 1,
      out: '',
      err: new RegExp(`^Port ${port} is taken\\. End what listens there .*choose another: npm run keycloak -- --port ${port + 1}\\n$`)
    })
    await new Promise((resolve) => server.close(resolve))
  }
})

test('twice at nearly the same time: the second one reports the first, and starts nothing', async (t) => {
  const { folder, notes } = machineWith(t, 'echo started >> "$NOTES"', '/bin/sleep 1', respondingWith(200))
  const args = ['--port', String(await freePort()), '--folder', folder]
  const first = keycloak(args, 'Authorization: Bearer')
  const second = await keycloak(args)
  t.match(second, {
    code: 1,
    out: '',
    err: new RegExp(
      `^A Keycloak on port ${args[1] ?? ''} is being started already, by another \`npm run keycloak\` \\(process ${process.pid}\\)\\. ` +
      `Use it: its issuer is http://localhost:${args[1] ?? ''}/realms/myorg\\. .* --port`
    )
  })
  await until(() => notes().length === 1)
  t.match(await first, { code: 0, err: '' })
  t.match(await keycloak(args, 'Authorization: Bearer'), { code: 0, err: '' }, 'the port is given back')
})

test('once it is up, the second one says so; a claim of a process that is gone does not count', async (t) => {
  const { folder } = machineWith(t, respondingWith(200))
  const port = await freePort()
  const args = ['--port', String(port), '--folder', folder]
  const claim = join(tmpdir(), `scopegate-keycloak-${port}.pid`)
  for (const stale of ['999999999', 'nonsense', '']) {
    writeFileSync(claim, stale)
    t.match(await keycloak(args, 'Authorization: Bearer'), { code: 0, err: '' }, JSON.stringify(stale))
    t.notOk(existsSync(claim))
  }
  const { PATH } = process.env
  const child = spawn(process.execPath, ['dist/tools/keycloak/keycloak.js', ...args], { env: { ...process.env, PATH } })
  t.teardown(() => child.kill('SIGKILL'))
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
  await until(() => out.includes('Authorization: Bearer'))
  t.match(await keycloak(args), { code: 1, err: /is up already, by another/ })
  child.kill('SIGINT')
  await until(() => !existsSync(claim))
})

test('https beside http on Java, with certificates of callers', async (t) => {
  const { folder, notes } = machineWith(t, 'echo "$*" >> "$NOTES"', respondingWith(200))
  const port = await freePort()
  const started = await startKeycloak({ port, folder, https: { port: 8443, certFile: '/c', keyFile: '/k', authoritiesFile: '/a' } })
  t.equal(started.httpsUrl, 'https://localhost:8443')
  await started.stop()
  t.match(notes()[0], / --https-port=8443 --https-certificate-file=\/c --https-certificate-key-file=\/k --truststore-paths=\/a$/)
})

test('KEYCLOAK_VERSION chooses another version', async (t) => {
  const { program, notes } = machine(t)
  t.teardown(() => { delete process.env.KEYCLOAK_VERSION })
  program('docker', 'echo "$*" >> "$NOTES"', 'case "$1" in', `run) ${respondingWith(200)};;`, 'esac')
  process.env.KEYCLOAK_VERSION = '26.4.7'
  t.match(await keycloak(['--port', String(await freePort())], 'Authorization: Bearer'), { code: 0, out: /Keycloak 26\.4\.7 is up/ })
  t.match(notes()[1], /keycloak:26\.4\.7$/)
  process.env.KEYCLOAK_VERSION = '../x'
  t.match(await keycloak(['--help']), { code: 1, err: /^KEYCLOAK_VERSION must be a version such as 26\.7\.3, not "\.\.\/x"\.\n$/ })
})

test('a realm file that cannot be used is reported before anything is started', async (t) => {
  const { bin } = machine(t)
  const file = join(bin, 'realm.json')
  const refusal = async (content?: string): Promise<string> => {
    if (content !== undefined) writeFileSync(file, content)
    const { code, out, err } = await keycloak(['--realm-file', file])
    t.match({ code, out }, { code: 1, out: '' })
    t.equal(err.trim().split('\n').length, 1, 'one sentence')
    return err
  }
  t.match(await refusal(), /realm\.json cannot be read: ENOENT/)
  t.match(await refusal('{"realm": "myorg",}'), /realm\.json is not JSON\. Line 1, column 19: a name in double quotes is expected\./)
  t.match(
    await refusal('{"realm": "myorg", "clients": [{"secret": "x"}]}'),
    /realm\.json cannot be used\. Line 1, column 32: clients\[0\]\.clientId must be there\./
  )
})

test('what the machine lacks, and where to get it', async (t) => {
  const { program, folder } = machine(t)
  const port = String(await freePort())
  const refusal = async (): Promise<string> => {
    const { code, err } = await keycloak(['--port', port, '--folder', folder])
    t.equal(code, 1)
    return err
  }
  t.match(
    await refusal(),
    /^Neither a Docker engine that responds nor Java was found\. Start Docker, or install Java 17 or later, and try again\.\n$/
  )
  program('docker', 'echo "Cannot connect to the Docker daemon" >&2', 'exit 1')
  t.match(await refusal(), /^Neither a Docker engine/, 'a client without an engine does not count')
  program('java', 'echo \'openjdk version "1.8.0_402"\' >&2')
  t.match(await refusal(), /^Keycloak needs Java 17 or later, and the Java here is 8\./)
  program('java', JAVA_17)
  t.match(await refusal(), new RegExp(`^Maven \\(mvn\\) is not here, .* or put ${ARCHIVE} into .* yourself\\.\\n$`))
  program('mvn', 'echo "[INFO] trying"', 'echo "[ERROR] Could not resolve dependencies"', 'exit 1')
  t.match(await refusal(), /^Maven could not fetch Keycloak:\n {2}\[ERROR\] Could not resolve dependencies\n$/)
  program('mvn', 'for last; do :; done', 'folder="${last#*=}"', '/bin/mkdir "$folder"', `echo half > "$folder/${ARCHIVE}"`)
  program('tar', 'echo "tar: Unexpected EOF" >&2', 'exit 2')
  t.match(await refusal(), /^keycloak-.*\.tar\.gz could not be unpacked with tar; it is thrown away.*\n {2}tar: Unexpected EOF\n$/)
  t.same(readdirSync(folder), [], 'nothing half made is kept')
})

test('the first start fetches, unpacks and imports; Keycloak\'s own error is shown', async (t) => {
  const { program, folder, notes } = machine(t)
  program('java', JAVA_17)
  program('mvn', 'for last; do :; done', 'folder="${last#*=}"', '/bin/mkdir "$folder"', `: > "$folder/${ARCHIVE}"`)
  program('tar', '/bin/mkdir -p "$4/keycloak-26.7.3/bin"', '/bin/cat > "$4/keycloak-26.7.3/bin/kc.sh" ' +
  '<<"end"', '#!/bin/sh', 'echo "$*" >> "$NOTES"', '/bin/ls "${0%/*}/../data/import" >> "$NOTES"',
  'echo "2026-11-24 14:21:01,807 WARN  [org.keycloak.models.utils.RepresentationToModel] (main) Referenced client scope \'no_such\' ' +
  'doesn\'t exist. Ignoring"',
  'echo "2026-11-24 14:21:01,808 ERROR [org.keycloak.Handler] (main) ERROR: Failed to start server in (development) mode"',
  'echo "2026-11-24 14:21:01,808 ERROR [org.keycloak.Handler] (main) ERROR: Unrecognized field \\"nonsense\\"" >&2',
  'exit 1',
  'end',
  '/bin/chmod +x "$4/keycloak-26.7.3/bin/kc.sh"')
  const port = await freePort()
  const { code, out, err } = await keycloak(['--port', String(port), '--folder', folder])
  t.equal(code, 1)
  t.match(
    out,
    /fetching Keycloak 26\.7\.3 with Maven[^]*unpacking it[^]*Keycloak on the realm file: Referenced client scope 'no_such' doesn't exist/
  )
  t.equal(err, 'Keycloak ended before it was ready. It said:\n  Unrecognized field "nonsense"\n')
  t.same(notes(), [`start-dev --import-realm --db=dev-mem --https-client-auth=request --http-port=${port}`, 'myorg-realm.json'])
  t.same(readdirSync(folder).sort(), ['keycloak-26.7.3', ARCHIVE])
})

test('a Keycloak that never becomes ready is ended, with all its children', async (t) => {
  const { folder, notes } = machineWith(t, 'echo "still waiting"', '/bin/sleep 60 &', 'echo $! >> "$NOTES"', 'echo $$ >> "$NOTES"', 'wait')
  const { code, err } = await keycloak(['--port', String(await freePort()), '--folder', folder, '--wait', '1'])
  t.equal(code, 1)
  t.match(
    err,
    /^Keycloak did not respond at http:\/\/localhost:\d+\/realms\/myorg within 1 s and was stopped\. The end of its log:\n {2}still waiting\n$/
  )
  t.equal(notes().length, 2)
  await until(() => notes().every((pid) => !isAlive(Number(pid))))
})

test('a Keycloak without the realm', async (t) => {
  const { folder } = machineWith(t, respondingWith(404))
  t.match(
    await keycloak(['--port', String(await freePort()), '--folder', folder]),
    { code: 1, err: /^Keycloak is running, but without the realm: http:.* responds with 404/ }
  )
})

test('it is reported when Keycloak exits', async (t) => {
  const { folder } = machineWith(t, respondingWith(200, '; setTimeout(() => { console.log("out of memory"); process.exit(3) }, 300)'))
  t.match(
    await keycloak(['--port', String(await freePort()), '--folder', folder]),
    { code: 1, err: 'Keycloak exited. Its last lines:\n  out of memory\n' }
  )
})

test('a request to end while Maven fetches leaves nothing behind', async (t) => {
  const { program, folder, notes } = machine(t)
  program('java', JAVA_17)
  program('mvn', 'echo $$ >> "$NOTES"', 'exec /bin/sleep 60')
  t.match(await keycloak(['--port', String(await freePort()), '--folder', folder], 'with Maven'), { code: 0, err: '' })
  await until(() => notes().every((pid) => !isAlive(Number(pid))))
  t.same(readdirSync(folder), [])
})

test('a process that does not end on request is ended by force', async (t) => {
  const { program, bin, notes } = machine(t)
  program('stubborn', 'trap "" TERM INT', 'echo $$ >> "$NOTES"', 'echo up', 'while :; do /bin/sleep 1; done')
  const { stop, lines } = launch(join(bin, 'stubborn'), [], { graceMs: 100 })
  await until(() => lines.includes('up'))
  await stop()
  await stop()
  t.notOk(isAlive(Number(notes()[0])))
})

test('Ctrl-C: the settings were printed, and Keycloak is gone', async (t) => {
  const { PATH } = process.env
  const { folder } = machineWith(t, respondingWith(200))
  const port = await freePort()
  const child = spawn(
    process.execPath,
    ['dist/tools/keycloak/keycloak.js', '--port', String(port), '--folder', folder],
    { env: { ...process.env, PATH } }
  )
  let out = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
  await until(() => out.includes('Authorization: Bearer'))
  t.match(out, new RegExp(`ISSUER=http://localhost:${port}/realms/myorg AUDIENCE=test_api npm start`))
  t.match(out, /set "ISSUER=http:.*"& set "AUDIENCE=test_api"& npm start/)
  t.match(out, new RegExp(`ISSUER=http://localhost:${port}/realms/myorg npm run client`))
  // npm hands on what the terminal has sent already.
  child.kill('SIGINT')
  child.kill('SIGINT')
  t.equal(await new Promise((resolve) => child.once('close', resolve)), 0)
  t.match(out, /Keycloak has ended\.\n$/)
  await t.rejects(fetch(`http://localhost:${port}`))
})

test('ended by force it takes Keycloak along', async (t) => {
  const { folder, notes } = machineWith(t, 'echo $$ >> "$NOTES"', respondingWith(200))
  const child = spawn(process.execPath, ['dist/tools/keycloak/keycloak.js', '--port', String(await freePort()), '--folder', folder])
  await until(() => notes().length === 1)
  t.ok(isAlive(Number(notes()[0])))
  child.kill('SIGKILL')
  await until(() => !isAlive(Number(notes()[0])))
})

test('where a Docker engine responds, Keycloak runs in it', async (t) => {
  const { program, notes } = machine(t)
  const port = await freePort()
  program('docker', 'echo "$*" >> "$NOTES"', 'case "$1" in', 'image) exit 1;;', `run) ${respondingWith(200)};;`, 'esac')
  const { code, out } = await keycloak(['--port', String(port)], 'Keycloak 26.7.3 is up')
  t.equal(code, 0)
  t.match(out, /in Docker\n {2}fetching the image [^ ]*keycloak:26\.7\.3 …/)
  const [info, image, pull, run, rm] = notes()
  t.same([info, image?.split(' ')[1], pull?.split(' ')[0], rm], ['info', 'inspect', 'pull', `rm --force scopegate-keycloak-${port}`])
  t.match(run, new RegExp(`^run --rm --name scopegate-keycloak-${port} -p 127\\.0\\.0\\.1:${port}:8080 .*--mount ` +
    'type=bind,source=.*myorg-realm\\.json,.* start-dev --import-realm$'))
})

test('an image that cannot be fetched', async (t) => {
  const { program, folder } = machine(t)
  program('docker', 'case "$1" in', 'image) exit 1;;', 'pull) echo "manifest unknown" >&2; exit 1;;', 'esac')
  t.match(
    await keycloak(['--port', String(await freePort()), '--folder', folder]),
    { code: 1, err: /^Docker could not fetch .*:26\.7\.3:\n {2}manifest unknown\n$/ }
  )
  t.notOk(existsSync(folder))
})
