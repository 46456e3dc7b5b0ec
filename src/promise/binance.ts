/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Binance's market data for programs outside Effect: promises, async iterators and listeners.
 *
 * @since 0.1.0
 */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as RcRef from "effect/RcRef"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as BinanceFeed from "../binance/BinanceFeed.ts"
import type * as MarketEvent from "../binance/MarketEvent.ts"
import type * as Rest from "../binance/Rest.ts"
import type * as StreamKind from "../binance/StreamKind.ts"
import * as Venue from "../binance/Venue.ts"
import { NotConnected } from "../ConnectionError.ts"
import * as DialGate from "../DialGate.ts"
import type * as MarketFeed from "../market/MarketFeed.ts"
import type * as OrderBook from "../market/OrderBook.ts"
import type { Transport } from "../Transport.ts"
import type { LogName, SocketOptions, WebSocketConstructor } from "./connect.ts"
import * as Check from "./InvalidArgument.ts"
import * as Listeners from "./listeners.ts"
import { handleChecks, socketChecks, socketOptions, transportOf, withLog } from "./options.ts"
import type { Open, Setting } from "./reader.ts"
import { iterable } from "./reader.ts"
import { now, toPromise } from "./run.ts"

const venues = {
  spot: Venue.spot,
  dataOnly: Venue.dataOnly,
  testnet: Venue.testnet,
  demo: Venue.demo,
  us: Venue.us,
  futures: Venue.futures,
  futuresTestnet: Venue.futuresTestnet,
  coinFutures: Venue.coinFutures
}

/**
 * A venue of Binance, by its name in `holdfast/binance/Venue`.
 *
 * @since 0.1.0
 * @category models
 */
export type VenueName = keyof typeof venues

/**
 * The options of {@link binance}. All are optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface FeedOptions extends Omit<MarketFeed.Options, "connection"> {
  /** The venue to read from: by its name, or by its URLs. Default: `"spot"`. */
  readonly venue?: VenueName | Venue.Venue | { readonly ws: string; readonly rest: string } | undefined
  /** Options of every connection. */
  readonly connection?: SocketOptions | undefined
  /** Options of the REST client. */
  readonly rest?: Pick<Rest.Options, "timeout" | "giveUpAfter"> & { readonly apiKey?: string | undefined } | undefined
  /** When it is aborted, the feed closes, and iterators fail with its reason. Default: none. */
  readonly signal?: AbortSignal | undefined
  /** Dials with this class. Default: `ws` on Node, Bun and Deno; the browser's in browsers. */
  readonly WebSocket?: WebSocketConstructor | undefined
  /** How much is written to the console. Default: `"none"`. */
  readonly log?: LogName | undefined
}

/**
 * The events of one stream, or of several. Each loop over it subscribes, and unsubscribes when it is left.
 *
 * @since 0.1.0
 * @category models
 */
export type Events<A> = AsyncIterable<A | MarketEvent.Gap, undefined, unknown>

/**
 * Reads the streams of one symbol, or of several as one. If one of several fails, `ended` stands in its place and the others go
 * on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Read<A extends MarketEvent.MarketEvent, Parameters extends ReadonlyArray<unknown> = []> {
  (symbol: string, ...parameters: Parameters): Events<A>
  (symbols: BinanceFeed.Several, ...parameters: Parameters): Events<A | MarketEvent.Ended>
}

/**
 * The news that listeners hear, by name:
 *
 * - `gap`: events are missing and could not be fetched. The stream has the same gap.
 * - `repaired`: events that the sockets had missed were fetched.
 * - `event`: anything that happens to the feed or to its connections, with its facts.
 *
 * @since 0.1.0
 * @category models
 */
export interface FeedListeners {
  readonly gap: MarketEvent.Gap
  readonly repaired: Extract<MarketFeed.FeedEvent, { readonly _tag: "Repaired" }>
  readonly event: MarketFeed.FeedEvent
}

/**
 * An order book that the feed keeps equal to the venue's. A read is right, or throws `BookStale`.
 *
 * @since 0.1.0
 * @category models
 */
export interface BookHandle extends AsyncDisposable {
  readonly symbol: string
  /** Waits until the book is right. Rejects with the error that ended the book. */
  readonly awaitSynced: () => Promise<void>
  /** The best levels: at most `count` a side. */
  readonly top: (count: number) => OrderBook.Top
  /** The best level of each side; undefined if the side is empty. */
  readonly best: () => { readonly bid: OrderBook.Level | undefined; readonly ask: OrderBook.Level | undefined }
  /** The quantity at a price: `"0"` if there is no level. Undefined where it is not known. */
  readonly quantityAt: (side: OrderBook.Side, price: string) => string | undefined
  /** The changes of the book. A loop begins with the present state: `Synced` or `Stale`. */
  readonly changes: AsyncIterable<OrderBook.BookChange, undefined, unknown>
  /** Closes the book. */
  readonly close: () => Promise<void>
}

/**
 * Binance's market data. Its methods are those of `BinanceFeed`. It dials when the first loop over a stream begins, and closes all
 * connections when the last one has been left and no book is open: nothing has to be closed by hand.
 *
 * Promises reject, and iterators fail, with the tagged errors of `FeedError`.
 *
 * @since 0.1.0
 * @category models
 */
export interface FeedHandle extends AsyncDisposable {
  /** Every trade once, in the order of its id. */
  readonly trades: Read<MarketEvent.Trade, [from?: BinanceFeed.FromEach]>
  /** Every aggregate trade once, in the order of its id. */
  readonly aggTrades: Read<MarketEvent.AggTrade, [from?: BinanceFeed.FromEach]>
  /** Candles as they form; each closes exactly once. */
  readonly klines: Read<
    MarketEvent.Kline,
    [interval: StreamKind.Interval | StreamKind.ZonedInterval, from?: BinanceFeed.FromEach]
  >
  /** Statistics of the last 24 hours. */
  readonly ticker: Read<MarketEvent.Ticker>
  /** Prices and volumes of the last 24 hours. */
  readonly miniTicker: Read<MarketEvent.MiniTicker>
  /** The mini tickers of all symbols that changed. */
  readonly allMiniTickers: () => Events<MarketEvent.MiniTicker>
  /** The best bid and ask. */
  readonly bookTicker: Read<MarketEvent.BookTicker>
  /** Updates of the book. `orderBook` keeps a whole book. */
  readonly depth: Read<MarketEvent.Depth, [speed?: Venue.DepthSpeed]>
  /** The best levels of the book. */
  readonly partialDepth: Read<MarketEvent.PartialDepth, [levels: 5 | 10 | 20, speed?: Venue.DepthSpeed]>
  /** Mark prices of futures. */
  readonly markPrice: Read<MarketEvent.MarkPrice, [speed?: "1s" | "3s"]>
  /** The mark prices of all contracts of USD-M futures. */
  readonly allMarkPrices: (speed?: "1s" | "3s") => Events<MarketEvent.MarkPrice>
  /** Liquidations on futures. */
  readonly forceOrder: Read<MarketEvent.ForceOrder>
  /** Block trades of the spot market. */
  readonly blockTrades: Read<MarketEvent.BlockTrade, [from?: BinanceFeed.AfterEach]>
  /** The open interest of futures contracts, fetched by REST `every` 10 seconds by default. */
  readonly openInterest: Read<MarketEvent.OpenInterest, [options?: BinanceFeed.PollOptions]>
  /** The liquidations of all symbols on futures. */
  readonly allForceOrders: () => Events<MarketEvent.ForceOrder>
  /** Reads any streams by their names. */
  readonly raw: (
    names: BinanceFeed.Several,
    from?: BinanceFeed.FromEach,
    options?: BinanceFeed.RawOptions
  ) => Events<MarketEvent.MarketEvent>
  /** Opens an order book, which lasts until it or the feed is closed. */
  readonly orderBook: (symbol: string, options?: BinanceFeed.BookOptions) => Promise<BookHandle>
  /** Calls a function at each of these. Returns a function that stops the calls. */
  readonly on: <Name extends keyof FeedListeners>(name: Name, listener: (event: FeedListeners[Name]) => void) => () => void
  /** Closes the feed for good: loops end, and books close. */
  readonly close: () => Promise<void>
}

// ---------------------------------------------------------------------------------------------------------------------
// Checks

const aVenue: Check.Check = (value, name, subject) => {
  const isKnown = Predicate.isString(value)
    ? Object.hasOwn(venues, value)
    : Predicate.isRecord(value) && [value.ws, value.rest].every((url) => Check.isText(url) || Array.isArray(url))
  if (!isKnown) throw Check.wrong(name, subject, `one of ${Object.keys(venues).join(", ")}, or an object with ws and rest`, value)
}

const ofFeed = {
  redundancy: Check.elsewhere,
  maxAge: Check.elsewhere,
  renewalTimeout: Check.elsewhere,
  streamsPerConnection: Check.elsewhere,
  buffer: Check.elsewhere,
  repairLimit: Check.elsewhere,
  repairWeight: Check.elsewhere,
  repairTime: Check.elsewhere,
  fillCandles: Check.aBoolean,
  symbolLabels: Check.aBoolean,
  grace: Check.elsewhere
} satisfies Record<keyof Omit<MarketFeed.Options, "connection">, Check.Check>

const checks = {
  venue: aVenue,
  ...ofFeed,
  connection: Check.optionsOf(socketChecks),
  rest: Check.optionsOf({ timeout: Check.elsewhere, giveUpAfter: Check.elsewhere, apiKey: Check.aText }),
  ...handleChecks
} satisfies Record<keyof FeedOptions, Check.Check>

const aSymbol = `a text such as "BTCUSDT"`

const checkSymbol = (method: string, symbol: unknown) => {
  if (!Check.isText(symbol)) throw Check.wrong("symbol", `The symbol of ${method}`, aSymbol, symbol)
}

const checkSymbols = (method: string, symbols: unknown) => {
  const isAllowed = Check.isText(symbols) || (Array.isArray(symbols) && symbols.length > 0 && symbols.every(Check.isText))
  if (!isAllowed) throw Check.wrong("symbols", `The symbols of ${method}`, `${aSymbol}, or an array of them`, symbols)
}

const isVenue = (venue: Venue.Venue | { readonly ws: string; readonly rest: string }): venue is Venue.Venue => "api" in venue

const venueOf = (venue: FeedOptions["venue"] = "spot"): Venue.Venue => {
  if (typeof venue === "string") return venues[venue]
  return isVenue(venue) ? venue : Venue.make(venue)
}

// ---------------------------------------------------------------------------------------------------------------------

const feedOf = (options: FeedOptions, gate: DialGate.DialGate, platform: Layer.Layer<Transport>) => {
  const { WebSocket, connection, log: _log, rest, signal: _signal, venue, ...own } = options
  // Imported on use: a program that only connects does not load it.
  return Effect.promise(() => import("../binance/BinanceFeed.ts")).pipe(
    Effect.flatMap(({ make }) =>
      make({
        ...own,
        venue: venueOf(venue),
        connection: connection === undefined ? undefined : socketOptions(connection),
        rest: rest === undefined ? undefined : {
          ...rest,
          apiKey: rest.apiKey === undefined ? undefined : Redacted.make(rest.apiKey)
        }
      })
    ),
    Effect.provideService(DialGate.DialGate, gate),
    Effect.provide([transportOf(WebSocket, platform), FetchHttpClient.layer])
  )
}

const listenerNames = Object.keys({ gap: true, repaired: true, event: true } satisfies Record<keyof FeedListeners, true>)

const emitEvent = (listeners: Listeners.Listeners<FeedListeners>, event: MarketFeed.FeedEvent) => {
  listeners.emit("event", event)
  if (event._tag === "Gap") listeners.emit("gap", event.gap)
  else if (event._tag === "Repaired") listeners.emit("repaired", event)
}

const bookOf = (book: OrderBook.OrderBook, scope: Scope.CloseableScope, setting: Setting): BookHandle => {
  const close = () => toPromise(setting.within(Scope.close(scope, Exit.void)))
  return {
    symbol: book.symbol,
    awaitSynced: () => toPromise(book.awaitSynced),
    top: (count) => now(book.top(count)),
    best: () => now(book.best),
    quantityAt: (side, price) => now(book.quantityAt(side, price)),
    changes: iterable(Effect.succeed(book.changes), setting),
    close,
    [Symbol.asyncDispose]: close
  }
}

const make = (options: FeedOptions, platform: Layer.Layer<Transport>): FeedHandle => {
  const { signal } = options
  signal?.throwIfAborted()
  const within = withLog(options.log)
  const run = <A>(effect: Effect.Effect<A, unknown>) => toPromise(within(effect))
  // Kept while no feed runs, so that the limit of dials holds over all of them.
  const gate = DialGate.make(venueOf(options.venue).dials)
  const listeners = Listeners.make<FeedListeners>({ gap: new Set(), repaired: new Set(), event: new Set() })
  const scope = Effect.runSync(Scope.make())
  const running = Effect.runSync(Scope.extend(
    RcRef.make({
      acquire: Effect.tap(feedOf(options, gate, platform), (feed) =>
        Effect.forkScoped(feed.events.listen((events) => {
          for (const event of events) emitEvent(listeners, event)
        }))).pipe(Effect.mapError(Check.ofOptions), within)
    }),
    scope
  ))

  let closing: Promise<void> | undefined
  const abort = () => {
    void close()
  }
  const close = () =>
    closing ??= run(Scope.close(scope, Exit.void)).finally(() => {
      signal?.removeEventListener("abort", abort)
    })
  signal?.addEventListener("abort", abort, { once: true })

  const feed = Effect.suspend(() => {
    if (closing === undefined) return RcRef.get(running)
    return Effect.fail(new NotConnected({ state: "Closed" }))
  })

  const read = <A>(choose: (feed: BinanceFeed.BinanceFeed) => Stream.Stream<A, unknown>): AsyncIterable<A, undefined, unknown> => {
    const open: Open<A> = Effect.map(feed, choose)
    return iterable(open, { signal, within })
  }

  const of = <A extends MarketEvent.MarketEvent, Parameters extends ReadonlyArray<unknown>>(
    method: string,
    choose: (feed: BinanceFeed.BinanceFeed) => BinanceFeed.Read<A, Parameters>,
    checkParameters: (...parameters: Parameters) => void = () => undefined
  ): Read<A, Parameters> => {
    function events(symbol: string, ...parameters: Parameters): Events<A>
    function events(symbols: BinanceFeed.Several, ...parameters: Parameters): Events<A | MarketEvent.Ended>
    function events(symbols: BinanceFeed.Several, ...parameters: Parameters): Events<A | MarketEvent.Ended> {
      checkSymbols(method, symbols)
      checkParameters(...parameters)
      return read((feed) => choose(feed)(symbols, ...parameters))
    }
    return events
  }

  return {
    trades: of("trades", (feed) => feed.trades),
    aggTrades: of("aggTrades", (feed) => feed.aggTrades),
    klines: of("klines", (feed) => feed.klines, (interval) => {
      if (!Check.isText(interval)) throw Check.wrong("interval", "The interval of klines", `a text such as "1m"`, interval)
    }),
    ticker: of("ticker", (feed) => feed.ticker),
    miniTicker: of("miniTicker", (feed) => feed.miniTicker),
    allMiniTickers: () => read((feed) => feed.allMiniTickers),
    bookTicker: of("bookTicker", (feed) => feed.bookTicker),
    depth: of("depth", (feed) => feed.depth),
    partialDepth: of("partialDepth", (feed) => feed.partialDepth),
    markPrice: of("markPrice", (feed) => feed.markPrice),
    allMarkPrices: (speed) => read((feed) => feed.allMarkPrices(speed)),
    forceOrder: of("forceOrder", (feed) => feed.forceOrder),
    blockTrades: of("blockTrades", (feed) => feed.blockTrades),
    openInterest: of("openInterest", (feed) => feed.openInterest),
    allForceOrders: () => read((feed) => feed.allForceOrders),
    raw: (names, from, rawOptions) => {
      checkSymbols("raw", names)
      Check.checkOptions("raw", { unchecked: Check.aBoolean }, rawOptions)
      return read((feed) => feed.raw(names, from, rawOptions))
    },
    orderBook: async (symbol, bookOptions) => {
      checkSymbol("orderBook", symbol)
      Check.checkOptions("orderBook", { levels: Check.elsewhere, speed: Check.elsewhere, audit: Check.elsewhere }, bookOptions)
      // A scope of the feed's, so that the book closes with the feed.
      const ownScope = await toPromise(Scope.fork(scope, ExecutionStrategy.sequential))
      const opened = Effect.flatMap(feed, ({ orderBook }) => orderBook(symbol, bookOptions)).pipe(
        Scope.extend(ownScope),
        Effect.onError(() => Scope.close(ownScope, Exit.void)),
        Effect.mapError(Check.ofOptions)
      )
      return bookOf(await run(opened), ownScope, { signal, within })
    },
    on: (name, listener) => {
      Listeners.checkListener(listenerNames, name, listener)
      return listeners.add(name, listener)
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

/** Makes `binance` for a platform, by the transport that it dials with unless the options say otherwise. */
export const binanceWith = (platform: Layer.Layer<Transport>) => (options: FeedOptions = {}): FeedHandle => {
  Check.checkOptions("binance", checks, options)
  return make(options, platform)
}
