// Checks both transports on Node, Deno and Bun: `main.ts [--rounds N] [--report FILE]`. The server runs here, on Node.
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as selfSigned from "../utils/selfSigned.ts"
import * as Peer from "./peer.ts"
import * as trusted from "./trusted.ts"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "1" }, report: { type: "string" } } })

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const installed = file("./node_modules/")
const checks = file("./checks.ts")

interface Run {
  readonly runtime: string
  readonly transport: "node" | "global"
  readonly command: string
  readonly args: ReadonlyArray<string>
}

const runtimes = [
  { runtime: "Node 20", command: process.execPath, args: ["--import", "tsx", checks], transports: ["node"] },
  { runtime: "Node 22", command: `${installed}node22/bin/node`, args: ["--import", "tsx", checks], transports: ["node", "global"] },
  { runtime: "Node 24", command: `${installed}node24/bin/node`, args: ["--import", "tsx", checks], transports: ["node", "global"] },
  { runtime: "Deno", command: `${installed}.bin/deno`, args: ["run", "--allow-all", "--no-lock", checks], transports: ["node", "global"] },
  { runtime: "Bun", command: file("../../node_modules/.bin/bun"), args: [checks], transports: ["node", "global"] }
] as const

const runs: ReadonlyArray<Run> = runtimes.flatMap(({ transports, ...runtime }) =>
  transports.map((transport) => ({ ...runtime, transport }))
)

// A process that hangs is killed: Bun's can. One round takes a few seconds.
const deadline = 60_000 * Number(values.rounds)
// For the process to end by itself, after its last check.
const lingering = 10_000

const print = (line: string) => {
  process.stdout.write(`${line}\n`)
}

let passed = 0
let failed = 0

const count = (run: Run, isOk: boolean, text: string) => {
  if (isOk) passed++
  else failed++
  print(`${isOk ? "ok    " : "FAILED"} ${run.runtime}, ${run.transport}: ${text}`)
}

const execute = (run: Run, urls: ReadonlyArray<string>) =>
  new Promise<void>((resolve) => {
    const child = spawn(run.command, [...run.args, run.transport, values.rounds, ...urls], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, NODE_EXTRA_CA_CERTS: authority, DENO_CERT: authority }
    })
    let killed = false
    const kill = () => {
      killed = true
      child.kill("SIGKILL")
    }
    const timers = [setTimeout(kill, deadline)]
    let hasEnded = false
    const lines = createInterface({ input: child.stdout })
    lines.on("line", (line) => {
      if (line === "end") {
        hasEnded = true
        timers.push(setTimeout(kill, lingering))
      } else if (line.startsWith("ok ")) count(run, true, line.slice(3))
      else if (line.startsWith("not ok ")) count(run, false, line.slice(7))
      else print(`       ${run.runtime}, ${run.transport}: ${line}`)
    })
    child.on("error", (error) => {
      count(run, false, error.message)
    })
    child.on("close", (code) => {
      for (const timer of timers) clearTimeout(timer)
      count(run, hasEnded && !killed && code === 0, "runs all checks, and the process exits by itself")
      resolve()
    })
  })

const folder = mkdtempSync(join(tmpdir(), "holdfast-runtimes-"))
const authority = join(folder, "authority.pem")
writeFileSync(authority, trusted.authority)

let peer = await Peer.start({ onRestart: () => void restart() })
const { port } = peer
// The first client of /restart makes the server go away and come back; the next one stays.
let mayRestart = true
const restart = async () => {
  if (!mayRestart) {
    mayRestart = true
    return
  }
  mayRestart = false
  await peer.stop()
  peer = await Peer.start({ onRestart: () => void restart(), port })
}
const secure = await Peer.start({ tls: trusted })
const untrusted = await Peer.start({ tls: selfSigned })

for (const run of runs) {
  mayRestart = true
  await execute(run, [
    `ws://127.0.0.1:${port}`,
    `wss://127.0.0.1:${secure.port}`,
    `wss://127.0.0.1:${untrusted.port}`
  ])
}
await Promise.all([peer.stop(), secure.stop(), untrusted.stop()])
rmSync(folder, { recursive: true })

if (values.report !== undefined) {
  writeFileSync(values.report, JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numTotalTests: passed + failed }))
}
print(`${passed} passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1
