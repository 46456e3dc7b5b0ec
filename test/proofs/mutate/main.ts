// Tests that the proofs find bugs: `npm run mutate`. It puts one deliberate bug at a time into a copy of the sources and
// runs the simulation. Where that finds nothing, it runs the tests.
import { spawn } from "node:child_process"
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import type { Mutation } from "./mutations.ts"
import { mutations } from "./mutations.ts"

const { values } = parseArgs({
  options: {
    /** Runs of the simulation for each bug. */
    runs: { type: "string", default: "600" },
    seed: { type: "string", default: "1" },
    /** Only bugs whose description or file contains one of these texts. */
    only: { type: "string", multiple: true, default: [""] },
    /** Bugs at a time, each in a copy of its own. Default: one per processor. */
    jobs: { type: "string", default: String(availableParallelism()) },
    json: { type: "boolean", default: false }
  }
})

// Vitest runs the test files whose path contains one of these texts.
const tests = [
  "connection/",
  "market/",
  "pool/",
  "recording/",
  "testing/",
  "transport/",
  "clockJumps",
  "DialGate",
  "FailureClass",
  "Listenable",
  "Liveness",
  "NodeTransport",
  "ReconnectPolicy",
  "Session",
  "secrets",
  "Transport",
  "binance/Failure",
  "binance/OrderBook",
  "binance/Recording",
  "binance/Rest",
  "binance/hotPath",
  "binance/pool",
  "binance/redundancy",
  "binance/idReset",
  "binance/ids",
  "binance/venues",
  "cli/checks",
  "cli/display",
  "cli/output",
  "cli/replayedRest"
]
const longest = 5 * 60_000

const roots: Array<string> = []
const newRoot = (): string => {
  const root = mkdtempSync(join(tmpdir(), "holdfast-mutate-"))
  roots.push(root)
  for (const name of ["src", "test", "bench", "docs", "package.json", "tsconfig.json", "vitest.config.ts"]) {
    cpSync(name, join(root, name), { recursive: true, filter: (path) => !path.includes("node_modules") })
  }
  symlinkSync(join(process.cwd(), "node_modules"), join(root, "node_modules"))
  return root
}

// A bug may make a process spin, ignore signals, or leave workers behind. So each command runs in a process group of its
// own, which is killed when the command ends, and when this process does.
const groups = new Set<number>()
const killGroup = (pid: number) => {
  try {
    process.kill(-pid, "SIGKILL")
  } catch {
    // The whole group has ended.
  }
}
process.on("exit", () => {
  groups.forEach(killGroup)
  for (const root of roots) rmSync(root, { recursive: true, force: true })
})
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1))

const succeeds = (root: string, script: string, args: ReadonlyArray<string>) =>
  new Promise<{ readonly ok: boolean; readonly output: string }>((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { cwd: root, detached: true, stdio: ["ignore", "pipe", "pipe"] })
    const { pid } = child
    if (pid !== undefined) groups.add(pid)
    let output = ""
    for (const stream of [child.stderr, child.stdout]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text
      })
    }
    const end = () => {
      if (pid !== undefined) killGroup(pid)
    }
    const timer = setTimeout(end, longest)
    child.once("error", reject)
    child.once("exit", end)
    child.once("close", (code) => {
      clearTimeout(timer)
      if (pid !== undefined) groups.delete(pid)
      resolve({ ok: code === 0, output })
    })
  })

const simulate = (root: string) =>
  succeeds(root, "node_modules/tsx/dist/cli.mjs", ["test/proofs/simulate/main.ts", "--runs", values.runs, "--seed", values.seed, "--found", "--no-shrink"])
// The tests that speak most directly of a room. They run first, because they take a tenth of the time of all.
const testsOf: Readonly<Record<string, ReadonlyArray<string>>> = {
  "internal/connection": ["connection/", "ReconnectPolicy", "FailureClass"],
  "internal/transport": ["NodeTransport", "Transport", "transport/", "secrets"],
  "internal/session": ["Session"],
  "internal/pool": ["pool/", "binance/pool", "binance/redundancy"],
  "internal/stream": ["Listenable", "connection/inbox", "connection/wakes"],
  "internal/feed": ["market/", "binance/OrderBook", "binance/idReset", "binance/ids"],
  "internal/json": ["binance/hotPath"],
  "internal/recording": ["recording/"],
  "binance/exchange": ["binance/exchange/Exchange"],
  "internal/time": ["clockJumps", "connection/", "DialGate"],
  promise: ["promise/"],
  compat: ["compat/"]
}

// The simulation does not reach these rooms: it has a network of its own, and neither disks nor a program.
const unsimulated = ["internal/recording", "binance/exchange", "cli"]

const testIn = (root: string, project: string, names: ReadonlyArray<string>) =>
  succeeds(root, "node_modules/vitest/vitest.mjs", ["run", "--bail", "1", "--project", project, ...names.map((name) => `test/${name}`)])
// Most bugs fail under the usual scheduler, so the eager one runs only when that finds nothing.
const test = async (root: string, room = "") => {
  const near = testsOf[room] === undefined ? undefined : await testIn(root, "all", testsOf[room])
  if (near?.ok === false) return near
  const usual = await testIn(root, "all", tests)
  return usual.ok ? testIn(root, "eager fibres", tests) : usual
}
const roomOf = (file: string) => file.split("/").slice(0, -1).join("/")

const results: Array<{ readonly what: string; readonly file: string; readonly by: string; readonly because: string }> = []

const because = (output: string) =>
  output.split("\n").find((line) => /^[a-z]+, at \d+ ms: /.test(line)) ?? "it did not end in time"

const judge = async (root: string, { file, from, to, what }: Mutation) => {
  const path = join(root, "src", file)
  const source = readFileSync(path, "utf8")
  if (source.split(from).length !== 2) throw new Error(`The bug "${what}" cannot be made: its text does not occur exactly once in ${file}: ${from}`)
  writeFileSync(path, source.replace(from, () => to))
  const simulated = unsimulated.includes(roomOf(file)) ? { ok: true, output: "" } : await simulate(root)
  const by = !simulated.ok ? "simulation" : (await test(root, roomOf(file))).ok ? "none" : "tests"
  writeFileSync(path, source)
  results.push({ what, file, by, because: by === "simulation" ? because(simulated.output) : "" })
  process.stderr.write(`${by.padEnd(12)} ${what} (${file})${by === "simulation" ? `: ${because(simulated.output)}` : ""}\n`)
}

// The simulation and the tests must find nothing without a bug, or they would find it with each.
const unharmed = newRoot()
for (const [name, run] of Object.entries({ simulation: simulate, tests: (root: string) => test(root) })) {
  const sound = await run(unharmed)
  if (!sound.ok) throw new Error(`Without a deliberate bug, the ${name} failed:\n${sound.output}`)
}
const waiting = mutations.filter(({ file, what }) => values.only.some((part) => `${what} ${file}`.includes(part))).values()
const work = async (root: string) => {
  for (const mutation of waiting) await judge(root, mutation)
}
await Promise.all([work(unharmed), ...Array.from({ length: Number(values.jobs) - 1 }, () => work(newRoot()))])

const count = (by: string) => results.filter((result) => result.by === by).length
const score = {
  bugs: results.length,
  caught: results.length - count("none"),
  bySimulation: count("simulation"),
  byTests: count("tests"),
  survived: results.filter(({ by }) => by === "none").map(({ file, what }) => `${what} (${file})`)
}
process.stdout.write(values.json ? `${JSON.stringify({ score, results }, undefined, 2)}\n` : `${JSON.stringify(score, undefined, 2)}\n`)
if (score.survived.length > 0) process.exitCode = 1
