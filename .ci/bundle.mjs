// Makes one program of the sources of the program and of what it imports: Node would spend most of its start on finding
// and reading some 600 small files. What a command alone needs stays a file of its own, and is loaded when it runs.
import { build } from "esbuild"
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"

const parts = "dist/cli"
rmSync(parts, { recursive: true, force: true })

const { metafile } = await build({
  entryPoints: ["src/main.ts"],
  outdir: "dist",
  chunkNames: "cli/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.19",
  sourcemap: true,
  // Ours are in the package.
  sourcesContent: false,
  // What is CommonJS in it requires Node's own modules.
  banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` },
  metafile: true
})

// The licences of all that is in it go with it.
const packages = new Set(
  Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs)).flatMap((path) =>
    /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []
  )
)
const licence = (path) => {
  const name = readdirSync(path).find((file) => /^licen[cs]e/i.test(file))
  if (name === undefined) throw new Error(`${path} has no licence to go with the program.`)
  return `${path.replace(/^.*node_modules\//, "")}\n\n${readFileSync(`${path}/${name}`, "utf8").trim()}\n`
}
writeFileSync(`${parts}/LICENSES.txt`, [...packages].sort().map(licence).join(`\n${"-".repeat(80)}\n\n`))
