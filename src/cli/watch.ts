// `holdfast watch`: shows market events as they come.
import * as Args from "@effect/cli/Args"
import type * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { common, json } from "./options.ts"
import type { Arguments } from "./program.ts"
import { run } from "./program.ts"

const defaultStreams = ["btcusdt@kline_1m", "btcusdt@ticker", "btcusdt@trade"]

const show = (args: Arguments, streams: ReadonlyArray<string>) => {
  const names = streams.length === 0 ? defaultStreams : streams
  return run(args, (venue) => `Watching ${names.join(", ")} at ${venue}.`, ({ feed, market }) =>
    Stream.runForEach(feed.raw(names), (event) =>
      Effect.sync(() => {
        market(event)
      })))
}

/** What the program can be told when it is given no command. */
export const options = {
  streams: Options.text("stream").pipe(
    Options.withAlias("s"),
    Options.withDescription("A stream to watch, such as btcusdt@trade; may be given more than once."),
    Options.repeated
  ),
  json,
  ...common
}

export const watch = ({ streams, ...args }: Command.Command.ParseConfig<typeof options>) => show(args, streams)

export const watchConfig = {
  streams: Args.text({ name: "stream" }).pipe(
    Args.withDescription("A stream to watch, such as btcusdt@trade."),
    Args.repeated
  ),
  json,
  ...common
}

export const watchCommand = ({ streams, ...args }: Command.Command.ParseConfig<typeof watchConfig>) => show(args, streams)
