// Runs the deterministic simulation many times: `npm run simulate -- --runs 10000 --seed 1`. It shrinks a run that breaks an
// invariant, and prints its seed, path and plan. `--seed S --path P` or `--plan FILE` replays it exactly.
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { found } from "./found.ts"
import * as Simulation from "./Simulation.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    /** The printed path of a plan that failed. */
    path: { type: "string" },
    /** A plan as JSON, or a file that has one. */
    plan: { type: "string" },
    /** `connection`, `session`, `feed` or `symbols`. Default: all. */
    level: { type: "string" },
    /** Runs the plans that once failed first. */
    found: { type: "boolean", default: false },
    /** Does not shrink a failure. */
    "no-shrink": { type: "boolean", default: false },
    json: { type: "boolean", default: false }
  }
})

const say = (text: string) => process.stderr.write(`${text}\n`)

if (values.plan !== undefined) {
  const text = values.plan.trimStart().startsWith("{") ? values.plan : readFileSync(values.plan, "utf8")
  const simulated: unknown = JSON.parse(text)
  if (!Simulation.isSimulated(simulated)) throw new Error("--plan is not a plan of the simulation. A plan is JSON with a level and a plan, as a failed run prints it.")
  const outcome = Simulation.run(simulated)
  process.stdout.write(`${JSON.stringify(outcome, undefined, 2)}\n`)
  process.exit(outcome.violations.length > 0 ? 1 : 0)
}

const runs = Number(values.runs)
const totals = { runs: 0, virtualMillis: 0, dials: 0, messages: 0, read: 0, gaps: 0 }
const levels = { connection: Simulation.connection, session: Simulation.session, feed: Simulation.feed, symbols: Simulation.symbols }
const plans = Object.entries(levels).find(([level]) => level === values.level)?.[1] ?? Simulation.any
const began = performance.now()
let failed = false
// The number of runs that exercised each of the plans that have to be known to be live.
const coverage = new Map<string, number>()

const result = fc.check(
  fc.property(plans, (simulated) => {
    const outcome = Simulation.run(simulated)
    if (!failed) {
      totals.runs++
      totals.virtualMillis += outcome.virtualMillis
      totals.dials += outcome.dials
      totals.messages += outcome.messages
      totals.read += outcome.read
      totals.gaps += outcome.gaps
      for (const what of outcome.exercised) coverage.set(what, (coverage.get(what) ?? 0) + 1)
      if (totals.runs % 1_000 === 0) say(`${totals.runs} of ${runs}`)
    }
    if (outcome.violations.length > 0) {
      failed = true
      throw new Error(Simulation.complaint(outcome))
    }
  }),
  {
    numRuns: runs,
    seed: Number(values.seed),
    endOnFailure: values["no-shrink"],
    examples: values.found ? found.map(({ simulated }): [Simulation.Simulated] => [simulated]) : [],
    ...(values.path === undefined ? {} : { path: values.path })
  }
)

const seconds = (performance.now() - began) / 1_000
const summary = {
  runs: totals.runs,
  seed: Number(values.seed),
  failed: result.failed,
  seconds: Number(seconds.toFixed(1)),
  runsPerSecond: Number((totals.runs / seconds).toFixed(1)),
  simulatedHours: Number((totals.virtualMillis / 3_600_000).toFixed(1)),
  dials: totals.dials,
  messages: totals.messages,
  eventsRead: totals.read,
  gapsDeclared: totals.gaps,
  coverage: Object.fromEntries([...coverage].sort(([a], [b]) => a < b ? -1 : 1)),
  ...(result.failed
    ? {
      path: result.counterexamplePath,
      shrinks: result.numShrinks,
      broke: result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance),
      plan: result.counterexample?.[0]
    }
    : {})
}

if (values.json) process.stdout.write(`${JSON.stringify(summary, undefined, 2)}\n`)
else {
  say(`${summary.runs} runs of ${summary.simulatedHours} hours of market in ${summary.seconds} s: ` +
    `${summary.dials} dials, ${summary.messages} messages, ${summary.eventsRead} read, ${summary.gapsDeclared} gaps declared`)
  say(`Runs that exercised it: ${Object.entries(summary.coverage).map(([what, count]) => `${what} ${count}`).join(", ")}`)
  if (result.failed) {
    say(`\n${String(summary.broke)}\n`)
    say(`Replay it: npm run simulate -- --seed ${summary.seed} --path ${summary.path ?? ""}` +
      `${values.level === undefined ? "" : ` --level ${values.level}`}\nThe plan:`)
    process.stdout.write(`${JSON.stringify(summary.plan)}\n`)
  } else say("Every invariant held.")
}
if (result.failed) process.exitCode = 1
