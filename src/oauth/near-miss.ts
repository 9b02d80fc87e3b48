/**
 * The one of the known names that a misspelt name probably means, or undefined. Case, separators and a plural or two letters may
 * differ.
 */
export function nearMiss (name: string, known: readonly string[]): string | undefined {
  const plain = bare(name)
  const ranked = known.map((one) => ({ one, distance: distanceOf(plain, bare(one)) })).sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best !== undefined && best.distance <= Math.min(2, Math.floor(bare(best.one).length / 3)) ? best.one : undefined
}

function bare (name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

/** How many letters must be added, removed, replaced or swapped with their neighbour (optimal string alignment). */
function distanceOf (a: string, b: string): number {
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(Math.min(cell(above, j) + 1, cell(row, j - 1) + 1, cell(above, j - 1) + same, swapped ? cell(before, j - 2) + 1 : Infinity))
    }
    before = above
    above = row
  }
  return cell(above, b.length)
}

function cell (row: readonly number[], at: number): number {
  return row[at] as number
}
