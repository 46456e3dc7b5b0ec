// Packs the package, unpacks it elsewhere, with no other package near, and runs the program: all that it needs is in it.
import assert from "node:assert"
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = mkdtempSync(join(tmpdir(), "holdfast-"))
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: "utf8" })
try {
  const [{ filename, files }] = JSON.parse(run("npm", ["pack", "--json", "--silent", "--ignore-scripts", "--pack-destination", folder], "."))
  assert(files.some(({ path }) => path === "dist/cli/LICENSES.txt"), "the program goes without the licences of what is in it")
  run("tar", ["-xzf", filename])
  const { bin } = JSON.parse(readFileSync(join(folder, "package/package.json"), "utf8"))

  const holdfast = (...args) => run(process.execPath, [join(folder, "package", bin.holdfast), ...args])
  assert.match(holdfast("--help"), /USAGE[^]*watch[^]*book[^]*record/)
  for (const command of [["--json"], ["watch", "btcusdt@trade", "--json"], ["record", "btcusdt@trade", "--out", "trades.ndjson", "--json"]]) {
    const lines = holdfast(...command, "--for", "2s").trim().split("\n").map((line) => JSON.parse(line))
    assert(lines.some(({ symbol }) => symbol === "BTCUSDT"), `${command.join(" ")} printed no market event`)
    assert(lines.some(({ event }) => event === "Summary"), `${command.join(" ")} did not sum up`)
  }
  assert(existsSync(join(folder, "trades.ndjson")), "record wrote no file")
  assert.match(holdfast("book", "btcusdt", "--json", "--for", "2s"), /"type":"book"/)
} finally {
  rmSync(folder, { recursive: true })
}
console.log("the packed program runs")
