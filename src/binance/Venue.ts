/**
 * Where a market is: the addresses of its sockets and of its REST interface, and their limits.
 *
 * @since 0.1.0
 */
import type * as DialGate from "../DialGate.ts"
import * as Failure from "./Failure.ts"
import type { StreamKind } from "./StreamKind.ts"

/**
 * A venue.
 *
 * @since 0.1.0
 * @category models
 */
export interface Venue {
  readonly name: string
  /** Where sockets are dialled, without a path. */
  readonly ws: string
  /** Where snapshots and missed events are asked for, without a path. */
  readonly rest: string
  /** The first part of REST paths. */
  readonly api: "/api/v3" | "/fapi/v1"
  /** The path of the connections that serve a kind of stream. */
  readonly path: (kind: StreamKind) => string
  /** In what the venue tells times, on its sockets and of what is fetched; spot alone knows both. Default: milliseconds. */
  readonly timeUnit?: "millisecond" | "microsecond" | undefined
  /** Streams of one connection, at most. */
  readonly streamsPerConnection: number
  /** Messages to the venue a second, from one connection. */
  readonly messagesPerSecond: number
  /** Weight of REST requests a minute. */
  readonly weightPerMinute: number
  /** How often its hosts may be dialled, and what their refusals mean: for a `DialGate`. A feed makes one for itself. */
  readonly dials: DialGate.Options
}

// Binance docs: by address.
const dials: DialGate.Options = { limit: 300, window: "5 minutes", classify: Failure.classify }

/**
 * A spot venue by its URL pair, such as the embedded exchange's.
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
 *
 * // For several connections or feeds in one process.
 * const gate = DialGate.layer(Venue.spot.dials)
 * ```
 */
export const make = (urls: { readonly ws: string; readonly rest: string; readonly name?: string | undefined }): Venue => ({
  name: urls.name ?? "custom",
  ws: urls.ws.replace(/\/+$/, ""),
  rest: urls.rest.replace(/\/+$/, ""),
  api: "/api/v3",
  path: () => "/stream",
  streamsPerConnection: 1_024,
  messagesPerSecond: 5,
  weightPerMinute: 6_000,
  dials
})

/**
 * The spot market (Binance docs).
 *
 * @since 0.1.0
 * @category venues
 */
export const spot: Venue = make({ name: "live", ws: "wss://stream.binance.com:9443", rest: "https://api.binance.com" })

/**
 * The spot market's data alone, from hosts that serve nothing else (Binance docs). Its REST interface has no
 * `historicalTrades`, so trades are fetched from the market itself.
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
 * USD-M futures, whose streams are served under `/public` and `/market` by kind (Binance docs; the routes without
 * these were switched off on 2026-04-23). Sources disagree on the number of streams; 200 is what all allow.
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
  dials
}
