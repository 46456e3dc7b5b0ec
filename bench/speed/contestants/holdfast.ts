// Holdfast as users run it: the built package, with defaults.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import type { Transport } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { BinanceFeed, Venue } from "holdfast/binance"
import type { HttpClient } from "@effect/platform/HttpClient"

export const platform = Layer.mergeAll(
  NodeTransport.layer,
  FetchHttpClient.layer,
  // Logging would be measured, and nothing reads the output.
  Logger.remove(Logger.defaultLogger)
)

export const fork = <E>(effect: Effect.Effect<unknown, E, Transport.Transport | HttpClient | Scope.Scope>): void => {
  Effect.runFork(effect.pipe(
    Effect.scoped,
    Effect.provide(platform),
    Effect.catchAllCause((cause) =>
      Effect.sync(() => {
        process.stderr.write(`${cause.toString()}\n`)
        process.exit(1)
      })
    )
  ))
}

/** The load as a venue. Its limits are too high to matter, since a wait for them would be measured. */
export const venue = (port: number): Venue.Venue => ({
  ...Venue.make({ ws: `ws://127.0.0.1:${port}`, rest: `http://127.0.0.1:${port}` }),
  messagesPerSecond: 1_000,
  streamsPerConnection: 100_000
})

export const feed = (port: number, options: Partial<BinanceFeed.Options> = {}) =>
  BinanceFeed.make({ venue: venue(port), ...options })

export { Connection } from "holdfast"
export { OrderBook } from "holdfast/binance"
export * as Stream from "effect/Stream"
export * as Effect from "effect/Effect"
