// `holdfast record`: writes market events to a file, and continues a recording that the file already has.
import type * as Command from "@effect/cli/Command"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { series } from "../binance/internal/recordedSeries.ts"
import type { Gap } from "../binance/MarketEvent.ts"
import { MarketGap, NotRepairable } from "../binance/MarketEvent.ts"
import * as StreamKind from "../binance/StreamKind.ts"
import type * as Venue from "../binance/Venue.ts"
import { gapOf } from "../internal/feed/pipeline.ts"
import * as Recorder from "../internal/recording/recorder.ts"
import { start } from "../internal/recording/chain.ts"
import { positionOf } from "../internal/recording/series.ts"
import { Writer } from "../internal/recording/writer.ts"
import type { recordConfig } from "./options.ts"
import * as Output from "./output.ts"
import { run } from "./program.ts"
import { marketJson } from "./View.ts"

// The name of a venue that --ws gives says nothing.
const nameOf = ({ name, ws }: Venue.Venue) => name === "custom" ? [ws].flat()[0] ?? name : name

const unknown = new NotRepairable({ reason: "The recorder did not run, and nothing shows what happened meanwhile." })

// A gap for each stream that may lack events since the last run.
const gapsAt = (now: number, streams: ReadonlyArray<string>, isUncertain: (stream: string) => boolean): ReadonlyArray<Gap> =>
  streams.flatMap((name) => {
    const { kind: { continuity }, symbol } = StreamKind.parse(name)
    return continuity === "state" || !isUncertain(name) ? [] : [gapOf({ now: () => now, source: "binance" }, { name, symbol }, unknown)]
  })

type Arguments = Command.Command.ParseConfig<typeof recordConfig>

const toFile = ({ gzip, out, rotateEvery, rotateSize, streams, unchecked, ...args }: Arguments) =>
  run({ ...args, streams, unchecked }, (venue) =>
    Effect.gen(function*() {
      const recorder = yield* Recorder.open({
        path: out,
        venue: nameOf(venue),
        streams,
        limits: { size: rotateSize * 1024 * 1024, every: rotateEvery },
        gzip,
        series,
        jsonOf: marketJson
      })
      Output.goOnWithoutReader()
      const gaps = gapsAt(yield* Clock.currentTimeMillis, streams, recorder.isUncertain)
      if (gaps.length > 0) yield* recorder.write(gaps)
      yield* Effect.forEach(gaps, (gap) => Effect.logWarning(new MarketGap({ gap }).message), { discard: true })
      return {
        title: `Recording ${streams.join(", ")} at ${venue.name} to ${out}.`,
        status: "offered" as const,
        body: ({ feed, market }) =>
          feed.raw(streams, (name) => ({ after: recorder.last(name) }), { unchecked }).pipe(
            Stream.chunks,
            Stream.runForEach((events) =>
              Effect.map(recorder.write(Chunk.toReadonlyArray(events)), () => {
                for (const event of events) market(event)
              })
            )
          )
      }
    }))

// A recording on standard output begins anew each time.
const toOutput = ({ streams, unchecked, ...args }: Arguments) =>
  run({ ...args, streams, unchecked }, (venue) =>
    Effect.gen(function*() {
      const writer = new Writer(nameOf(venue), streams, start, new Map())
      const { drained, flushed, write } = Output.make(process.stdout, () => "")
      write(writer.begin(yield* Clock.currentTimeMillis))
      yield* Effect.addFinalizer(() =>
        Effect.flatMap(Clock.currentTimeMillis, (now) => {
          write(writer.end(now))
          return flushed
        }))
      return {
        title: `Recording ${streams.join(", ")} at ${venue.name} to standard output.`,
        status: "aside" as const,
        body: ({ feed, market }) =>
          feed.raw(streams, {}, { unchecked }).pipe(
            Stream.chunks,
            Stream.runForEach((events) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) => {
                const entries = Chunk.toReadonlyArray(events).map((event) => ({ json: marketJson(event), position: positionOf(series, event) }))
                write(writer.events(entries, now))
                for (const event of events) market(event)
                return drained
              })
            )
          )
      }
    }))

/** The file name that stands for standard output. */
const standardOutput = "-"

export const record = (args: Arguments) => args.out === standardOutput ? toOutput(args) : toFile(args)
