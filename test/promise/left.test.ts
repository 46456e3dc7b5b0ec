// Leaving a loop leaves nothing behind: the program ends by itself.
import { assert, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

it("a program that has left its loops and closed its connections ends by itself", async () => {
  const program = fileURLToPath(new URL("left.ts", import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", program], { timeout: 120_000 })
  assert.deepStrictEqual(stdout.trim().split("\n").map((line) => line.trim()), [
    "open after the last loop: 0",
    "open while another loop goes on: 1",
    "open after that: 0",
    "left:"
  ])
}, 150_000)
