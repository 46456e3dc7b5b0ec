// Follows the README as a newcomer does: in an empty folder, installs the packed package by the README's line, with npm and
// with pnpm, checks the types of its program, and runs it. Only the URL differs: it is the embedded exchange's. With npm, it
// also installs the packages for tests by the line of docs/testing.md, and runs the page's first test.
import * as Effect from "effect/Effect"
import assert from "node:assert"
import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { Exchange, Fault } from "holdfast/binance/exchange"

const readme = readFileSync("README.md", "utf8")
assert(Buffer.byteLength(readme) <= 8192, "README.md is longer than 8 KB")

const [, peers] = /^npm i holdfast (.+)$/m.exec(readme) ?? assert.fail("README.md has no line that installs holdfast")
const [, program] = /^```ts\n([^]*?)^```/m.exec(readme) ?? assert.fail("README.md has no program")
const host = "wss://stream.binance.com:9443"
assert(program.includes(host), `README.md's program does not dial ${host}`)

const testing = readFileSync("docs/testing.md", "utf8")
const [, testPackages] = /^npm i -D (.+)$/m.exec(testing) ?? assert.fail("docs/testing.md has no line that installs packages")
const [, test] = /^```ts scripted\n([^]*?)^```/m.exec(testing) ?? assert.fail("docs/testing.md has no test of a scripted peer")

const folder = mkdtempSync(join(tmpdir(), "holdfast-install-"))
const tool = (name) => resolve("node_modules/.bin", name)
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8" })

const installers = {
  npm: (app, packages) => run("npm", ["i", ...packages, "--no-audit", "--no-fund"], app),
  pnpm: (app, packages) =>
    run(tool("pnpm"), ["add", ...packages, "--strict-peer-dependencies", "--store-dir", join(folder, "store")], app)
}

// Kilobytes on disk. effect and @effect/platform with what they need take 64 MB.
const mostKilobytes = 75_000

const checkWeight = (app) => {
  const kilobytes = Number.parseInt(run("du", ["-sk", "node_modules"], app))
  assert(kilobytes <= mostKilobytes, `node_modules of the README's line takes ${kilobytes} KB: more than ${mostKilobytes}`)
  console.log(`npm: node_modules takes ${(kilobytes / 1000).toFixed(0)} MB`)
}

// The program prints a message, then the gap that a reset leaves, then messages again.
const expected = [/"e":"trade"/, /^messages may be missing here: .*$/m, /"e":"trade"/]

const watch = (app, reset) =>
  new Promise((done, failed) => {
    const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), "app.ts"], { cwd: app, stdio: ["ignore", "pipe", "inherit"] })
    const deadline = setTimeout(() => child.kill("SIGKILL"), 60_000)
    const left = [...expected]
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output += text
      for (let match; left.length > 0 && (match = left[0].exec(output)) !== null;) {
        output = output.slice(match.index + match[0].length)
        left.shift()
        if (left.length === expected.length - 1) reset()
        if (left.length === 0) child.kill("SIGINT")
      }
    })
    child.on("error", failed)
    child.on("exit", (code, signal) => {
      clearTimeout(deadline)
      if (left.length === 0 && signal === "SIGINT") done()
      else failed(new Error(`The program ended with ${signal ?? code} before it printed ${String(left[0] ?? "everything, and stopped when asked to")}:\n${output}`))
    })
  })

const follow = (exchange) =>
  Effect.promise(async () => {
    const [{ filename }] = JSON.parse(run("npm", ["pack", "--json", "--silent", "--ignore-scripts", "--pack-destination", folder]))
    const packages = [join(folder, filename), ...peers.split(" ")]
    for (const [name, install] of Object.entries(installers)) {
      const app = join(folder, name)
      mkdirSync(app)
      install(app, packages)
      if (name === "npm") checkWeight(app)
      assert(existsSync(join(app, "node_modules/holdfast")), `${name} installed the package elsewhere`)
      writeFileSync(join(app, "app.ts"), program.replace(host, exchange.wsUrl))
      run(tool("tsc"), ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "app.ts"], app)
      await watch(app, () => Effect.runFork(exchange.fault(Fault.Reset())))
      console.log(`${name}: the README's line installs the package, and the README's program runs`)
    }
    const app = join(folder, "npm")
    run("npm", ["i", "-D", ...testPackages.split(" "), "--no-audit", "--no-fund"], app)
    writeFileSync(join(app, "app.test.ts"), test)
    run(join(app, "node_modules/.bin/vitest"), ["run"], app)
    console.log("npm: the line of docs/testing.md installs its packages, and the page's first test passes")
  })

try {
  await Exchange.make({ tradesPerSecond: 20 }).pipe(Effect.flatMap(follow), Effect.scoped, Effect.runPromise)
} finally {
  rmSync(folder, { recursive: true })
}
