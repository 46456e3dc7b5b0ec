// Takes Binance and the command line away in a copy of the sources: the rest must compile, for a venue is one folder.
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const copy = mkdtempSync(join(tmpdir(), "holdfast-walls-"))
try {
  for (const name of ["src", "package.json", "tsconfig.json"]) cpSync(name, join(copy, name), { recursive: true })
  for (const name of ["src/binance", "src/cli", "src/main.ts"]) rmSync(join(copy, name), { recursive: true })
  symlinkSync(resolve("node_modules"), join(copy, "node_modules"))
  writeFileSync(join(copy, "tsconfig.walls.json"), JSON.stringify({
    extends: "./tsconfig.json",
    compilerOptions: { incremental: false, tsBuildInfoFile: null, plugins: [] },
    include: ["src"]
  }))
  const { status } = spawnSync("npx", ["--no-install", "tsc", "-p", "tsconfig.walls.json"], { cwd: copy, stdio: "inherit" })
  if (status !== 0) {
    console.error("Something outside src/binance and the command line needs them.")
    process.exitCode = 1
  } else {
    console.log("without Binance and the command line, the rest compiles")
  }
} finally {
  rmSync(copy, { recursive: true })
}
