// Checks that every relative link of the pages leads to a file of the repository, and every anchor to a heading or a line.
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, normalize } from "node:path/posix"

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
  .split("\n")
  .filter((path) => path !== "" && existsSync(path))
const folders = files.flatMap((path) => path.split("/").slice(0, -1).map((_, i, parts) => parts.slice(0, i + 1).join("/")))
const tracked = new Set([...files, ...folders, "."])

// Code is not read for links or headings: fences go as a whole, inline code loses its brackets.
const withoutFences = (text) => text.replace(/^( *)(```+|~~~+)[^]*?^ *\2.*$/gm, "")
const prose = (text) => withoutFences(text).replace(/(`+)[^`][^]*?\1/g, (code) => code.replace(/[[\]()<>]/g, " "))

// As GitHub makes them: lower case, no punctuation, spaces as hyphens, a number after a heading that repeats.
const anchors = (path) => {
  const text = withoutFences(readFileSync(path, "utf8"))
  const seen = new Map()
  const headings = [...text.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, heading]) => {
    const plain = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    const slug = plain.toLowerCase().replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "").replaceAll(" ", "-")
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
  return new Set([...headings, ...[...text.matchAll(/\b(?:id|name)="([^"]+)"/g)].map(([, id]) => id)])
}

const hasAnchor = (path, anchor) => {
  if (path.endsWith(".md")) return anchors(path).has(anchor)
  const [, from, to = from] = /^L(\d+)(?:-L(\d+))?$/.exec(anchor) ?? []
  return from !== undefined && Number(from) <= Number(to) && Number(to) <= readFileSync(path, "utf8").split("\n").length
}

const targets = (text) => [
  ...text.matchAll(/\]\(<?([^\s)>]+)>?(?: +"[^"]*")?\)/g),
  ...text.matchAll(/^ {0,3}\[[^\]]+\]: *<?([^\s>]+)/gm),
  ...text.matchAll(/\b(?:href|src)="([^"]+)"/g)
].map(([, target]) => target)

const broken = []
let count = 0
for (const page of files.filter((path) => path.endsWith(".md"))) {
  for (const target of targets(prose(readFileSync(page, "utf8")))) {
    if (/^[a-z][a-z+.-]*:/i.test(target)) continue
    count++
    const [path, anchor] = decodeURIComponent(target).split("#")
    const file = path === "" ? page : normalize(join(dirname(page), path)).replace(/\/$/, "")
    if (!tracked.has(file)) broken.push(`${page}: ${target}: there is no ${file}`)
    else if (anchor !== undefined && !hasAnchor(file, anchor)) broken.push(`${page}: ${target}: ${file} has no anchor ${anchor}`)
  }
}

for (const line of broken) console.error(line)
console.log(`${count} links in the pages${broken.length === 0 ? " resolve" : `: ${broken.length} do not resolve`}`)
process.exit(count === 0 || broken.length > 0 ? 1 : 0)
