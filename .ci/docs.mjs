// Compiles every example of the documentation: the ones in docstrings, and the ones in the README.
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"

const out = ".docs"
rmSync(out, { recursive: true, force: true })
mkdirSync(out)

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "src", "README.md"], {
  encoding: "utf8"
}).split("\n").filter((path) => /\.(ts|md)$/.test(path))

let count = 0
for (const file of files) {
  const text = readFileSync(file, "utf8")
  const plain = file.endsWith(".ts") ? text.replace(/^[ \t]*\* ?/gm, "") : text
  for (const [, code] of plain.matchAll(/^```ts\n([\s\S]*?)^```/gm)) {
    writeFileSync(`${out}/${++count}-${file.replace(/\W+/g, "-")}.ts`, `// ${file}\n${code}\nexport {}\n`)
  }
}

writeFileSync(`${out}/tsconfig.json`, JSON.stringify({
  extends: "../tsconfig.json",
  compilerOptions: {
    noUnusedLocals: false,
    incremental: false,
    tsBuildInfoFile: null,
    plugins: [],
    // As in its sources.
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
