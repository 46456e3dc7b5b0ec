// `holdfast watch`: shows market events as they arrive.
import type * as Command from "@effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { defaultConfig, watchConfig } from "./options.ts"
import { run } from "./program.ts"
import { usualStreams } from "./VenueChoice.ts"

type WatchArguments = Command.Command.ParseConfig<typeof watchConfig>

/** Watches these streams. The options without a command are the same. */
export const watch = (args: WatchArguments | Command.Command.ParseConfig<typeof defaultConfig>) =>
  run(args, (venue) => {
    const names = args.streams.length === 0 ? usualStreams(venue) : args.streams
    return Effect.succeed({
      title: `Watching ${names.join(", ")} at ${venue.name}.`,
      body: ({ drained, feed, market }) =>
        Stream.runForEach(feed.raw(names, {}, { unchecked: args.unchecked }), (event) =>
          Effect.suspend(() => {
            market(event)
            return drained
          }))
    })
  })
