/**
 * Binance's market data, whole. Across all outages, events arrive once and in order, as the continuity of their stream allows. A
 * gap stands in the place of events that cannot be fetched.
 *
 * The feed follows trades and aggregate trades by their ids, and klines by their times. It fetches missing events by REST,
 * emits them before the events that follow, and drops duplicates. {@link StreamKind} has the table of the streams that can be
 * repaired. An order book that misses an update becomes stale and takes a new snapshot.
 *
 * @since 0.1.0
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Events } from "../market/MarketFeed.ts"
import * as MarketFeed from "../market/MarketFeed.ts"
import type { Kind } from "../market/Venue.ts"
import type { Transport } from "../Transport.ts"
import * as OpenInterest from "./internal/openInterest.ts"
import * as Streams from "./internal/streams.ts"
import type * as MarketEvent from "./MarketEvent.ts"
import * as Rest from "./Rest.ts"
import type * as StreamKind from "./StreamKind.ts"
import type * as OrderBook from "./OrderBook.ts"
import type { DepthSpeed, Venue } from "./Venue.ts"

export { StreamUnknown } from "../market/FeedError.ts"
export type { FeedError } from "../market/FeedError.ts"
export type { Events, FeedEvent } from "../market/MarketFeed.ts"

/**
 * One symbol (or the name of a stream), or several.
 *
 * @since 0.1.0
 * @category models
 */
export type Several = string | ReadonlyArray<string>

/**
 * Where to resume a stream. `after` is the id of the last trade that the reader already has, the last moment (`k.T`) of the
 * last closed candle, or the last update id (`u`) of a book. The feed fetches the events since then and emits them first; where
 * updates of a book are missing, a gap comes first. Default: the stream begins with the first event that arrives.
 *
 * @since 0.1.0
 * @category models
 */
export interface After {
  readonly after?: number | undefined
  readonly since?: undefined
  readonly last?: undefined
}

/**
 * Where a stream begins: after an event, or with its history. `since` is a moment: a `DateTime`, a `Date`, or Unix time in milliseconds.
 * `last` is a number of trades, or of closed candles. The feed fetches the history and emits it first, and then what arrives: none
 * is missing between them, and none comes twice. `repairLimit`, `repairWeight` and `repairTime` bound the history; what is not fetched
 * is a gap. A stream whose value is out of range fails with a `ConfigError`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import * as Console from "effect/Console"
 * import * as DateTime from "effect/DateTime"
 * import * as Effect from "effect/Effect"
 * import { BinanceFeed } from "holdfast/binance"
 *
 * const program = Effect.gen(function*() {
 *   const feed = yield* BinanceFeed.BinanceFeed
 *   const today = DateTime.startOf(yield* DateTime.now, "day")
 *   yield* Effect.fork(feed.trades("BTCUSDT", { since: today }).forEach(({ via }) => Console.log(via)))
 *   yield* feed.klines("BTCUSDT", "1m", { last: 500 }).forEach(({ via }) => Console.log(via))
 * })
 * ```
 */
export type From =
  | After
  | { readonly since: DateTime.DateTime.Input; readonly after?: undefined; readonly last?: undefined }
  | { readonly last: number; readonly after?: undefined; readonly since?: undefined }

/**
 * Where several streams begin: at the same place, or at one for each symbol (or stream name).
 *
 * @since 0.1.0
 * @category models
 */
export type FromEach = From | ((name: string) => From)

/**
 * Where to resume several streams without a history: the same position for all, or one for each symbol.
 *
 * @since 0.1.0
 * @category models
 */
export type AfterEach = After | ((name: string) => After)

/**
 * Options of streams that are read by their names.
 *
 * @since 0.1.0
 * @category models
 */
export interface RawOptions {
  /**
   * Whether to ask for names that {@link StreamKind.documented} does not have, such as a stream that is newer than this version.
   * Binance acknowledges names that it does not have, and then stays silent. Default: false.
   */
  readonly unchecked?: boolean | undefined
}

/**
 * Options of an order book.
 *
 * @since 0.1.0
 * @category models
 */
export interface BookOptions extends MarketFeed.BookOptions {
  /** The time between two updates: one of the venue's `depthSpeeds`. Default: 100 ms. */
  readonly speed?: DepthSpeed | undefined
}

/**
 * Options of what is fetched by REST again and again.
 *
 * @since 0.1.0
 * @category models
 */
export interface PollOptions {
  /** The time between two requests. Longer than zero, not infinite. Default: 10 seconds. */
  readonly every?: Duration.DurationInput | undefined
}

/**
 * Reads the streams of one symbol, or of several as one. If one of several fails, the joint stream has `Ended` in its place and
 * goes on with the others; it fails with the last. `MarketEvent.failOnEnded` fails it with the first.
 *
 * @since 0.1.0
 * @category models
 */
export interface Read<A extends MarketEvent.MarketEvent, Parameters extends ReadonlyArray<unknown> = []> {
  (symbol: string, ...parameters: Parameters): Events<A>
  (symbols: Several, ...parameters: Parameters): Events<A | MarketEvent.Ended>
}

/**
 * Binance's feed. Symbols may be in upper or lower case. The snapshots of a book have at most 5000 levels a side, and 1000 on
 * futures.
 *
 * A feed can read several symbols as one stream, which has the events of all of them, in order within each symbol. A symbol
 * that is named twice is read once. This costs much less than a stream for each symbol, since the reader wakes once per batch.
 * The joint stream fails as soon as the stream of one symbol fails.
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
 *   yield* feed.trades(["BTCUSDT", "ETHUSDT"]).forEach((event) => {
 *     switch (event.type) {
 *       case "trade":
 *         return Console.log(event.symbol, event.data.p)
 *       case "gap":
 *         return Console.log(`missing: ${event.data.from} to ${event.data.to}`)
 *       case "ended":
 *         return Console.log(event.data.error.message)
 *     }
 *   })
 * })
 * ```
 */
export interface BinanceFeed extends
  Pick<MarketFeed.MarketFeed, "budget" | "connections" | "events" | "hosts" | "rotate" | "source" | "subscriptions">
{
  /**
   * Opens an order book; the feed keeps it equal to the venue's until the scope closes. Fails with a `ConfigError` if an option is
   * out of range, or the venue does not have the speed.
   */
  readonly orderBook: (
    symbol: string,
    options?: BookOptions
  ) => Effect.Effect<OrderBook.OrderBook, ConfigError.ConfigError, Scope.Scope>
  /** Every trade once, in the order of its id. */
  readonly trades: Read<MarketEvent.Trade, [from?: FromEach]>
  /** Every aggregate trade once, in the order of its id. */
  readonly aggTrades: Read<MarketEvent.AggTrade, [from?: FromEach]>
  /**
   * Candles as they form; each closes exactly once. `f` and `L` are -1 in fetched candles. Spot has time zones too, such as
   * `1d@+08:00`; futures have no interval `1s`.
   */
  readonly klines: Read<MarketEvent.Kline, [interval: StreamKind.Interval | StreamKind.ZonedInterval, from?: FromEach]>
  /** Statistics of the last 24 hours. */
  readonly ticker: Read<MarketEvent.Ticker>
  /** Prices and volumes of the last 24 hours. */
  readonly miniTicker: Read<MarketEvent.MiniTicker>
  /** The mini tickers of all symbols that changed. */
  readonly allMiniTickers: Events<MarketEvent.MiniTicker>
  /** The best bid and ask. */
  readonly bookTicker: Read<MarketEvent.BookTicker>
  /** Updates of the book, every 100 ms by default. Missing updates cannot be fetched; `orderBook` keeps a whole book. */
  readonly depth: Read<MarketEvent.Depth, [speed?: DepthSpeed]>
  /** The best levels of the book, every 100 ms by default. */
  readonly partialDepth: Read<MarketEvent.PartialDepth, [levels: 5 | 10 | 20, speed?: DepthSpeed]>
  /** Mark prices of futures, every three seconds by default. */
  readonly markPrice: Read<MarketEvent.MarkPrice, [speed?: "1s" | "3s"]>
  /** The mark prices of all contracts of USD-M futures, every three seconds by default. */
  readonly allMarkPrices: (speed?: "1s" | "3s") => Events<MarketEvent.MarkPrice>
  /** Liquidations on futures: of each symbol only the latest of a second. */
  readonly forceOrder: Read<MarketEvent.ForceOrder>
  /**
   * Block trades of the spot market, each once, in the order of its id. They are rare: what a lost connection missed is fetched as soon
   * as it is back. Binance wants an API key for that.
   */
  readonly blockTrades: Read<MarketEvent.BlockTrade, [from?: AfterEach]>
  /**
   * The open interest of futures contracts, which no socket has: the feed fetches it by REST `every` 10 seconds by default, within the
   * weight limit of the venue. There is an event for each answer that differs from the last one, in its time or its open interest. A
   * request that fails is made again, after waits that grow up to 5 minutes. It ends with `StreamUnknown` for a symbol that the venue does
   * not know, and at once on the spot market. Readers of the same symbol at the same pace share it.
   */
  readonly openInterest: Read<MarketEvent.OpenInterest, [options?: PollOptions]>
  /** The liquidations of all symbols on futures. */
  readonly allForceOrders: Events<MarketEvent.ForceOrder>
  /**
   * Reads any streams by their names. `from` is for kinds that can be fetched: trades, aggregate trades, block trades and klines. A name
   * that Binance does not document fails at once with `StreamUnknown`, unless it is `unchecked`.
   */
  readonly raw: (names: Several, from?: FromEach, options?: RawOptions) => Events<MarketEvent.MarketEvent>
}

/**
 * Options of a feed. Only `venue` is required.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends MarketFeed.Options {
  /** The venue to read from, such as `Venue.spot`. */
  readonly venue: Venue
  /** Options of the REST client. */
  readonly rest?: Rest.Options | undefined
}

/**
 * The tag of the feed.
 *
 * @since 0.1.0
 * @category tags
 */
export const BinanceFeed: Context.Tag<BinanceFeed, BinanceFeed> = Context.GenericTag<BinanceFeed>(
  "holdfast/binance/BinanceFeed"
)

/**
 * Makes a feed; it runs until the scope closes. It dials connections when streams are run. It fails with a `ConfigError` if an
 * option is out of range.
 *
 * Binance limits dials and REST weight by address, so one feed should serve everything that a process reads from a venue. Several
 * feeds keep their dials within one limit if they share a `DialGate`, such as `DialGate.layer(venue.dials)`. Without one, each
 * feed makes a gate of its own.
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
    const venue = Streams.venue(options.venue, rest, kinds)
    const feed = yield* MarketFeed.make(venue, options)
    const poll = yield* OpenInterest.make(
      options.venue.api !== "/api/v3",
      rest,
      (name) => venue.lookUp?.(venue.stream(name)) ?? Effect.succeed(undefined)
    )
    function openInterest(symbol: string, options?: PollOptions): Events<MarketEvent.OpenInterest>
    function openInterest(symbols: Several, options?: PollOptions): Events<MarketEvent.OpenInterest | MarketEvent.Ended>
    function openInterest(symbols: Several, { every }: PollOptions = {}): Events<MarketEvent.OpenInterest | MarketEvent.Ended> {
      return poll([symbols].flat(), every)
    }

    // `what` says the end of the streams' names, and where they resume.
    const of = <A extends MarketEvent.MarketEvent, Parameters extends ReadonlyArray<unknown>>(
      kind: Kind<A>,
      what: (...parameters: Parameters) => readonly [end: string, from?: FromEach | undefined]
    ): Read<A, Parameters> => {
      function read(symbol: string, ...parameters: Parameters): Events<A>
      function read(symbols: Several, ...parameters: Parameters): Events<A | MarketEvent.Ended>
      function read(symbols: Several, ...parameters: Parameters): Events<A | MarketEvent.Ended> {
        const [end, from] = what(...parameters)
        return feed.streamOf(kind, requests(options.venue, symbols, from, (symbol) => `${symbol}@${end}`))
      }
      return read
    }

    return {
      trades: of(kinds.trade, (from) => ["trade", from]),
      aggTrades: of(kinds.aggTrade, (from) => ["aggTrade", from]),
      klines: of(kinds.kline, (interval, from) => [`kline_${interval}`, from]),
      ticker: of(kinds.ticker, () => ["ticker"]),
      miniTicker: of(kinds.miniTicker, () => ["miniTicker"]),
      allMiniTickers: feed.streamOf(kinds.miniTicker, "!miniTicker@arr"),
      bookTicker: of(kinds.bookTicker, () => ["bookTicker"]),
      depth: of(kinds.depth, (speed = Streams.fastestDepth) => [Streams.depthEnd(options.venue, speed)]),
      partialDepth: of(kinds.partialDepth, (levels, speed = Streams.fastestDepth) => [Streams.depthEnd(options.venue, speed, levels)]),
      markPrice: of(kinds.markPrice, (speed) => [`markPrice${endOf(speed)}`]),
      allMarkPrices: (speed) => feed.streamOf(kinds.markPrice, `!markPrice@arr${endOf(speed)}`),
      forceOrder: of(kinds.forceOrder, () => ["forceOrder"]),
      blockTrades: of(kinds.blockTrade, (from) => ["blockTrade", from]),
      openInterest,
      allForceOrders: feed.streamOf(kinds.forceOrder, "!forceOrder@arr"),
      raw: (names, from, raw) =>
        feed.stream(requests(options.venue, names, from, identity).map((request) => ({ ...request, unchecked: raw?.unchecked }))),
      orderBook: feed.orderBook,
      rotate: feed.rotate,
      events: feed.events,
      subscriptions: feed.subscriptions,
      source: feed.source,
      connections: feed.connections,
      hosts: feed.hosts,
      budget: feed.budget
    }
  })

// The usual speed of mark prices has no ending.
const endOf = (speed: "1s" | "3s" = "3s") => speed === "3s" ? "" : `@${speed}`

// The moment in the venue's unit. One that is no time is refused later, where the stream is opened.
const momentOf = ({ timeUnit }: Venue, since: DateTime.DateTime.Input): number =>
  Option.match(DateTime.make(since), { onNone: () => Number.NaN, onSome: DateTime.toEpochMillis }) * (timeUnit === "microsecond" ? 1_000 : 1)

const inUnitOf = (venue: Venue, from: From): MarketFeed.From => from.since === undefined ? from : { since: momentOf(venue, from.since) }

// Requests for the streams of these symbols or names, each with the place at which it begins.
const requests = (venue: Venue, names: Several, from: FromEach = {}, streamOf: (name: string) => string) =>
  (typeof names === "string" ? [names] : names).map((name) => ({
    name: streamOf(name),
    ...inUnitOf(venue, typeof from === "function" ? from(name) : from)
  }))

/**
 * A layer with a feed; it runs as long as the layer does.
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
 * A layer with a feed whose options are read through `Config`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<BinanceFeed, ConfigError.ConfigError, Transport | HttpClient.HttpClient> =>
  Layer.scoped(BinanceFeed, Effect.flatMap(Config.unwrap(config), make))
