// Kills a recorder again and again, at random moments, and verifies after each what it has left.
import { NodeContext } from "@effect/platform-node"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Exchange } from "holdfast/binance/exchange"
import { series } from "../../../src/binance/internal/recordedSeries.ts"
import { inOrder } from "../../../src/internal/recording/names.ts"
import type { Coverage } from "../../../src/internal/recording/verify.ts"
import * as Verify from "../../../src/internal/recording/verify.ts"

export interface Options {
  readonly rounds: number
  readonly seed: number
  /** Called after each round with what is wrong with the recording. */
  readonly onRound?: (round: number, wrong: ReadonlyArray<string>) => void
}

export interface Report {
  readonly rounds: number
  /** The files and lines of the recording at the end. */
  readonly files: number
  readonly lines: number
  /** The rounds in which the recorder had come as far as writing. */
  readonly written: number
  /** The rounds whose kill left a torn line. */
  readonly torn: number
  readonly series: ReadonlyMap<string, Coverage>
  /** All that is wrong, in sentences. */
  readonly wrong: ReadonlyArray<string>
}

const main = fileURLToPath(new URL("../../../src/main.ts", import.meta.url))

// Starting takes one to two seconds of it.
const longest = 5_000

const streams = ["btcusdt@trade", "ethusdt@aggTrade", "btcusdt@kline_1s", "btcusdt@depth@100ms"]

// What the venue keeps: of these, nothing is missing in the end.
const repairable = ["BTCUSDT trade", "ETHUSDT aggTrade", "BTCUSDT kline 1s 0"]

interface Run {
  readonly ended: Effect.Effect<number | null>
  readonly kill: Effect.Effect<boolean>
}

const start = (args: ReadonlyArray<string>): Effect.Effect<Run, never, Scope.Scope> =>
  Effect.gen(function*() {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, ["--import", "tsx", main, "record", ...streams, ...args], { stdio: "ignore" })),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const ended = Effect.async<number | null>((resume) => {
      if (child.exitCode !== null || child.signalCode !== null) resume(Effect.succeed(child.exitCode))
      else child.once("exit", (code) => {
        resume(Effect.succeed(code))
      })
    })
    return { ended, kill: Effect.sync(() => child.kill("SIGKILL")) }
  })

const sentences = ({ problems, series }: Verify.Report): ReadonlyArray<string> => [
  ...problems.map(({ at, file, message }) => `${file}, line ${at}: ${message}`),
  ...[...series].flatMap(([name, { outOfOrder, repeated, undeclared }]) =>
    outOfOrder + repeated + undeclared === 0
      ? []
      : [`${name}: ${repeated} repeated, ${outOfOrder} out of order, ${undeclared} undeclared gaps`])
]

const incomplete = ({ series }: Verify.Report): ReadonlyArray<string> =>
  repairable.flatMap((name) => {
    const { count = 0, from = 0, gaps = 0, to = 0 } = series.get(name) ?? {}
    if (gaps > 0) return [`${name}: ${gaps} gaps, though the venue has all events`]
    return name.includes("kline") || count === to - from + 1 ? [] : [`${name}: ${count} events from ${from} to ${to}`]
  })

/** Records a market of the embedded exchange; the seed gives the moments of the kills. */
export const run = ({ onRound = () => undefined, rounds, seed }: Options) =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const paths = yield* Path.Path
    const folder = yield* fs.makeTempDirectoryScoped()
    const out = paths.join(folder, "market.ndjson")
    const exchange = yield* Exchange.make({ seed, tradesPerSecond: 100, history: 1_000_000 })
    const args = ["--out", out, "--ws", exchange.wsUrl, "--rotate-every", "1s"]

    const verify = Effect.gen(function*() {
      const files = (yield* fs.readDirectory(folder)).filter((file) => /\.ndjson(\.gz)?$/.test(file)).map((file) => paths.join(folder, file))
      const [recording = []] = inOrder(files)
      return { files: recording.length, report: yield* Verify.verify(recording, series) }
    })
    const endOf = Effect.map(Effect.option(fs.readFile(out)), (bytes) => bytes._tag === "None" ? undefined : bytes.value.at(-1))

    const wrong: Array<string> = []
    const recordFor = (time: string) =>
      Effect.gen(function*() {
        const code = yield* Effect.scoped(Effect.flatMap(start([...args, "--for", time]), ({ ended }) => ended))
        if (code !== 0) wrong.push(`A run that was not killed ended with ${code}.`)
      })

    let written = 0
    let torn = 0
    // A stream without an event has no position to go on from.
    yield* recordFor("4s")
    for (let round = 1; round <= rounds; round++) {
      const before = (yield* verify).report.lines
      yield* Effect.scoped(Effect.gen(function*() {
        const recorder = yield* start([...args, ...((yield* Random.nextBoolean) ? ["--gzip"] : [])])
        yield* Effect.sleep(yield* Random.nextIntBetween(0, longest))
        yield* recorder.kill
        if ((yield* recorder.ended) !== null) wrong.push(`Round ${round}: the recorder ended by itself.`)
      }))
      const { report } = yield* verify
      if (report.lines > before) written++
      if (![undefined, 10].includes(yield* endOf)) torn++
      const found = sentences(report).map((sentence) => `Round ${round}: ${sentence}`)
      wrong.push(...found)
      onRound(round, found)
    }
    yield* recordFor("5s")
    const { files, report } = yield* verify
    wrong.push(...sentences(report), ...incomplete(report))
    const result: Report = { rounds, files, lines: report.lines, written, torn, series: report.series, wrong: [...new Set(wrong)] }
    return result
  }).pipe(Effect.scoped, Effect.withRandom(Random.make(seed)), Effect.provide(NodeContext.layer))
