// Checks both transports on Node, Deno and Bun: `main.ts [--rounds N] [--report FILE]`. The server runs here, on Node.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as HttpProxy from "../utils/HttpProxy.ts"
import * as privateAuthority from "../utils/privateAuthority.ts"
import * as selfSigned from "../utils/selfSigned.ts"
import * as SocksProxy from "../utils/SocksProxy.ts"
import * as Peer from "./peer.ts"
import * as trusted from "./trusted.ts"

const { values } = parseArgs({ options: { rounds: { type: "string", default: "1" }, report: { type: "string" } } })

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const installed = here("./node_modules/")
const checks = here("./checks.ts")

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
  { runtime: "Bun", command: here("../../node_modules/.bin/bun"), args: [checks], transports: ["node", "global"] }
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
const file = join(folder, "peer.sock")
const unix = await Peer.start({ file })
const wary = await Peer.start({ tls: { ...privateAuthority.server, ca: privateAuthority.authority } })
const proxies = await Effect.runPromise(Scope.make())
const [http, socks, refusing] = await Effect.runPromise(
  Scope.extend(
    Effect.all([HttpProxy.make(), SocksProxy.make({ password: "word" }), HttpProxy.make({ answer: "403 No\r\n\r\n" })]),
    proxies
  )
)
const secure = await Peer.start({ tls: trusted })
const untrusted = await Peer.start({ tls: selfSigned })

for (const run of runs) {
  mayRestart = true
  await execute(run, [
    `ws://127.0.0.1:${port}`,
    `wss://127.0.0.1:${secure.port}`,
    `wss://127.0.0.1:${untrusted.port}`,
    `wss://127.0.0.1:${wary.port}`,
    `ws+unix:${file}:`,
    `http://127.0.0.1:${http.port}`,
    `socks5h://user:word@127.0.0.1:${socks.port}`,
    `http://127.0.0.1:${refusing.port}`
  ])
}
await Promise.all([peer.stop(), secure.stop(), untrusted.stop(), wary.stop(), unix.stop()])
await Effect.runPromise(Scope.close(proxies, Exit.void))
rmSync(folder, { recursive: true })

if (values.report !== undefined) {
  writeFileSync(values.report, JSON.stringify({ numPassedTests: passed, numFailedTests: failed, numTotalTests: passed + failed }))
}
print(`${passed} passed, ${failed} failed`)
if (failed > 0) process.exitCode = 1
