import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import t from 'tap'

const FOLDERS = ['docs', 'bench', 'deploy', 'examples', 'test', 'keycloak', 'tools', 'vendor', '.ci']
const inFolder = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file.split(sep).join('/')}`)
const pages = [...readdirSync('.'), ...FOLDERS.filter((folder) => existsSync(folder)).flatMap(inFolder)]
  .filter((file) => (file.endsWith('.md') || file === 'llms.txt') && !file.includes('node_modules/'))

/** What is in a fence or in backticks is not a link. */
const prose = (text: string): string => text.replace(/^(```+|~~~+)[^]*?^\1[^\n]*$/gm, '').replace(/`[^`\n]*`/g, '')

/** The anchors of a page: its headings as GitHub names them, and what names itself. */
function anchorsOf (file: string): ReadonlySet<string> {
  const text = readFileSync(file, 'utf8').replace(/^(```+|~~~+)[^]*?^\1[^\n]*$/gm, '')
  const seen = new Map<string, number>()
  const headings = [...text.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading = '']) => {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '').toLowerCase()
    const slug = words.replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '').replaceAll(' ', '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    return times === 0 ? slug : `${slug}-${times}`
  })
  return new Set([...headings, ...[...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id)])
}

function linksOf (file: string): string[] {
  const text = prose(readFileSync(file, 'utf8'))
  const inline = [...text.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map(([, target = '']) => target)
  const named = [...text.matchAll(/^ {0,3}\[[^\]]+\]:\s+<?([^\s>]+)>?/gm)].map(([, target = '']) => target)
  return [...inline, ...named].filter((target) => !/^[a-z][a-z+.-]*:/i.test(target))
}

t.test('every relative link of every page leads to a file of this project, and to an anchor that is there', async (t) => {
  let links = 0
  for (const page of pages) {
    for (const link of linksOf(page)) {
      links++
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? page : normalize(join(dirname(page), decodeURIComponent(path)))
      if (!existsSync(target)) { t.fail(`${page}: ${link} leads nowhere`); continue }
      if (anchor === undefined) continue
      if (statSync(target).isDirectory() || !target.endsWith('.md')) t.fail(`${page}: ${link} has an anchor into what is not a page`)
      else if (!anchorsOf(target).has(anchor)) t.fail(`${page}: ${link} has no such anchor`)
    }
  }
  t.ok(pages.length > 10, `${pages.length} pages`)
  t.ok(links > 20, `${links} links`)
})
