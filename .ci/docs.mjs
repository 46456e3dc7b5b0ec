// Compiles every example in docstrings and in Markdown. Examples of one page with the same name, "```ts name", are the
// parts of one program.
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"

const out = ".docs"
rmSync(out, { recursive: true, force: true })
mkdirSync(out)

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "src", "*.md"], {
  encoding: "utf8"
}).split("\n").filter((path) => /\.(ts|md)$/.test(path))

let count = 0
for (const file of files) {
  const text = readFileSync(file, "utf8")
  const plain = file.endsWith(".ts") ? text.replace(/^[ \t]*\* ?/gm, "") : text
  const programs = new Map()
  for (const [, name, code] of plain.matchAll(/^```ts(?: (\w+))?\n([\s\S]*?)^```/gm)) {
    count++
    const key = name ?? String(count)
    programs.set(key, `${programs.get(key) ?? ""}${code}`)
  }
  for (const [key, code] of programs) {
    writeFileSync(`${out}/${key}-${file.replace(/\W+/g, "-")}.ts`, `// ${file}\n${code}\nexport {}\n`)
  }
}

writeFileSync(`${out}/tsconfig.json`, JSON.stringify({
  extends: "../tsconfig.json",
  compilerOptions: {
    noUnusedLocals: false,
    incremental: false,
    tsBuildInfoFile: null,
    plugins: [],
    // The same as for the sources, relative to this folder.
    paths: Object.fromEntries(
      Object.entries(JSON.parse(readFileSync("tsconfig.json", "utf8")).compilerOptions.paths).map(([name, places]) => [name, places.map((place) => `../${place}`)])
    )
  },
  include: ["*.ts"]
}))

const { status } = spawnSync("npx", ["--no-install", "tsc", "-p", out], { stdio: "inherit" })
console.log(`${count} examples in the documentation${status === 0 ? " compile" : ": not all compile"}`)
if (status === 0) rmSync(out, { recursive: true, force: true })
process.exit(count === 0 ? 1 : status ?? 1)
