// Bundles the command-line program and its imports: without this, Node spends most of the start on finding and reading
// some 600 small files. Code that only one command needs stays in a separate chunk, loaded when the command runs.
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
  // Its maps would be larger than all other files of the package together.
  minify: true,
  // Bundled CommonJS modules call `require` for Node's built-in modules.
  banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` },
  metafile: true
})

// The bundle ships with the licences of all packages in it.
const packages = new Set(
  Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs)).flatMap((path) =>
    /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []
  )
)
const licence = (path) => {
  const name = readdirSync(path).find((file) => /^licen[cs]e/i.test(file))
  if (name === undefined) throw new Error(`${path} has no licence file; the bundle needs one for each package.`)
  return `${path.replace(/^.*node_modules\//, "")}\n\n${readFileSync(`${path}/${name}`, "utf8").trim()}\n`
}
writeFileSync(`${parts}/LICENSES.txt`, [...packages].sort().map(licence).join(`\n${"-".repeat(80)}\n\n`))
