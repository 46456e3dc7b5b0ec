// Packs the package, installs it elsewhere as its users do, and runs the program. What the program needs is in it: the
// peers, which are for those who import the library, are not there.
import assert from "node:assert"
import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const folder = mkdtempSync(join(tmpdir(), "holdfast-"))
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: "utf8" })
try {
  const [{ filename, files }] = JSON.parse(run("npm", ["pack", "--json", "--silent", "--ignore-scripts", "--pack-destination", folder], "."))
  assert(files.some(({ path }) => path === "dist/cli/LICENSES.txt"), "the program goes without the licences of what is in it")
  writeFileSync(join(folder, "package.json"), "{}")
  run("npm", ["install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", "--legacy-peer-deps", join(folder, filename)])
  assert(!existsSync(join(folder, "node_modules/effect")), "the peers are there: this would not show that the program needs none")

  const holdfast = (...args) => run(join(folder, "node_modules/.bin/holdfast"), args)
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
