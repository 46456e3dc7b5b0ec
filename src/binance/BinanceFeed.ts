/**
 * Binance's market data, whole: every event once and in order across every outage, and a gap in its place where that
 * cannot be had.
 *
 * Trades, aggregate trades and klines are followed by their ids and times. A jump opens a gap; what is missing is
 * fetched by REST and comes before what follows; events that came twice are dropped. {@link StreamKind} has the table
 * of what can be repaired. Order books take a new snapshot when they missed an update, and say so.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Events } from "../market/MarketFeed.ts"
import * as MarketFeed from "../market/MarketFeed.ts"
import type { Kind } from "../market/Venue.ts"
import type { Transport } from "../Transport.ts"
import * as Streams from "./internal/streams.ts"
import type * as MarketEvent from "./MarketEvent.ts"
import * as Rest from "./Rest.ts"
import type { Venue } from "./Venue.ts"

export type { Events, FeedEvent } from "../market/MarketFeed.ts"

/**
 * One symbol (or the name of a stream), or several.
 *
 * @since 0.1.0
 * @category models
 */
export type Several = string | ReadonlyArray<string>

/**
 * Where a stream goes on from: the id of the last trade that is known from before, or the last moment (`k.T`) of the
 * last closed candle. What has happened since is fetched and comes first. Default: with what comes.
 *
 * @since 0.1.0
 * @category models
 */
export interface From {
  readonly after?: number | undefined
}

/**
 * The same for each of several.
 *
 * @since 0.1.0
 * @category models
 */
export type FromEach = From | ((name: string) => From)

/**
 * The feed. Symbols may be written in either case. The snapshots of a book have at most 5000 levels a side, and 1000 of
 * futures.
 *
 * Of several symbols, one stream has the events of all: each symbol's in their order, and none twice. It costs much less
 * than a stream for each, since its reader is woken once for all that came at once. It fails with the first that fails.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import { BinanceFeed } from "holdfast/binance"
 *
 * const program = Effect.gen(function*() {
 *   const feed = yield* BinanceFeed.BinanceFeed
 *   yield* feed.trades(["BTCUSDT", "ETHUSDT"]).forEach(({ data, symbol }) => Console.log(symbol, data))
 * })
 * ```
 */
export interface BinanceFeed extends Pick<MarketFeed.MarketFeed, "events" | "orderBook" | "rotate" | "subscriptions"> {
  /** Every trade once, in the order of its id. */
  readonly trades: (symbols: Several, from?: FromEach) => Events<MarketEvent.Trade>
  /** Every aggregate trade once, in the order of its id. */
  readonly aggTrades: (symbols: Several, from?: FromEach) => Events<MarketEvent.AggTrade>
  /** Candles as they form, each closing exactly once. `f` and `L` are -1 in those that had to be fetched. */
  readonly klines: (symbols: Several, interval: string, from?: FromEach) => Events<MarketEvent.Kline>
  /** The statistics of 24 hours, whenever they are newer than the last. */
  readonly ticker: (symbols: Several) => Events<MarketEvent.Ticker>
  readonly miniTicker: (symbols: Several) => Events<MarketEvent.MiniTicker>
  /** Of all symbols that changed. */
  readonly allMiniTickers: Events<MarketEvent.MiniTicker>
  /** The best bid and ask. */
  readonly bookTicker: (symbols: Several) => Events<MarketEvent.BookTicker>
  /** Updates of the book. What is missing from them cannot be fetched: see `orderBook`. */
  readonly depth: (symbols: Several, speed?: "100ms" | "1000ms") => Events<MarketEvent.Depth>
  /** The top of the book. */
  readonly partialDepth: (
    symbols: Several,
    levels: 5 | 10 | 20,
    speed?: "100ms" | "1000ms"
  ) => Events<MarketEvent.PartialDepth>
  /** Any streams by their names, followed as their kinds allow. `from` is for the kinds that can be fetched. */
  readonly raw: (names: Several, from?: FromEach) => Events<MarketEvent.MarketEvent>
}

/**
 * What a feed can be told. Only `venue` is needed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends MarketFeed.Options {
  readonly venue: Venue
  readonly rest?: Rest.Options | undefined
}

/**
 * The service.
 *
 * @since 0.1.0
 * @category tags
 */
export const BinanceFeed: Context.Tag<BinanceFeed, BinanceFeed> = Context.GenericTag<BinanceFeed>(
  "holdfast/binance/BinanceFeed"
)

/**
 * Makes a feed that lives as long as the scope. Connections are dialled when streams are run.
 *
 * Venues count dials and REST weight by address, so one feed should serve all that a process wants of a venue. Where
 * there must be several, a `DialGate` provided to all of them, such as `DialGate.layer(venue.dials)`, keeps their dials
 * within one limit. A feed without one makes one of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: Options
): Effect.Effect<BinanceFeed, ConfigError.ConfigError, Transport | HttpClient.HttpClient | Scope.Scope> =>
  Effect.gen(function*() {
    const rest = yield* Rest.make(options.venue, options.rest)
    const kinds = Streams.kinds(rest)
    const feed = yield* MarketFeed.make(Streams.venue(options.venue, rest, kinds), options)

    const of = <A extends MarketEvent.MarketEvent>(kind: Kind<A>, suffix: string) =>
    (symbols: Several, from?: FromEach): Events<A> =>
      feed.streamOf(kind, requests(symbols, from, (symbol) => `${symbol}@${suffix}`))

    return {
      trades: of(kinds.trade, "trade"),
      aggTrades: of(kinds.aggTrade, "aggTrade"),
      klines: (symbols, interval, from) => of(kinds.kline, `kline_${interval}`)(symbols, from),
      ticker: of(kinds.ticker, "ticker"),
      miniTicker: of(kinds.miniTicker, "miniTicker"),
      allMiniTickers: feed.streamOf(kinds.miniTicker, "!miniTicker@arr"),
      bookTicker: of(kinds.bookTicker, "bookTicker"),
      depth: (symbols, speed = "100ms") => of(kinds.depth, `depth@${speed}`)(symbols),
      partialDepth: (symbols, levels, speed = "100ms") => of(kinds.partialDepth, `depth${levels}@${speed}`)(symbols),
      raw: (names, from) => feed.stream(requests(names, from, identity)),
      orderBook: feed.orderBook,
      rotate: feed.rotate,
      events: feed.events,
      subscriptions: feed.subscriptions
    }
  })

// Streams by what users call them, and where each goes on from.
const requests = (names: Several, from: FromEach = {}, streamOf: (name: string) => string): ReadonlyArray<MarketFeed.StreamRequest> =>
  (typeof names === "string" ? [names] : names).map((name) => ({
    name: streamOf(name),
    after: (typeof from === "function" ? from(name) : from).after
  }))

/**
 * A layer with a feed that lives as long as the layer does.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as NodeTransport from "holdfast/NodeTransport"
 * import { BinanceFeed, Venue } from "holdfast/binance"
 *
 * const FeedLive = BinanceFeed.layer({ venue: Venue.spot }).pipe(
 *   Layer.provide([NodeTransport.layer, FetchHttpClient.layer])
 * )
 *
 * const program = Effect.gen(function*() {
 *   const feed = yield* BinanceFeed.BinanceFeed
 *   yield* feed.trades("BTCUSDT").forEach((event) =>
 *     event.type === "gap"
 *       ? Console.log(`missing ${event.data.from} to ${event.data.to}`)
 *       : Console.log(event.data.t, event.data.p, event.via))
 * }).pipe(Effect.provide(FeedLive))
 * ```
 */
export const layer = (
  options: Options
): Layer.Layer<BinanceFeed, ConfigError.ConfigError, Transport | HttpClient.HttpClient> =>
  Layer.scoped(BinanceFeed, make(options))

/**
 * The same with options that are read through `Config`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<BinanceFeed, ConfigError.ConfigError, Transport | HttpClient.HttpClient> =>
  Layer.scoped(BinanceFeed, Effect.flatMap(Config.unwrap(config), make))
