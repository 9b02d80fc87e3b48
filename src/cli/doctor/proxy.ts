import type { EnvironmentSources } from '../../config.ts'

/** The proxy variables of the process: those of `.env` are not read by Node. */
export interface ProxyVariables {
  readonly http: string | undefined
  readonly https: string | undefined
  readonly no: string
  /** Node itself was told to use them. */
  readonly byNode: boolean
}

export function proxyVariables ({ variables, fileNames }: EnvironmentSources): ProxyVariables {
  const read = (name: string): string | undefined => [name.toLowerCase(), name].filter((one) => !fileNames.includes(one))
    .map((one) => variables[one]).find((one) => one !== undefined)
  const http = read('HTTP_PROXY')
  return { http, https: read('HTTPS_PROXY') ?? http, no: read('NO_PROXY') ?? '', byNode: read('NODE_USE_ENV_PROXY') === '1' }
}

/** The proxy of an address by these variables, without user name and password; undefined: none. Whether they are used is another matter. */
export function proxyOf ({ protocol, hostname, port }: URL, { http, https, no }: ProxyVariables): string | undefined {
  const proxy = protocol === 'https:' ? https : http
  if (proxy === undefined || isExcepted(hostname, port === '' ? (protocol === 'https:' ? '443' : '80') : port, no)) return undefined
  return URL.canParse(proxy) ? new URL(proxy).origin : 'an address that cannot be read'
}

function isExcepted (hostname: string, port: string, no: string): boolean {
  return no.split(/[\s,]+/).filter((one) => one !== '').some((one) => {
    if (one === '*') return true
    const [, name = '', only] = /^\*?\.?(.*?)(?::(\d+))?$/.exec(one) ?? []
    return (only === undefined || only === port) && (hostname === name || hostname.endsWith(`.${name}`))
  })
}
