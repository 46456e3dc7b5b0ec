// Runs the diagnostics of the Effect language service, and fails if it checked fewer files than the repository has.
import { execFileSync, spawnSync } from "node:child_process"

const expected = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "src", "test", "examples"], {
  encoding: "utf8"
}).split("\n").filter((path) => path.endsWith(".ts")).length

const { status, stderr, stdout } = spawnSync(
  "npx",
  ["--no-install", "effect-language-service", "diagnostics", "--project", "tsconfig.json", "--format", "text", "--strict"],
  { encoding: "utf8" }
)
process.stdout.write(stdout)
const checked = Number(/Checked (\d+) files/.exec(stdout + stderr)?.[1] ?? 0)
if (checked < expected) {
  console.error(`Only ${checked} of ${expected} files were checked: is the plugin still in tsconfig.json?`)
  process.exit(1)
}
process.exit(status ?? 1)
