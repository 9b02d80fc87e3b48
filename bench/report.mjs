/** Results as Markdown tables, for the terminal and for bench/README.md. */
export function tablesOf (parts) {
  return parts.flatMap(({ title, machine, rounds, lines, figures }) => [
    `### ${title}`, headOf(machine, rounds), goalTable(lines), figureTable(figures)
  ])
    .filter((text) => text !== '').join('\n\n')
}

function headOf (machine, rounds) {
  if (machine === undefined) return ''
  const { cpu, cores, memoryGiB, node, platform, pinned } = machine
  return `${cpu}, ${cores} cores, ${memoryGiB} GiB, Node ${node}, ${platform}; ` +
    `${pinned ? 'servers on one core, load on the other' : 'processes not pinned'}; ${rounds} rounds.`
}

function goalTable (lines) {
  const byRate = lines.some((line) => line.byRate !== undefined)
  const rows = lines.map((line) => [
    line.goal, line.what, goalOf(line), measuredOf(line), ...byRate ? [line.byRate === undefined ? '' : spreadOf(line.byRate, 2)] : [],
    verdictOf(line)
  ])
  return table(['', 'what', 'goal', byRate ? 'by CPU time (quartiles)' : 'measured', ...byRate ? ['by rate'] : [], ''], rows)
}

function goalOf ({ goal, atLeast, atMost, within }) {
  if (goal === 'A/A') return '1 ± 0.1'
  if (atLeast !== undefined) return `≥ ${atLeast}`
  if (atMost !== undefined) return `≤ ${atMost}`
  return within === undefined ? '' : `1 ± ${within}`
}

function measuredOf ({ byCpu, byTime, count }) {
  if (count !== undefined) return Number.isInteger(count) ? String(count) : count.toFixed(3)
  if (byTime !== undefined) return spreadOf(byTime, 2)
  return byCpu === undefined ? '' : spreadOf(byCpu, 2)
}

function verdictOf ({ met, strayed }) {
  if (strayed !== undefined) return strayed ? 'strayed' : 'holds'
  return met === undefined ? '' : met ? 'reached' : '**not reached**'
}

const FIGURES = {
  perSecond: ['requests/s', 0], cpuMicros: ['server CPU per request, µs', 1], p50Ms: ['p50, ms', 2], p99Ms: ['p99, ms', 2],
  ms: ['to the first 200, ms', 0], cpuMs: ['server CPU, ms', 0], readyMs: ['to ready, ms', 0]
}

function figureTable (figures) {
  const names = Object.keys(figures)
  if (names.length === 0) return ''
  const columns = Object.keys(FIGURES).filter((figure) => names.some((name) => figures[name][figure] !== undefined))
  return table(['', ...columns.map((figure) => FIGURES[figure][0])], names.map((name) =>
    [name, ...columns.map((figure) => figures[name][figure] === undefined ? '' : spreadOf(figures[name][figure], FIGURES[figure][1]))]))
}

function spreadOf ({ median, low, high }, digits) {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`
}

export function table (heads, rows) {
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** Puts a text between `<!-- name -->` and `<!-- /name -->`. */
export function filledIn (document, name, text) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [document.indexOf(begin), document.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`no ${begin} … ${end} in the document`)
  return `${document.slice(0, from + begin.length)}\n${text}\n${document.slice(to)}`
}
