/** Seconds. A cached token takes a tenth of a millisecond, a verification one. */
const UPPER_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

/** A label holds one of these or `other`: Node knows 35 methods, and a caller may send each of them to a path without a route. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

interface Series {
  readonly labels: string
  /** For each bucket those above the bound before, the last without a bound. */
  readonly buckets: Float64Array
  sumSeconds: number
}

/**
 * The durations of requests as a histogram of Prometheus. Written here because it is the one metric that each request pays: an
 * observation is three look-ups and two additions, where the library validates and hashes the labels each time.
 */
export class RequestTimes {
  readonly #name: string
  readonly #help: string
  readonly #series = new Map<string, Map<string, Map<number, Series>>>()

  constructor (name: string, help: string) {
    this.#name = name
    this.#help = help
  }

  /** `route` is the pattern; undefined: no route matched. */
  observe (route: string | undefined, method: string, status: number, seconds: number): void {
    const series = this.#find(route ?? 'none', methodLabel(method), status)
    let at = 0
    while (at < UPPER_BOUNDS.length && seconds > (UPPER_BOUNDS[at] as number)) at++
    series.buckets[at] = (series.buckets[at] as number) + 1
    series.sumSeconds += seconds
  }

  /** In the text format of Prometheus. */
  text (): string {
    const all = [...this.#series.values()].flatMap((ofRoute) => [...ofRoute.values()]).flatMap((ofMethod) => [...ofMethod.values()])
    return [
      `# HELP ${this.#name} ${this.#help}`, `# TYPE ${this.#name} histogram`, ...all.flatMap((series) => linesOf(this.#name, series))
    ].join('\n')
  }

  #find (route: string, method: string, status: number): Series {
    const ofRoute = this.#series.get(route) ?? added(this.#series, route, new Map<string, Map<number, Series>>())
    const ofMethod = ofRoute.get(method) ?? added(ofRoute, method, new Map<number, Series>())
    return ofMethod.get(status) ?? added(ofMethod, status, {
      labels: `route="${escaped(route)}",method="${method}",status="${status}"`,
      buckets: new Float64Array(UPPER_BOUNDS.length + 1),
      sumSeconds: 0
    })
  }
}

export function methodLabel (method: string): string {
  return METHODS.has(method) ? method : 'other'
}

function added<K, V> (map: Map<K, V>, key: K, value: V): V {
  map.set(key, value)
  return value
}

function linesOf (name: string, { labels, buckets, sumSeconds }: Series): string[] {
  let count = 0
  const lines = [...UPPER_BOUNDS, '+Inf'].map((bound, at) => `${name}_bucket{le="${bound}",${labels}} ${count += buckets[at] as number}`)
  return [...lines, `${name}_sum{${labels}} ${sumSeconds}`, `${name}_count{${labels}} ${count}`]
}

/** What the text format demands within quotes. */
function escaped (value: string): string {
  return value.replace(/[\\"\n]/g, (character) => character === '\n' ? '\\n' : `\\${character}`)
}
