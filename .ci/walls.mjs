// Compiles a copy of the sources without src/binance, the command line and what gives Binance to programs outside Effect: no
// other code may depend on a venue.
import { spawnSync } from "node:child_process"
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const copy = mkdtempSync(join(tmpdir(), "holdfast-walls-"))
try {
  for (const name of ["src", "package.json", "tsconfig.json"]) cpSync(name, join(copy, name), { recursive: true })
  for (const name of ["src/binance", "src/cli", "src/main.ts", ...["binance", "index", "browser"].map((name) => `src/promise/${name}.ts`)]) rmSync(join(copy, name), { recursive: true })
  symlinkSync(resolve("node_modules"), join(copy, "node_modules"))
  writeFileSync(join(copy, "tsconfig.walls.json"), JSON.stringify({
    extends: "./tsconfig.json",
    compilerOptions: { incremental: false, tsBuildInfoFile: null, plugins: [] },
    include: ["src"]
  }))
  const { status } = spawnSync("npx", ["--no-install", "tsc", "-p", "tsconfig.walls.json"], { cwd: copy, stdio: "inherit" })
  if (status !== 0) {
    console.error("Code outside src/binance and the command line imports them: see the errors above.")
    process.exitCode = 1
  } else {
    console.log("the sources compile without Binance and the command line")
  }
} finally {
  rmSync(copy, { recursive: true })
}
