import { Readable } from 'node:stream'
import { doctor, type Surroundings } from '../../src/cli/doctor/doctor.ts'
import { serviceRoutes } from '../../src/cli/doctor/service-routes.ts'

export interface Found {
  readonly name: string
  readonly status: string
  readonly title: string
  readonly code?: string
  readonly cause?: string
  readonly fix?: string
}

export interface Diagnosis {
  readonly exit: number
  readonly out: string
  readonly err: string
  /** The checks that are red, or of another status. */
  readonly checks: (status?: string) => Found[]
  /** Their names, with the finer name where there is one. */
  readonly names: (status?: string) => string[]
  readonly token: { readonly accepted?: boolean, readonly reason?: string, readonly status?: number, readonly decoded?: unknown }
}

export interface DoctorOptions extends Partial<Omit<Surroundings, 'args' | 'input'>> {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Surroundings['input']
  readonly json?: boolean
}

let rows: ReturnType<typeof serviceRoutes> | undefined

/** The doctor in this process, with an environment and a standard input of its own. */
export async function diagnose (
  args: readonly string[],
  { env = {}, input = '', json = true, ...others }: DoctorOptions = {}
): Promise<Diagnosis> {
  let out = ''
  let err = ''
  const exit = await doctor({
    args: [...args, ...json ? ['--json'] : []],
    sources: () => ({ variables: env, fileNames: [], warnings: [] }),
    input: typeof input === 'string' ? Readable.from(input === '' ? [] : [input]) : input,
    out: { write: (text: string) => { out += text } },
    err: { write: (text: string) => { err += text } },
    ownRoutes: () => (rows ??= serviceRoutes()),
    ...others
  })
  const report = (): { sections: Array<{ checks: Found[] }>, token?: Diagnosis['token'] } => JSON.parse(out) as ReturnType<typeof report>
  const checks = (status = 'failed'): Found[] =>
    report().sections.flatMap((section) => section.checks).filter((check) => check.status === status)
  return {
    exit, out, err, checks,
    names: (status) => checks(status).map(({ name, code }) => code === undefined ? name : `${name}/${code}`),
    get token () { return report().token ?? {} }
  }
}
