// Measures Holdfast against hand-written code and other clients: `npm run bench`.
//
// --only text,typed   only these benchmarks
// --runs 9            the number of rounds (default 5, or 3 for small runs)
// --small             small runs, which are enough to find gross losses
// --guard             small runs; fails if a figure is at least twice the recorded one
// --json              prints the results as JSON
// --write             writes the results to docs/benchmarks.md and results.json
import { readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as Page from "../page.ts"
import { benchmarks } from "./benchmarks.ts"
import { compile } from "./compile.ts"
import { losses, unrecorded } from "./guard.ts"
import type { Benchmark, Result } from "./harness.ts"
import * as Harness from "./harness.ts"
import * as Report from "./report.ts"
import { shown } from "./report.ts"

const guarded = new Set(["text", "typed", "book"])

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    runs: { type: "string" },
    small: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    guard: { type: "boolean", default: false }
  }
})
const small = values.small || values.guard
const size = small ? Harness.small : Harness.full
const runs = Number(values.runs ?? (small ? 3 : 5))
const only = values.only?.split(",")
for (const name of only ?? []) {
  if (!benchmarks.some((benchmark) => benchmark.name === name)) throw new Error(`There is no benchmark ${name}. Choose from ${benchmarks.map(({ name }) => name).join(", ")}.`)
}

const say = (line: string) => {
  process.stderr.write(`${line}\n`)
}

// -----------------------------------------------------------------------------------------------------------------------
// Recorded results

interface Recorded {
  readonly full: ReadonlyArray<Result>
  readonly small: ReadonlyArray<Result>
}

const root = new URL("../../", import.meta.url)
const resultsFile = new URL("results.json", import.meta.url)

const parse: (text: string) => Recorded = JSON.parse
const recorded = () => parse(readFileSync(resultsFile, "utf8"))

const write = (results: ReadonlyArray<Result>) => {
  const before = recorded()
  // Benchmarks that were not run keep their recorded results.
  const merge = (old: ReadonlyArray<Result>) =>
    benchmarks.flatMap(({ name }) => [...results, ...old].find((result) => result.name === name) ?? [])
  const after = small ? { ...before, small: merge(before.small) } : { ...before, full: merge(before.full) }
  writeFileSync(resultsFile, `${JSON.stringify(after, undefined, 2)}\n`)
  if (!small) Page.write("benchmarks.md", "bench", Report.table(after.full))
}

// -----------------------------------------------------------------------------------------------------------------------
// Running

const run = async (benchmark: Benchmark): Promise<Result> => {
  say(`\n${benchmark.name}: ${benchmark.what}`)
  return Report.concise(
    await Harness.run(benchmark, {
      size,
      runs,
      onRun: (contestant, round, figures) => {
        const all = Object.entries(figures).map(([name, value]) => `${name} ${shown(value)}`)
        say(`  ${round + 1} ${contestant}: ${all.join(", ")}`)
      }
    })
  )
}

const guard = async (results: ReadonlyArray<Result>) => {
  const before = recorded().small
  const suspicious = losses(before, results)
  // Other processes may have slowed the run down: a loss must show twice.
  const again: Array<Result> = []
  for (const benchmark of benchmarks) {
    if (suspicious.some((loss) => loss.benchmark === benchmark.name)) again.push(await run(benchmark))
  }
  const lost = losses(before, again).filter((loss) =>
    suspicious.some((one) =>
      one.benchmark === loss.benchmark && one.contestant === loss.contestant && one.figure === loss.figure
    )
  )
  for (const { benchmark, contestant, figure, now, recorded } of lost) {
    say(`${benchmark}, ${contestant}: ${figure} is ${shown(now)}; the recorded value is ${shown(recorded)}.`)
  }
  const unknown = unrecorded(before, results)
  if (unknown.length > 0) say(`No results are recorded for ${unknown.join(", ")}. To record them: --small --write --only ${unknown.join(",")}`)
  if (lost.length > 0 || unknown.length > 0) process.exitCode = 1
  else say("\nNo figure is twice as bad as the recorded one.")
}

await compile(root)
const results: Array<Result> = []
for (const benchmark of benchmarks) {
  const chosen = only?.includes(benchmark.name) ?? (!values.guard || guarded.has(benchmark.name))
  if (chosen) results.push(await run(benchmark))
}
if (values.write) write(results)
if (values.guard) await guard(results)
process.stdout.write(
  values.json ? `${JSON.stringify({ node: process.version, runs, small, results }, undefined, 2)}\n` : `\n${Report.table(results)}\n`
)
