// Measures what an app downloads: bundles small apps for browsers with esbuild and Vite, minified, and compresses them with gzip.
// Compares the sizes with the table in docs/sizes.md, and fails if one is off. `--write` writes the table.
//
// The baseline shows what of Holdfast's size is Effect: it imports, by their subpaths, exactly the members of Effect's modules that
// the code of the Connection app names.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { execFileSync } from "node:child_process"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { gzipSync } from "node:zlib"
import { build as bundle } from "esbuild"
import { build as buildVite } from "vite"

const page = "docs/sizes.md"
// A figure may differ from the table by this part: compressors and bundlers differ a little between releases.
const tolerance = 0.03
// Kilobytes above the baseline, with esbuild. It is told, and fails nothing.
const goal = 25

const folder = mkdtempSync(join(tmpdir(), "holdfast-sizes-"))

const effectApp = (read) => `
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Socket from "@effect/platform/Socket"
${read}
`

const apps = {
  "`Connection`": effectApp(`
import { Connection, Transport } from "holdfast"
const Live = Connection.layer({ url: "wss://example.com/feed" }).pipe(
  Layer.provide(Transport.layerWebSocketConstructor),
  Layer.provide(Socket.layerWebSocketConstructorGlobal)
)
Effect.gen(function*() {
  const { messages } = yield* Connection.Connection
  yield* messages.forEach((message) => Effect.sync(() => console.log(message)))
}).pipe(Effect.provide(Live), Effect.runFork)
`),
  "baseline: the parts of Effect that `Connection` uses": undefined,
  "`Socket` of `@effect/platform`": effectApp(`
Effect.gen(function*() {
  const socket = yield* Socket.makeWebSocket("wss://example.com/feed")
  yield* socket.runRaw((message) => console.log(message))
}).pipe(Effect.provide(Socket.layerWebSocketConstructorGlobal), Effect.runFork)
`),
  "`connect` of `holdfast/promise`": `
import { connect } from "holdfast/promise"
for await (const message of connect("wss://example.com/feed").messages) console.log(message)
`,
  "`holdfast/compat/reconnecting-websocket`": `
import ReconnectingWebSocket from "holdfast/compat/reconnecting-websocket"
new ReconnectingWebSocket("wss://example.com/feed").onmessage = ({ data }) => console.log(data)
`,
  "reconnecting-websocket": `
import ReconnectingWebSocket from "reconnecting-websocket"
new ReconnectingWebSocket("wss://example.com/feed").onmessage = ({ data }) => console.log(data)
`
}

const shared = { absWorkingDir: folder, bundle: true, write: false, minify: true, format: "esm", platform: "browser", target: "es2022", logLevel: "error" }

const contentOf = async (entry, options = {}) => bundle({ ...shared, ...options, entryPoints: [entry] })

const bundlers = {
  esbuild: async (entry) => (await contentOf(entry)).outputFiles[0].contents,
  Vite: async (entry) => {
    const { output } = await buildVite({
      root: folder,
      logLevel: "error",
      configFile: false,
      build: { write: false, target: "es2022", modulePreload: false, rollupOptions: { input: entry, output: { inlineDynamicImports: true } } }
    })
    return output[0].code
  }
}

// The members of Effect's modules that these files name, as a program that uses nothing else.
const baselineOf = (metafile) => {
  const [{ inputs }] = Object.values(metafile.outputs)
  const members = new Map()
  const add = (module, name) => members.set(module, (members.get(module) ?? new Set()).add(name))
  for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
    if (bytesInOutput === 0 || !/(^|node_modules\/holdfast\/.*|\/)[^/]+\.js$/.test(path) || /node_modules\/(?!holdfast\/)/.test(path)) continue
    const code = readFileSync(join(folder, path), "utf8").replaceAll(/\/\*[^]*?\*\//g, "").replaceAll(/^\s*\/\/.*$/gm, "")
    for (const [, alias, module] of code.matchAll(/import \* as (\w+) from "(@?effect\/[^"]+)"/g)) {
      for (const [, name] of code.matchAll(new RegExp(`\\b${alias}\\.(\\w+)`, "g"))) add(module, name)
    }
    for (const [, list, module] of code.matchAll(/import \{([^}]+)\} from "(@?effect\/[^"]+)"/g)) {
      for (const name of list.split(",")) add(module, name.trim().split(" ")[0])
    }
  }
  return [...members].map(([module, names], i) =>
    `import * as m${i} from "${module}"\nglobalThis.used${i} = [${[...names].map((name) => `m${i}.${name}`).join(", ")}]`).join("\n")
}

const kilobytes = (bytes) => gzipSync(bytes, { level: 9 }).length / 1024

const measure = async () => {
  const modules = join(folder, "node_modules")
  mkdirSync(join(modules, "@effect"), { recursive: true })
  const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--dry-run", "--silent", "--ignore-scripts"], { encoding: "utf8" }))
  for (const { path } of files) cpSync(path, join(modules, "holdfast", path))
  for (const name of ["effect", "@effect/platform"]) symlinkSync(resolve("node_modules", name), join(modules, name))
  symlinkSync(resolve("bench/node_modules/reconnecting-websocket"), join(modules, "reconnecting-websocket"))
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", private: true }))

  const rows = []
  let connection
  for (const [name, app] of Object.entries(apps)) {
    const entry = join(folder, `app${rows.length}.js`)
    writeFileSync(entry, app ?? baselineOf(connection))
    connection ??= (await contentOf(entry, { metafile: true })).metafile
    const sizes = []
    for (const build of Object.values(bundlers)) sizes.push(kilobytes(await build(entry)))
    rows.push([name, sizes])
  }
  return rows
}

const cell = (size) => `${size.toFixed(1)} KB`

const tableOf = (rows) => [
  `| app | ${Object.keys(bundlers).join(" | ")} |`,
  "|---|---|---|",
  ...rows.map(([name, sizes]) => `| ${name} | ${sizes.map(cell).join(" | ")} |`)
].join("\n")

const begin = "<!-- sizes:begin -->"
const end = "<!-- sizes:end -->"

const problemsIn = (rows, text) => {
  const problems = []
  for (const [name, sizes] of rows) {
    const line = text.split("\n").find((line) => line.startsWith(`| ${name} |`))
    const written = line?.split("|").slice(2, -1).map(Number.parseFloat) ?? []
    sizes.forEach((size, i) => {
      const recorded = written[i]
      if (recorded === undefined || Math.abs(recorded - size) > tolerance * size) {
        problems.push(`${page} says ${recorded === undefined ? "nothing" : cell(recorded)} of ${name} with ${Object.keys(bundlers)[i]}: it is ${cell(size)}.`)
      }
    })
  }
  return problems
}

try {
  const rows = await measure()
  console.log(tableOf(rows))
  const [{ 1: [connection] }, { 1: [baseline] }] = rows
  const above = connection - baseline
  console.log(`\`Connection\` takes ${cell(above)} above the baseline with esbuild; the goal of ${goal} KB is ${above > goal ? "not met" : "met"}`)
  const text = readFileSync(page, "utf8")
  if (process.argv.includes("--write")) {
    const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
    writeFileSync(page, `${text.slice(0, from)}\n${tableOf(rows)}\n${text.slice(to)}`)
  } else {
    const problems = problemsIn(rows, text)
    for (const problem of problems) console.error(problem)
    if (problems.length > 0) process.exitCode = 1
    else console.log("the sizes are as docs/sizes.md says")
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
