import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { Benchmark, Contestant } from "./harness.ts"
import { withLoad } from "./harness.ts"
import type { Figures } from "./stats.ts"

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url))
const contestants = fileURLToPath(new URL("dist/contestants/start.js", import.meta.url))
const bundled = fileURLToPath(new URL("dist/bundled/start.cjs", import.meta.url))
const first = fileURLToPath(new URL("dist/bundled/first.cjs", import.meta.url))

// Runs a process and measures the time until its first line on standard output, or until its end.
const time = (args: ReadonlyArray<string>, until: "first line" | "end"): Promise<Figures> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
    const done = () => {
      resolve({ time: performance.now() - began })
      child.kill()
    }
    let hasOutput = false
    child.stdout.on("data", (data: Buffer) => {
      hasOutput = true
      if (until === "first line" && data.includes("\n")) done()
    })
    child.on("exit", (code) => {
      if (until === "end" && code === 0) done()
      else if (!hasOutput || code !== 0) reject(new Error(`${args.join(" ")} ended with ${String(code)}.`))
    })
  })

const firstMessage = (name: string, against: string, args: (port: string) => ReadonlyArray<string>): Contestant => ({
  name,
  against,
  run: () =>
    withLoad({ kind: "trades", rate: 1_000 }, (port) => time(args(String(port)), "first line"))
})

const script = (name: string, contestant: string, program = contestants) =>
  firstMessage(name, "node with ws, first message", (port) => [program, contestant, port])

export const start: Benchmark = {
  name: "start",
  what: "The time from the start of a process to its end, or to its first message.",
  figures: { time: "ms" },
  contestants: [
    { name: "node with ws", run: () => time([contestants, "nothing"], "end") },
    { name: "holdfast --help", run: () => time([program, "--help"], "end") },
    script("node with ws, first message", "ws"),
    script("Connection, first message", "connection"),
    firstMessage("Connection, bundled, first message", "node with ws, first message", (port) => [first, port]),
    script("BinanceFeed, first message", "feed"),
    script("BinanceFeed, bundled, first message", "feed", bundled),
    firstMessage("holdfast watch --json, first line", "node with ws, first message", (port) => [
      program,
      "watch",
      "btcusdt@trade",
      "--json",
      "--ws",
      `ws://127.0.0.1:${port}`,
      "--rest",
      `http://127.0.0.1:${port}`
    ])
  ],
  goals: [{ contestant: "Connection, bundled, first message", figure: "time", of: "ratio", atMost: 1.2 }]
}
