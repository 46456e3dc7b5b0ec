// Holdfast's feed of trades, with its defaults.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import * as NodeTransport from "holdfast/NodeTransport"
import { BinanceFeed, Venue } from "holdfast/binance"
import type { Contestant } from "./contestant.ts"
import { versionIn } from "./contestant.ts"

export const contestant: Contestant = {
  name: "Holdfast",
  version: versionIn("../../package.json"),
  configuration: "`BinanceFeed.layer({ venue })` with `Venue.make({ ws, rest })`, `feed.trades(\"BTCUSDT\")`; defaults otherwise (one connection, ten retries)",
  limit: "reconnect.maxRetries",
  start: ({ maxRetries, rest, symbol, ws }, reader) => {
    const runtime = ManagedRuntime.make(
      BinanceFeed.layer({
        venue: Venue.make({ ws, rest }),
        ...(maxRetries === undefined ? {} : { connection: { reconnect: { maxRetries } } })
      }).pipe(
        Layer.provide([NodeTransport.layer, FetchHttpClient.layer]),
        Layer.merge(Logger.remove(Logger.defaultLogger))
      )
    )
    let last: number | undefined
    const run = () => {
      Effect.flatMap(BinanceFeed.BinanceFeed, (feed) =>
        Stream.runForEach(feed.trades(symbol, { after: last }), (event) =>
          Effect.sync(() => {
            if (event.type === "gap") reader.missing(event.data.from, event.data.to)
            else {
              last = event.data.t
              reader.trade(event.data.t)
            }
          }))).pipe(
        Effect.match({
          onFailure: (error) => {
            reader.notice(`the stream failed: ${error._tag}: ${error.message}`)
          },
          onSuccess: () => {
            reader.notice("the stream ended")
          }
        }),
        runtime.runFork
      )
    }
    runtime.runFork(Effect.flatMap(BinanceFeed.BinanceFeed, ({ events }) =>
      Stream.runForEach(events, (event) =>
        Effect.sync(() => {
          if (event._tag !== "Connection") return
          if (event.event._tag === "Lost" || event.event._tag === "AttemptFailed") {
            reader.notice(`"${event.event._tag}" event: ${event.event.cause.message}`)
          }
        }))))
    run()
    return { revive: run }
  }
}
