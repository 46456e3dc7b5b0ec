// A recorder of Binance's events in a temporary folder.
import { NodeContext } from "@effect/platform-node"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { series } from "../../src/binance/internal/recordedSeries.ts"
import { marketJson } from "../../src/cli/View.ts"
import type { RecordingFailed, RecordingInUse } from "../../src/internal/recording/errors.ts"
import type { Options, Recorder } from "../../src/internal/recording/recorder.ts"
import * as Recording from "../../src/internal/recording/recorder.ts"
import type { Report } from "../../src/internal/recording/verify.ts"
import * as Verify from "../../src/internal/recording/verify.ts"
import type { MarketEvent } from "holdfast/market"

type Event = MarketEvent.MarketEvent

export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-"))),
  (path) => Effect.sync(() => {
    rmSync(path, { recursive: true })
  })
)

export const event = (type: string, data: object, symbol = "BTCUSDT"): Event => ({
  source: "binance",
  symbol,
  type,
  data,
  timestamp: 1_700_000_000_000,
  via: "ws"
})

export const trade = (t: number, symbol?: string): Event => event("trade", { t, p: "16500.10", q: "0.001" }, symbol)

export const trades = (from: number, to: number): ReadonlyArray<Event> =>
  Array.from({ length: to - from + 1 }, (_, i) => trade(from + i))

/** Lines as version 0.1.0 wrote them. */
export const unnumbered = (events: ReadonlyArray<Event>): string => events.map((each) => `${JSON.stringify(each)}\n`).join("")

export const open = (
  path: string,
  { streams = ["btcusdt@trade"], ...options }: Partial<Options> = {}
): Effect.Effect<Recorder, RecordingFailed | RecordingInUse, FileSystem.FileSystem | Path.Path | Scope.Scope> =>
  Recording.open({
    path,
    venue: "demo",
    streams,
    limits: { size: 1_000_000_000, every: Duration.hours(1) },
    gzip: false,
    series,
    jsonOf: marketJson,
    ...options
  })

/** Opens a recording, writes each batch, and closes it. */
export const record = (path: string, batches: ReadonlyArray<ReadonlyArray<Event>>, options?: Partial<Options>) =>
  Effect.scoped(Effect.flatMap(open(path, options), ({ write }) => Effect.forEach(batches, write, { discard: true })))

/** The files of a recording, oldest first. */
export const filesOf = (path: string): ReadonlyArray<string> => {
  const dir = join(path, "..")
  const rotated = readdirSync(dir).map((file) => join(dir, file)).filter((file) => file !== path && /\.ndjson(\.gz)?$/.test(file)).sort()
  return [...rotated, path]
}

export const verify = (path: string): Effect.Effect<Report, unknown, FileSystem.FileSystem> => Verify.verify(filesOf(path), series)

export const linesOf = (file: string): ReadonlyArray<string> => readFileSync(file, "utf8").trimEnd().split("\n")

export const provideFiles = Effect.provide(NodeContext.layer)
