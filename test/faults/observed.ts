import type { Service } from '../support/service.ts'
import type { Json } from '../support/issuer.ts'

/** What operators see of a service: its metrics, the lines of its log, its readiness. */
export interface Observed {
  /** The value of one series, as `name` or `name{label="value"}`; undefined where there is none. Labels of the issuer may be left out. */
  readonly metric: (series: string) => Promise<number | undefined>
  readonly lines: (message: RegExp) => Json[]
  /** `status` of the response, and the conditions in full. */
  readonly ready: () => Promise<{ readonly status: number, readonly conditions: readonly string[] }>
}

export function observed ({ app, issuer, lines, get }: Service): Observed {
  return {
    metric: async (series) => valueOf(
      (await app.metrics.text()).replaceAll(`issuer="${issuer.issuer}",`, '').replaceAll(`{issuer="${issuer.issuer}"}`, ''),
      series
    ),
    lines: (message) => lines.filter(({ msg }) => message.test(String(msg))),
    ready: async () => {
      const { status, body } = await get('/health/ready')
      return { status, conditions: Object.keys(body.conditions ?? {}) }
    }
  }
}

/** The value of a series in a text of Prometheus. */
export function valueOf (text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}
