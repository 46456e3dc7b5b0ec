/**
 * The venues of Binance: the addresses of their sockets and REST interfaces, and their limits.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Array from "effect/Array"
import type * as DialGate from "../DialGate.ts"
import * as Failure from "./Failure.ts"
import type { StreamKind } from "./StreamKind.ts"

/**
 * The time between two updates of a book. Spot has 1000 ms and 100 ms; futures have 250 ms, 500 ms and 100 ms (Binance docs).
 *
 * @since 0.1.0
 * @category models
 */
export type DepthSpeed = DepthSpeeds[number]

/**
 * The speeds of a venue's books, the usual one first.
 *
 * @since 0.1.0
 * @category models
 */
export type DepthSpeeds = typeof spotSpeeds | typeof futuresSpeeds

/**
 * A venue of Binance.
 *
 * @since 0.1.0
 * @category models
 */
export interface Venue {
  /** The name of the venue, such as `live`. */
  readonly name: string
  /** The URL of the sockets, without a path, or several: while one fails, the next is dialled. */
  readonly ws: string | NonEmptyReadonlyArray<string>
  /** The URL of the REST interface, without a path. */
  readonly rest: string
  /** The first part of REST paths. */
  readonly api: "/api/v3" | "/fapi/v1" | "/dapi/v1"
  /** The path of the connections that serve a kind of stream. */
  readonly path: (kind: StreamKind) => string
  /** The unit of times, on sockets and of fetched events. Only spot supports microseconds. Default: milliseconds. */
  readonly timeUnit?: "millisecond" | "microsecond" | undefined
  /** The most streams on one connection. */
  readonly streamsPerConnection: number
  /** The most messages that one connection may send in a second. */
  readonly messagesPerSecond: number
  /** The most weight of REST requests in a minute. */
  readonly weightPerMinute: number
  /** The URL of the REST interface that counts the weight of this one with its own. Default: none, only its own counts. */
  readonly weighedWith?: string | undefined
  /**
   * How often updates of a book may come: the usual speed first. The stream has the others if its name ends with them, such as
   * `@100ms`.
   */
  readonly depthSpeeds: DepthSpeeds
  /** Options of a `DialGate`: how often a host may be dialled, and the classes of its refusals. */
  readonly dials: DialGate.Options
}

// (Binance docs, "Diff. Depth Stream" and "Diff. Book Depth Streams".)
const spotSpeeds = ["1000ms", "100ms"] as const
const futuresSpeeds = ["250ms", "500ms", "100ms"] as const

// By address (Binance docs).
const dials: DialGate.Options = { limit: 300, window: "5 minutes", classify: Failure.classify }

const withoutSlash = (url: string) => url.replace(/\/+$/, "")

/**
 * Makes a spot venue from its URLs, such as those of the embedded exchange. Default of `name`: `custom`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { DialGate } from "holdfast"
 * import { Venue } from "holdfast/binance"
 *
 * const venue = Venue.make({ ws: "ws://127.0.0.1:9443", rest: "http://127.0.0.1:9443" })
 * const finer: Venue.Venue = { ...Venue.spot, timeUnit: "microsecond" }
 * const byTwoPorts: Venue.Venue = { ...Venue.spot, ws: ["wss://stream.binance.com:9443", "wss://stream.binance.com:443"] }
 *
 * // For several connections or feeds in one process.
 * const gate = DialGate.layer(Venue.spot.dials)
 * ```
 */
export const make = (urls: {
  readonly ws: Venue["ws"]
  readonly rest: string
  readonly name?: string | undefined
}): Venue => ({
  name: urls.name ?? "custom",
  ws: typeof urls.ws === "string" ? withoutSlash(urls.ws) : Array.map(urls.ws, withoutSlash),
  rest: withoutSlash(urls.rest),
  api: "/api/v3",
  path: () => "/stream",
  streamsPerConnection: 1_024,
  messagesPerSecond: 5,
  weightPerMinute: 6_000,
  depthSpeeds: spotSpeeds,
  dials
})

/**
 * The spot market (Binance docs). Binance serves the same sockets at port 443; a dial gate counts each port by itself.
 *
 * @since 0.1.0
 * @category venues
 */
export const spot: Venue = make({ name: "live", ws: "wss://stream.binance.com:9443", rest: "https://api.binance.com" })

/**
 * The spot market, by hosts that serve only market data (Binance docs). Their REST interface has no `historicalTrades`, so this
 * venue uses the REST interface of {@link spot}.
 *
 * @since 0.1.0
 * @category venues
 */
export const dataOnly: Venue = make({
  name: "data-only",
  ws: "wss://data-stream.binance.vision",
  rest: "https://api.binance.com"
})

/**
 * The spot testnet (Binance docs).
 *
 * @since 0.1.0
 * @category venues
 */
export const testnet: Venue = make({
  name: "paper",
  ws: "wss://stream.testnet.binance.vision",
  rest: "https://testnet.binance.vision"
})

/**
 * The demo mode of the spot market, with realistic prices (Binance docs).
 *
 * @since 0.1.0
 * @category venues
 */
export const demo: Venue = make({
  name: "demo-mode",
  ws: "wss://demo-stream.binance.com",
  rest: "https://demo-api.binance.com"
})

/**
 * Binance.US, which has the streams of the spot market and less weight (Binance.US docs). Its REST interface wants an API key for
 * older trades.
 *
 * @since 0.1.0
 * @category venues
 */
export const us: Venue = {
  ...make({ name: "us", ws: "wss://stream.binance.us:9443", rest: "https://api.binance.us" }),
  weightPerMinute: 1_200
}

/**
 * USD-M futures. Binance serves streams under `/public` or `/market`, by their kind (Binance docs; it switched off the other
 * routes on 2026-04-23). Sources disagree on the limit of streams; all of them allow 200.
 *
 * @since 0.1.0
 * @category venues
 */
export const futures: Venue = {
  name: "futures",
  ws: "wss://fstream.binance.com",
  rest: "https://fapi.binance.com",
  api: "/fapi/v1",
  path: ({ route }) => `/${route}/stream`,
  streamsPerConnection: 200,
  messagesPerSecond: 10,
  weightPerMinute: 2_400,
  depthSpeeds: futuresSpeeds,
  dials
}

/**
 * The testnet of USD-M futures (Binance docs).
 *
 * @since 0.1.0
 * @category venues
 */
export const futuresTestnet: Venue = {
  ...futures,
  name: "futures-testnet",
  ws: "wss://fstream.binancefuture.com",
  rest: "https://demo-fapi.binance.com"
}

/**
 * COIN-M futures, such as `BTCUSD_PERP`. Streams of a pair, such as `btcusd@markPrice`, have the events of all its contracts. Its
 * REST interface and that of USD-M futures share one limit of weight by address (Binance docs, "COIN-M / USDⓈ-M Architecture
 * Integration", A.3; since 2026-06-30), and so do all feeds of both in one process.
 *
 * @since 0.1.0
 * @category venues
 */
export const coinFutures: Venue = {
  ...futures,
  name: "coin-futures",
  ws: "wss://dstream.binance.com",
  rest: "https://dapi.binance.com",
  weighedWith: futures.rest,
  api: "/dapi/v1"
}
