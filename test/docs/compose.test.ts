import { readFileSync } from 'node:fs'
import t from 'tap'
import { loadConfig } from '../../src/config.ts'

const text = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const compose = text('compose.yaml')
/** The part of a service or an extension, to the next line that is indented no more than its name. */
const part = (name: string): string => new RegExp(`^( *)${name}:.*\\n(?:(?!\\1\\S).*\\n)*`, 'm').exec(compose)?.[0] ?? ''
const settings = (name: string): Record<string, string> =>
  Object.fromEntries([...part(name).matchAll(/^ +([A-Z_]+): '?([^'\n]+)'?$/gm)].map(([, key = '', value = '']) => [key, value]))

t.test('compose.yaml, profile gateway: what nginx.conf names is there', (t) => {
  const nginx = text('deploy/gateway/nginx/nginx.conf')
  const upstreams = [...nginx.matchAll(/^ +server (\S+):50100/gm)].map(([, name]) => name)
  t.same(upstreams, ['api-1', 'api-2'])
  for (const name of upstreams) t.equal(part(String(name)).trim(), `${name}: *replica`)
  const gateway = part('gateway')
  t.match(gateway, '- ./deploy/gateway/nginx/nginx.conf:/etc/nginx/nginx.conf:ro')
  const folder = /ssl_certificate_key (\S+)\//.exec(nginx.replaceAll(/ +/g, ' '))?.[1]
  t.match(gateway, `- ./tls:${folder}:ro`)
  t.match(gateway, '127.0.0.1:8443:443')
  t.match(nginx, /location \/test-api \{/)
  t.end()
})

t.test('compose.yaml: the settings of the API and of the replicas behind the gateway are accepted', (t) => {
  const environment = settings('x-environment')
  t.match(loadConfig({ ...environment, NODE_ENV: 'production' }), { audience: ['test_api'] })
  const replica = loadConfig({ ...environment, ...settings('x-replica'), NODE_ENV: 'production' })
  t.match(replica, { publicUrl: 'https://localhost:8443/test-api', trustProxy: ['uniquelocal'] })
  t.end()
})
