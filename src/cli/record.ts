// `holdfast record`: writes market events to a file, and goes on where it had stopped.
import * as Args from "@effect/cli/Args"
import type * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { common, duration, json } from "./options.ts"
import { run } from "./program.ts"
import * as Recording from "./Recording.ts"
import * as View from "./View.ts"

export const recordConfig = {
  streams: Args.text({ name: "stream" }).pipe(
    Args.withDescription("A stream to record, such as btcusdt@trade."),
    Args.atLeast(1)
  ),
  out: Options.file("out").pipe(
    Options.withAlias("o"),
    Options.withDescription("The file to write to, one JSON object a line. What is there is gone on from.")
  ),
  rotateSize: Options.integer("rotate-size").pipe(
    Options.withDescription("Begin a new file beyond so many MiB. Default: 256."),
    Options.withDefault(256)
  ),
  rotateEvery: duration("rotate-every").pipe(
    Options.withDescription("Begin a new file after so long. Default: 1h."),
    Options.withDefault(Duration.hours(1))
  ),
  json,
  ...common
}

export const record = (
  { out, rotateEvery, rotateSize, streams, ...args }: Command.Command.ParseConfig<typeof recordConfig>
) =>
  run(args, (venue) => `Recording ${streams.join(", ")} at ${venue} to ${out}.`, ({ feed, market }) =>
    Effect.gen(function*() {
      const recording = yield* Recording.open(out, streams, { size: rotateSize * 1024 * 1024, every: rotateEvery })
      yield* feed.raw(streams, (name) => ({ after: recording.last(name) })).pipe(
        Stream.chunks,
        Stream.runForEach((events) =>
          Effect.map(recording.write(Chunk.join(Chunk.map(events, View.marketLine), "")), () => {
            // What is in the file need not be shown; it is counted.
            for (const event of events) market(event)
          })
        )
      )
    }).pipe(Effect.scoped))
