/**
 * The feed of Binance, whose protocol also knows a message that Binance does not have: that the venue ends the subscription of a
 * topic, as many venues do.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import type * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Transport } from "holdfast"
import type { BinanceFeed, MarketEvent } from "holdfast/binance"
import { Rest } from "holdfast/binance"
import type { Venue } from "holdfast/market"
import { MarketFeed } from "holdfast/market"
import type { Kinds } from "../../../src/binance/internal/streams.ts"
import * as Streams from "../../../src/binance/internal/streams.ts"

export interface DroppingFeed extends MarketFeed.MarketFeed {
  readonly kinds: Kinds
}

export type Events = BinanceFeed.Events<MarketEvent.MarketEvent>

/** The message that ends a subscription. */
export const dropped = (topic: string): string => `dropped ${topic}`

const protocolOf = ({ parse, ...protocol }: Venue.Venue["protocol"]): Venue.Venue["protocol"] => ({
  ...protocol,
  parse: (message) => {
    const [word, topic] = typeof message === "string" ? message.split(" ", 2) : []
    return word === "dropped" && topic !== undefined ? { _tag: "Dropped", topic, reason: "dropped on purpose" } : parse(message)
  }
})

export const make = (
  options: BinanceFeed.Options
): Effect.Effect<DroppingFeed, ConfigError.ConfigError, Transport.Transport | HttpClient.HttpClient | Scope> =>
  Effect.gen(function*() {
    const rest = yield* Rest.make(options.venue, options.rest)
    const kinds = Streams.kinds(rest)
    const venue = Streams.venue(options.venue, rest, kinds)
    const feed = yield* MarketFeed.make({ ...venue, protocol: protocolOf(venue.protocol) }, options)
    return { ...feed, kinds }
  })
