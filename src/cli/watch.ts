// `holdfast watch`: shows market events as they arrive.
import type * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { defaultConfig, watchConfig } from "./options.ts"
import type { Arguments } from "./program.ts"
import { run } from "./program.ts"

const defaultStreams = ["btcusdt@kline_1m", "btcusdt@ticker", "btcusdt@trade"]

const show = (args: Arguments, streams: ReadonlyArray<string>, unchecked: boolean) => {
  const names = streams.length === 0 ? defaultStreams : streams
  return run(args, (venue) =>
    Effect.succeed({
      title: `Watching ${names.join(", ")} at ${venue.name}.`,
      body: ({ drained, feed, market }) =>
        Stream.runForEach(feed.raw(names, {}, { unchecked }), (event) =>
          Effect.suspend(() => {
            market(event)
            return drained
          }))
    }))
}

export const watch = ({ streams, unchecked, ...args }: Command.Command.ParseConfig<typeof defaultConfig>) =>
  show(args, streams, unchecked)

export const watchCommand = ({ streams, unchecked, ...args }: Command.Command.ParseConfig<typeof watchConfig>) =>
  show(args, streams, unchecked)
