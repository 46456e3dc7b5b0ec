// The others, side by side: the same exchange, the same faults, the same truth, for clients that people use:
// `npm run others -- --write`.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { readFileSync, writeFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { parseArgs } from "node:util"
import { contestants } from "./contestants.ts"
import { kinds, script } from "./faults.ts"
import * as Run from "./run.ts"
import type { Result, Results } from "./table.ts"
import { toMarkdown } from "./table.ts"

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    // How often each kind of fault strikes.
    times: { type: "string", default: "3" },
    // Seconds without data after which a fault counts as never noticed.
    bound: { type: "string", default: "60" },
    // A name, or several: all when not given.
    only: { type: "string", multiple: true, default: [...contestants.keys()] },
    // The results as JSON on standard output, rather than as tables.
    json: { type: "boolean", default: false },
    // Into bench/others/results.json and the README.
    write: { type: "boolean", default: false }
  }
})

const seed = Number(values.seed)
const times = Number(values.times)
const settings: Run.Settings = { seed, bound: Duration.seconds(Number(values.bound)), script: script(seed, times) }

const say = (text: string) => Effect.sync(() => process.stderr.write(`${text}\n`))

const one = (name: string) =>
  Effect.gen(function*() {
    const { faults, lastRetry, storm } = yield* Effect.all({
      faults: Run.faults(name, settings, ({ crashed, help, kind, recovered }) => {
        const outcome = crashed ?? (recovered === null ? `not recovered, ${help}` : `${Math.round(recovered)} ms`)
        process.stderr.write(`${name}: ${kind}: ${outcome}\n`)
      }),
      storm: Run.storm(name, settings),
      lastRetry: Run.lastRetry(name, settings)
    }, { concurrency: "unbounded" })
    yield* say(`${name}: done`)
    const result: Result = {
      name: faults.about?.name ?? name,
      version: faults.about?.version ?? "",
      configuration: faults.about?.configuration ?? "",
      faults: faults.result,
      storm,
      lastRetry
    }
    return result
  })

const program = Effect.gen(function*() {
  const loop = monitorEventLoopDelay({ resolution: 10 })
  loop.enable()
  // A second apart, so that they do not load their code all at once. Almost all of the time is waiting.
  const all = yield* Effect.forEach(
    values.only,
    (name, i) => Effect.zipRight(Effect.sleep(Duration.seconds(3 * i)), one(name)),
    { concurrency: "unbounded" }
  )
  const results: Results = {
    seed,
    times,
    boundSeconds: Number(values.bound),
    node: process.version,
    loopDelay: { p99: Math.round(loop.percentile(99) / 1e6), max: Math.round(loop.max / 1e6) },
    kinds: kinds.map(({ name }) => name),
    contestants: all
  }
  const json = `${JSON.stringify(results, undefined, 2)}\n`
  process.stdout.write(values.json ? json : `${toMarkdown(results)}\n`)
  if (values.write) {
    writeFileSync(new URL("results.json", import.meta.url), json)
    const readme = new URL("../../README.md", import.meta.url)
    const between = /(<!-- others:begin -->\n)[\s\S]*(<!-- others:end -->)/
    writeFileSync(readme, readFileSync(readme, "utf8").replace(between, (_, begin: string, end: string) =>
      `${begin}\n${toMarkdown(results)}\n\n${end}`))
  }
})

await Effect.runPromise(program)
