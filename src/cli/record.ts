// `holdfast record`: writes market events to a file, and continues a recording that the file already has.
import type * as Command from "@effect/cli/Command"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { recordConfig } from "./options.ts"
import { run } from "./program.ts"
import * as Recording from "./Recording.ts"
import * as View from "./View.ts"

export const record = (
  { out, rotateEvery, rotateSize, streams, unchecked, ...args }: Command.Command.ParseConfig<typeof recordConfig>
) =>
  Effect.gen(function*() {
    const recording = yield* Recording.open(out, streams, { size: rotateSize * 1024 * 1024, every: rotateEvery })
    yield* run(args, (venue) => `Recording ${streams.join(", ")} at ${venue} to ${out}.`, ({ feed, market }) =>
      feed.raw(streams, (name) => ({ after: recording.last(name) }), { unchecked }).pipe(
        Stream.chunks,
        Stream.runForEach((events) =>
          Effect.map(recording.write(Chunk.join(Chunk.map(events, View.marketLine), "")), () => {
            for (const event of events) market(event)
          })
        )
      ))
  }).pipe(Effect.scoped)
