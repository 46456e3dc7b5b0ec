// Packs the package, unpacks it in an empty folder and runs the program there: it needs no other package. Then puts
// only the required peers beside it: the library must work, and errors must name a missing optional peer.
import assert from "node:assert"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { createInterface } from "node:readline"

// Most of it is the bundled program.
const mostBytes = 800_000

const folder = mkdtempSync(join(tmpdir(), "holdfast-"))
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: "utf8" })
try {
  const [{ filename, files, size }] = JSON.parse(run("npm", ["pack", "--json", "--silent", "--ignore-scripts", "--pack-destination", folder], "."))
  assert(files.some(({ path }) => path === "dist/cli/LICENSES.txt"), "the licences of the bundled packages are not in the package")
  assert(size <= mostBytes, `the package has ${size} bytes: more than ${mostBytes}`)
  run("tar", ["-xzf", filename])
  const { bin, version } = JSON.parse(readFileSync(join(folder, "package/package.json"), "utf8"))

  const holdfast = (...args) => run(process.execPath, [join(folder, "package", bin.holdfast), ...args])
  assert.strictEqual(holdfast("--version").trim(), version, "src/cli/commands.ts has another version than package.json")
  assert.match(holdfast("--help"), /USAGE[^]*watch[^]*book[^]*record/)
  for (const command of [["--json"], ["watch", "btcusdt@trade", "--json"], ["record", "btcusdt@trade", "--out", "trades.ndjson", "--json"]]) {
    const lines = holdfast(...command, "--for", "2s").trim().split("\n").map((line) => JSON.parse(line))
    assert(lines.some(({ symbol }) => symbol === "BTCUSDT"), `${command.join(" ")} printed no market event`)
    assert(lines.some(({ event }) => event === "Summary"), `${command.join(" ")} printed no summary`)
  }
  assert(existsSync(join(folder, "trades.ndjson")), "record wrote no file")
  assert.match(holdfast("book", "btcusdt", "--json", "--for", "2s"), /"type":"book"/)

  // serve goes on until it is told to end. It logs where it listens.
  const server = spawn(process.execPath, [join(folder, "package", bin.holdfast), "serve", "--port", "0", "--json"], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] })
  try {
    const exited = once(server, "exit")
    const [line] = await once(createInterface(server.stderr), "line")
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(JSON.parse(line).message)
    assert.strictEqual((await fetch(`${url}/healthz`)).status, 200)
    assert.match(await (await fetch(`${url}/metrics`)).text(), /^websocket_client_connection_states\{/m)
    server.kill("SIGTERM")
    await exited
  } finally {
    server.kill("SIGKILL")
  }

  const modules = join(folder, "package/node_modules")
  mkdirSync(join(modules, "@effect"), { recursive: true })
  for (const name of ["effect", "@effect/platform", "ws"]) symlinkSync(resolve("node_modules", name), join(modules, name))
  writeFileSync(join(folder, "package/app.mjs"), `
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Connection } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { Exchange } from "holdfast/binance/exchange"

const refused = Connection.make({ url: "ws://127.0.0.1:1", reconnect: { enabled: false } }).pipe(
  Effect.flatMap(({ awaitOpen }) => awaitOpen),
  Effect.provide(NodeTransport.layer)
)
for (const effect of [refused, Exchange.make()]) {
  console.log(await Effect.runPromise(Effect.merge(Effect.map(Effect.flip(Effect.scoped(effect)), ({ message }) => message))))
}
`)
  const [dial, exchange] = run(process.execPath, ["app.mjs"], join(folder, "package")).split("\n").filter((line) => line.startsWith("The "))
  assert.match(dial, /^The dial failed with \w+: .*\.$/)
  assert.match(exchange, /^The exchange could not start: The embedded exchange needs @effect\/platform-node, .* npm install @effect\/platform-node@\^/)
} finally {
  rmSync(folder, { recursive: true })
}
console.log("the packed program runs")
