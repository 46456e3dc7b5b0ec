// Compares clients side by side, each against the same exchange and the same faults: `npm run others -- --write`.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { writeFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { parseArgs } from "node:util"
import * as Page from "../page.ts"
import { contestants } from "./contestants.ts"
import { kinds } from "./faults.ts"
import { sum } from "./judge.ts"
import * as Run from "./run.ts"
import type { Result, Results } from "./table.ts"
import { toMarkdown } from "./table.ts"

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    // The number of rounds; each injects every kind of fault once.
    times: { type: "string", default: "3" },
    // Seconds without data after which a fault counts as not recovered from.
    bound: { type: "string", default: "60" },
    // The name of a client; may be given more than once. Default: all.
    only: { type: "string", multiple: true, default: [...contestants.keys()] },
    // Prints the results as JSON, instead of tables.
    json: { type: "boolean", default: false },
    // To bench/others/results.json and docs/comparison.md.
    write: { type: "boolean", default: false }
  }
})

const stop = (sentence: string): never => {
  process.stderr.write(`${sentence}\n`)
  process.exit(1)
}
const unknown = values.only.filter((name) => !contestants.has(name))
if (unknown.length > 0) stop(`--only: there is no client ${unknown.join(", ")}. Choose from ${[...contestants.keys()].join(", ")}.`)
if (values.write && values.only.length < contestants.size) stop("--write needs the results of all clients: leave out --only.")

const seed = Number(values.seed)
const times = Number(values.times)
const settings = (round: number): Run.Settings => ({ seed: seed + round, bound: Duration.seconds(Number(values.bound)) })

const say = (text: string) => Effect.sync(() => process.stderr.write(`${text}\n`))

// Every round has its own process and its own exchange, so that all can run at once.
const one = (name: string) =>
  Effect.gen(function*() {
    const { lastRetry, rounds, storm } = yield* Effect.all({
      rounds: Effect.forEach(Array.from({ length: times }, (_, i) => i), (round) =>
        Run.faults(name, settings(round), ({ crashed, help, kind, recovered }) => {
          const outcome = crashed ?? (recovered === null ? `not recovered, ${help}` : `${Math.round(recovered)} ms`)
          process.stderr.write(`${name}: ${kind}: ${outcome}\n`)
        }), { concurrency: "unbounded" }),
      storm: Run.storm(name, settings(0)),
      lastRetry: Run.lastRetry(name, settings(0))
    }, { concurrency: "unbounded" })
    yield* say(`${name}: done`)
    const about = rounds[0]?.about
    const result: Result = {
      name: about?.name ?? name,
      version: about?.version ?? "",
      configuration: about?.configuration ?? "",
      verdict: sum(rounds.map(({ verdict }) => verdict)),
      outcomes: rounds.flatMap(({ outcomes }) => outcomes),
      storm,
      lastRetry
    }
    return result
  })

// Node reports the time between samples in nanoseconds, including the planned interval.
const loopResolution = 10
const late = (nanos: number) => Math.max(0, Math.round(nanos / 1e6) - loopResolution)

const program = Effect.gen(function*() {
  const loop = monitorEventLoopDelay({ resolution: loopResolution })
  loop.enable()
  // Concurrent, since runs mostly wait.
  const all = yield* Effect.forEach(values.only, one, { concurrency: "unbounded" })
  const results: Results = {
    seed,
    times,
    boundSeconds: Number(values.bound),
    node: process.version,
    loopDelay: { p99: late(loop.percentile(99)), max: late(loop.max) },
    kinds: kinds.map(({ name }) => name),
    contestants: all
  }
  const json = `${JSON.stringify(results, undefined, 2)}\n`
  process.stdout.write(values.json ? json : `${toMarkdown(results)}\n`)
  if (values.write) {
    writeFileSync(new URL("results.json", import.meta.url), json)
    Page.write("comparison.md", "others", toMarkdown(results))
  }
})

await Effect.runPromise(program)
