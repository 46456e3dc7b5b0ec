// Runs every example. Fails if one fails, or does not end within 60 seconds.
import { spawnSync } from "node:child_process"
import { readdirSync } from "node:fs"

for (const file of readdirSync("examples").filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts")).sort()) {
  console.log(`-- examples/${file}`)
  const { status } = spawnSync("npx", ["--no-install", "tsx", `examples/${file}`], { stdio: "inherit", timeout: 60_000 })
  if (status !== 0) {
    console.error(`examples/${file} failed`)
    process.exit(1)
  }
}
