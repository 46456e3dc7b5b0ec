// Tests on real sockets that connections heal and that the data is whole: `npm run chaos -- --faults 1000 --seed 1 --json`,
// or for a time: `npm run chaos -- --for 30m --json`. The exit code is 1 when something is wrong.
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as RuntimeFlags from "effect/RuntimeFlags"
import * as Schedule from "effect/Schedule"
import { parseArgs } from "node:util"
import { getHeapCodeStatistics } from "node:v8"
import * as Chaos from "./chaos.ts"
import { collectGarbage } from "../fuzz/garbage.ts"
import { leastSquares } from "../../utils/leastSquares.ts"
import * as Witness from "./Witness.ts"

const { values } = parseArgs({
  options: {
    faults: { type: "string" },
    for: { type: "string" },
    seed: { type: "string", default: "1" },
    kind: { type: "string", multiple: true },
    json: { type: "boolean", default: false }
  }
})

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 }
const lasting = (text: string) => {
  const [, count = "", unit = ""] = /^(\d+)([smh])$/.exec(text) ?? []
  const millis = Number(count) * (units[unit] ?? Number.NaN)
  if (Number.isNaN(millis)) throw new Error(`--for is ${text}, which is not a time. Give a number and a unit, such as 90s, 30m or 2h.`)
  return Duration.millis(millis)
}
const soak = Option.map(Option.fromNullable(values.for), lasting)
const faults = Number(values.faults ?? (Option.isSome(soak) ? Infinity : 1_000))

// ---------------------------------------------------------------------------------------------------------------------
// Memory, fibres and handles

interface Sample {
  readonly hours: number
  readonly rss: number
  readonly heap: number
  /** The compiled code in the heap, in MiB. V8 goes on compiling for hours. */
  readonly code: number
  readonly fibres: number
  readonly handles: number
}

const fibres = () => {
  const found = Metric.unsafeSnapshot().find(({ metricKey: { name } }) => name === "effect_fiber_active")
  return found !== undefined && MetricState.isCounterState(found.metricState) ? Number(found.metricState.count) : 0
}

const megabytes = (bytes: number) => bytes / 1024 / 1024
const round = (value: number, digits = 1) => Number(value.toFixed(digits))

const peak = { rss: 0, heap: 0 }
const samples: Array<Sample> = []
const began = performance.now()

const watchPeak = Effect.sync(() => {
  const { heapUsed, rss } = process.memoryUsage()
  peak.rss = Math.max(peak.rss, megabytes(rss))
  peak.heap = Math.max(peak.heap, megabytes(heapUsed))
})

const sample = Effect.sync(() => {
  collectGarbage()
  const { heapUsed, rss } = process.memoryUsage()
  const { bytecode_and_metadata_size: bytecode, code_and_metadata_size: machineCode } = getHeapCodeStatistics()
  samples.push({
    hours: (performance.now() - began) / 3_600_000,
    rss: megabytes(rss),
    heap: megabytes(heapUsed),
    code: megabytes(machineCode + bytecode),
    fibres: fibres(),
    handles: process.getActiveResourcesInfo().length
  })
})

// The growth per hour. The first quarter of the samples is warm-up.
const growth = (of: (sample: Sample) => number) => {
  const fit = leastSquares(samples.slice(Math.floor(samples.length / 4)).map((taken) => [taken.hours, of(taken)] as const))
  return fit === undefined ? undefined : { mean: round(fit.mean), perHour: round(fit.slope), error: round(fit.error) }
}

// ---------------------------------------------------------------------------------------------------------------------
// The report

const percentile = (sorted: ReadonlyArray<number>, p: number) =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * p) - 1))]

const timesOf = (healings: ReadonlyArray<Chaos.Healing>) => {
  const sorted = (of: (healing: Chaos.Healing) => number | undefined) =>
    healings.flatMap((healing) => of(healing) ?? []).sort((a, b) => a - b)
  const back = sorted(({ back }) => back)
  const whole = sorted(({ whole }) => whole)
  return {
    faults: healings.length,
    recovered: whole.length,
    backP50: percentile(back, 0.5),
    p50: percentile(whole, 0.5),
    p99: percentile(whole, 0.99),
    max: whole.at(-1),
    // How often each kind of stream, or a book, was whole last.
    last: Object.fromEntries(Object.entries(Arr.groupBy(healings, ({ last }) => last ?? "nothing")).map(([name, all]) => [name, all.length]))
  }
}

const sumOf = (report: Chaos.Report, belongs: (name: string) => boolean) =>
  Witness.sum(Object.entries(report.streams).flatMap(([name, verdict]) => belongs(name) ? [verdict] : []))

const summarize = (report: Chaos.Report) => {
  const wrong = Chaos.faultsOf(report)
  const kindsSeen = Chaos.names.filter((name) => report.healings.some(({ kind }) => kind === name))
  return {
    settings: Chaos.settings,
    raisedLimits: Chaos.limits,
    seed: Number(values.seed),
    minutes: round((performance.now() - began) / 60_000),
    faults: report.healings.length,
    recovered: report.healings.filter(({ whole }) => whole !== undefined).length,
    timeToHeal: timesOf(report.healings),
    byKind: Object.fromEntries(kindsSeen.map((name) => [name, timesOf(report.healings.filter(({ kind }) => kind === name))])),
    events: {
      repairable: sumOf(report, (name) => !name.endsWith("depth")),
      depth: sumOf(report, (name) => name.endsWith("depth"))
    },
    streams: report.streams,
    gapsByCause: report.gapsByCause,
    fetched: report.fetched,
    books: report.books,
    dials: report.dials,
    outages: report.outages,
    invalidMessages: report.invalidMessages,
    violations: report.violations,
    ended: report.ended,
    broken: report.broken,
    peakMiB: { rss: round(peak.rss), heap: round(peak.heap) },
    ...(Option.isSome(soak)
      ? {
        growth: {
          samples: samples.length,
          rssMiB: growth(({ rss }) => rss),
          heapMiB: growth(({ heap }) => heap),
          compiledMiB: growth(({ code }) => code),
          heapLessCompiledMiB: growth(({ code, heap }) => heap - code),
          fibres: growth(({ fibres }) => fibres),
          handles: growth(({ handles }) => handles)
        }
      }
      : {}),
    wrong
  }
}

const print = (summary: ReturnType<typeof summarize>) => {
  const output: Array<string> = []
  const row = (...cells: ReadonlyArray<string | number | undefined>) => {
    output.push(`| ${cells.map((cell) => cell ?? "").join(" | ")} |`)
  }
  row("fault", "struck", "recovered", "data again p50", "whole again p50", "p99", "max, ms", "whole last")
  row("---", "---:", "---:", "---:", "---:", "---:", "---:", "---")
  for (const [name, times] of [...Object.entries(summary.byKind), ["all", summary.timeToHeal] as const]) {
    const last = Object.entries(times.last).filter(([what]) => what !== "nothing").map(([what, count]) => `${what} ${count}`)
    row(name, times.faults, times.recovered, times.backP50, times.p50, times.p99, times.max, last.join(", "))
  }
  output.push("")
  const { depth, repairable } = summary.events
  const both = (name: string, of: (verdict: Witness.Verdict) => number | string) => {
    row(name, of(repairable), of(depth))
  }
  row("events", "trades, aggTrades, klines", "depth updates")
  row("---", "---:", "---:")
  both("produced", ({ produced }) => produced)
  both("received", ({ received }) => received)
  row("of these, fetched by REST", summary.fetched, "")
  both("missing with a gap", ({ declared }) => declared)
  both("gaps / false gaps", ({ falseGaps, gaps }) => `${gaps} / ${falseGaps}`)
  both("missing without a gap", ({ lost }) => lost)
  both("repeated", ({ repeated }) => repeated)
  both("out of order", ({ outOfOrder }) => outOfOrder)
  both("different from the exchange's", ({ wrong }) => wrong)
  output.push("")
  row("other checks", "")
  row("---", "---:")
  row("book checks equal / different", `${summary.books.equal} / ${summary.books.different}`)
  row("dials / outages", `${summary.dials} / ${summary.outages}`)
  row("limits exceeded", Object.values(summary.violations).reduce((a, b) => a + b, 0))
  row("peak memory, MiB: RSS / heap", `${summary.peakMiB.rss} / ${summary.peakMiB.heap}`)
  if ("growth" in summary) {
    output.push("")
    row(`growth per hour, fitted to ${summary.growth.samples} samples`, "mean", "growth ± twice the standard error")
    row("---", "---:", "---:")
    for (const [name, fit] of Object.entries(summary.growth)) {
      if (typeof fit === "object") row(name, fit.mean, `${fit.perHour} ± ${fit.error}`)
    }
  }
  output.push("", summary.wrong.length === 0 ? "Nothing is wrong." : `Wrong: ${summary.wrong.join("; ")}.`, "")
  process.stderr.write(output.join("\n"))
}

const program = Effect.gen(function*() {
  yield* Effect.forkScoped(Effect.repeat(watchPeak, Schedule.spaced("500 millis")))
  const sampling = Option.isSome(soak)
    ? yield* Effect.fork(Effect.repeat(sample, Schedule.spaced("5 seconds")))
    : undefined
  let struck = 0
  const report = yield* Chaos.run({
    faults,
    seed: Number(values.seed),
    lasts: Option.getOrUndefined(soak),
    kinds: values.kind,
    onHealing: ({ kind, whole }) => {
      struck++
      if (whole === undefined) process.stderr.write(`${kind} was not recovered from.\n`)
      else if (struck % 50 === 0) process.stderr.write(`${struck} faults, ${round((performance.now() - began) / 60_000)} minutes\n`)
    }
  })
  if (sampling !== undefined) yield* Fiber.interrupt(sampling)
  const summary = summarize(report)
  print(summary)
  if (values.json) process.stdout.write(`${JSON.stringify(summary, undefined, 2)}\n`)
  if (summary.wrong.length > 0) process.exitCode = 1
}).pipe(Effect.scoped)

await Effect.runPromise(program.pipe(
  // Without the log of the connections, in which the results would be lost.
  Effect.provide(Layer.merge(Logger.remove(Logger.defaultLogger), RuntimeFlags.enableRuntimeMetrics))
))
