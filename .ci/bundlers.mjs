// Bundles an app that uses a Connection for browsers, with esbuild, Vite, webpack and Bun, from an installed package.
// Runs each bundle in a context without Node's globals: a fake WebSocket sends one message, and the app reports it.
import assert from "node:assert"
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createContext, runInContext } from "node:vm"

const app = mkdtempSync(join(tmpdir(), "holdfast-bundlers-"))
const bun = resolve("node_modules/.bin/bun")

const source = `
import * as Socket from "@effect/platform/Socket"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Connection, Transport } from "holdfast"
import { MarketEvent } from "holdfast/binance"

const Live = Connection.layer({ url: "ws://peer.test/" }).pipe(
  Layer.provide(Transport.layerWebSocketConstructor),
  Layer.provide(Socket.layerWebSocketConstructorGlobal)
)

Effect.gen(function*() {
  const { messages } = yield* Connection.Connection
  const [message] = yield* Stream.runCollect(Stream.take(messages, 1))
  globalThis.report(message + " " + typeof MarketEvent.decode)
}).pipe(Effect.provide(Live), Effect.runPromise).catch(globalThis.report)
`

// For programs outside Effect: nothing of it may be of Node.
const promise = `
import { connect } from "holdfast/promise"

const first = async () => {
  for await (const message of connect("ws://peer.test/").messages) return message
}
first().then((message) => globalThis.report(message + " " + typeof connect), globalThis.report)
`

const bundlers = {
  esbuild: async (entry, out) => {
    const { build } = await import("esbuild")
    await build({ entryPoints: [entry], outfile: join(out, "app.js"), bundle: true, format: "iife", platform: "browser", absWorkingDir: app, logLevel: "warning" })
  },
  vite: async (entry, out) => {
    const { build } = await import("vite")
    await build({
      root: app,
      logLevel: "warn",
      configFile: false,
      build: { outDir: out, minify: false, modulePreload: false, rollupOptions: { input: entry, output: { format: "iife", inlineDynamicImports: true, entryFileNames: "app.js" } } }
    })
  },
  webpack: async (entry, out) => {
    const { default: webpack } = await import("webpack")
    const stats = await new Promise((resolve, reject) => {
      webpack({
        mode: "development",
        devtool: false,
        target: ["web", "es2022"],
        context: app,
        entry,
        output: { path: out, filename: "app.js" },
        plugins: [new webpack.optimize.LimitChunkCountPlugin({ maxChunks: 1 })]
      }, (error, stats) => error === null ? resolve(stats) : reject(error))
    })
    assert(!stats.hasErrors(), stats.toString({ all: false, errors: true }))
  },
  bun: (entry, out) => {
    execFileSync(bun, ["build", entry, "--target=browser", "--format=iife", `--outfile=${join(out, "app.js")}`], { cwd: app, stdio: ["ignore", "ignore", "inherit"] })
  }
}

// Runs code with the globals of a browser and none of Node's. The WebSocket opens and receives one message.
const run = (code) =>
  new Promise((report) => {
    class WebSocket extends EventTarget {
      readyState = 0
      protocol = ""
      constructor() {
        super()
        setTimeout(() => {
          this.readyState = 1
          this.dispatchEvent(new Event("open"))
          this.dispatchEvent(Object.assign(new Event("message"), { data: "hello" }))
        })
      }
      close() {
        this.readyState = 3
        this.dispatchEvent(Object.assign(new Event("close"), { code: 1000, reason: "" }))
      }
    }
    const globals = { AbortController, AbortSignal, atob, btoa, clearInterval, clearTimeout, console: { log: () => undefined }, Event, EventTarget, Headers, performance, queueMicrotask, setInterval, setTimeout, structuredClone, TextDecoder, TextEncoder, report, URL, URLSearchParams, WebSocket }
    const context = createContext({ ...globals })
    context.self = context.window = context.globalThis = context
    const timeout = setTimeout(() => report("nothing within a minute"), 60_000)
    timeout.unref()
    runInContext(code, context)
  })

try {
  const packed = join(app, "node_modules/holdfast")
  mkdirSync(packed, { recursive: true })
  const [{ files }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--dry-run", "--silent", "--ignore-scripts"], { encoding: "utf8" }))
  for (const { path } of files) cpSync(path, join(packed, path))
  mkdirSync(join(app, "node_modules/@effect"))
  for (const name of ["effect", "@effect/platform"]) symlinkSync(resolve("node_modules", name), join(app, "node_modules", name))
  writeFileSync(join(app, "package.json"), JSON.stringify({ type: "module", private: true }))
  writeFileSync(join(app, "app.js"), source)
  mkdirSync(join(app, "promise"))
  writeFileSync(join(app, "promise/app.js"), promise)

  const runs = Object.entries(bundlers).flatMap(([name, bundle]) => [[name, bundle, "app.js"], [`${name}, promises`, bundle, "promise/app.js"]])
  for (const [name, bundle, entry] of runs) {
    const out = join(app, `out-${name}`)
    mkdirSync(out)
    await bundle(join(app, entry), out)
    assert.deepStrictEqual(readdirSync(out), ["app.js"], `${name} did not write exactly one file`)
    const code = readFileSync(join(out, "app.js"), "utf8")
    assert.strictEqual(String(await run(code)), "hello function", `the bundle of ${name} does not run`)
    console.log(`${name}: ${(code.length / 1024).toFixed(0)} KiB, runs`)
  }
} finally {
  rmSync(app, { recursive: true, force: true })
}
process.exit()
