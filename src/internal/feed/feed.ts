// One pipeline a stream, shared by all who read it: sockets → decode → follow (sequence, repair) → readers.
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import type { BinanceFeed, Events, FeedEvent, FromEach, Options, Several } from "../../binance/BinanceFeed.ts"
import * as Failure from "../../binance/Failure.ts"
import * as MarketEvent from "../../binance/MarketEvent.ts"
import * as Protocol from "../../binance/Protocol.ts"
import * as Rest from "../../binance/Rest.ts"
import * as StreamKind from "../../binance/StreamKind.ts"
import * as DialGate from "../../DialGate.ts"
import type { Classify } from "../../FailureClass.ts"
import type { SessionError } from "../../SessionError.ts"
import type { Message } from "../../Transport.ts"
import * as BookKeeper from "./bookSynchroniser.ts"
import * as Broadcast from "../stream/broadcast.ts"
import * as EventStream from "../stream/eventStream.ts"
import type { Follow, Hub } from "./pipelines.ts"
import * as Followers from "./pipelines.ts"
import * as Pool from "../pool/pool.ts"
import * as Reading from "../stream/cursors.ts"
import { resolve } from "../connection/settings.ts"

type EventOf<Make> = Make extends (stream: string) => MarketEvent.Decoder<infer A> ? A : never

// Readers that begin elsewhere do not share a pipeline.
interface Key {
  readonly stream: string
  readonly after: number | undefined
}

/** What is read of one pipeline, which runs for as long as the scope lives. */
type Source<A extends MarketEvent.MarketEvent> = (
  key: Key
) => Effect.Effect<Reading.Source<A | MarketEvent.Gap, SessionError>, never, Scope.Scope>

const each = (names: Several) => typeof names === "string" ? [names] : names

// What readers have not read yet. The one that is furthest behind decides when the pipeline waits; what comes meanwhile
// is held in the intake, and what that cannot hold is fetched again later.
const readAhead = 1_024
const eventsHeld = 4_096

// Of `BTCUSDT@aggTrade` the venue takes the symbol for one that does not exist.
const inLowerCase = (name: string) => name.replace(/^[^!@]*/, (symbol) => symbol.toLowerCase())

// Nearly all prices do, and cost no conversion then.
const startsAboveZero = (decimal: string) => decimal.charCodeAt(0) > 0x30

export const make = Effect.fnUntraced(function*(options: Options) {
  const { venue } = options
  const timeUnit = venue.timeUnit === "microsecond" ? "?timeUnit=MICROSECOND" : ""
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const rest = yield* Rest.make(venue, options.rest)
  const capacity = options.buffer ?? 8_192
  const grace = Duration.decode(options.grace ?? "500 millis")
  // An option out of its range is told now, and not by a connection that is opened later.
  yield* resolve({ ...options.connection, url: venue.ws })

  const events = EventStream.make<FeedEvent>({ capacity: eventsHeld, at: now })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      events.end(Exit.void)
    })
  )
  const record = (event: FeedEvent) => {
    events.unsafeOfferAll([event])
  }

  const runFork = yield* FiberSet.makeRuntime()
  // Where ids follow each other, what is skipped will be missed, and fetched.
  const skip = (stream: string) => (error: MarketEvent.InvalidFrame) => {
    record({ _tag: "InvalidFrame", at: now(), stream, error })
    runFork(Effect.logWarning(error.message))
  }

  // What the user says comes last.
  const classify: Classify = (error, standard) => {
    const meant = Failure.classify(error, standard)
    return options.connection?.classify?.(error, meant) ?? meant
  }
  const gate = Option.getOrElse(yield* Effect.serviceOption(DialGate.DialGate), () => DialGate.make(venue.dials))

  const pool = yield* Pool.make<Message, Protocol.Notice>({
    gate,
    connection: (path) => ({ ...options.connection, classify, url: `${venue.ws}${path}${timeUnit}` }),
    protocol: Protocol.make(venue.messagesPerSecond),
    topicsPerConnection: options.streamsPerConnection ?? venue.streamsPerConnection,
    lines: options.lines ?? 1,
    grace,
    maxAge: Duration.decode(options.maxAge ?? "23 hours"),
    renewalTimeout: Duration.decode(options.renewalTimeout ?? "30 seconds"),
    // The venue refuses to show the book of a symbol that it does not know.
    isKnown: (stream) => {
      const { symbol } = StreamKind.parse(stream)
      return symbol === "" ? Effect.succeed(false) : rest.depth(symbol, 5).pipe(
        Effect.as(true),
        Effect.catchAll(({ _tag }) => Effect.succeed(_tag !== "RestRejected"))
      )
    },
    // There is no other notice.
    isEnding: () => true,
    onEvent: (connection, event) => {
      record({ _tag: "Connection", connection, event })
    },
    onSessionEvent: (connection, event) => {
      if (event._tag === "Invalid") skip(connection)(new MarketEvent.InvalidFrame(event))
      else record({ _tag: "Session", connection, event })
    }
  }).pipe(Effect.provideService(DialGate.DialGate, gate))

  const { candles, decodeAll, ordered, sequenced, unordered } = Followers.make({
    venue,
    pool,
    rest,
    now,
    record,
    capacity,
    limit: options.repairLimit ?? 100_000,
    grace
  })

  // -------------------------------------------------------------------------------------------------------------------
  // One pipeline a stream, from its first reader to its last

  const kindOf = <A extends MarketEvent.MarketEvent>(
    decoderOf: (stream: string) => MarketEvent.Decoder<A>,
    follow: Follow<A>
  ): Effect.Effect<Source<A>, never, Scope.Scope> =>
    Effect.map(
      RcMap.make({
        lookup: ({ after, stream }: Key) =>
          Effect.gen(function*() {
            const { symbol } = StreamKind.parse(stream)
            const hub: Hub<A> = Broadcast.make<A | MarketEvent.Gap, SessionError>({
              capacity: readAhead,
              overflow: "suspend",
              // Nothing is dropped by those who wait.
              fold: () =>
                Followers.gapOf({ stream, symbol, now }, new MarketEvent.NotRepairable({ reason: "The stream has ended." }))
            })
            yield* Effect.forkScoped(Effect.onExit(
              Effect.interruptible(follow({ stream, symbol, after, decoder: decoderOf(stream), onInvalid: skip(stream), hub })),
              (exit) =>
                Effect.sync(() => {
                  // A defect of ours must not look like a quiet market.
                  hub.end(Exit.isInterrupted(exit) ? Exit.void : exit)
                })
            ))
            return hub
          })
      }),
      (hubs) => ({ after, stream }) => RcMap.get(hubs, Data.struct({ stream, after }))
    )

  const read = <A extends MarketEvent.MarketEvent>(
    sourceOf: (stream: string) => Source<A>,
    names: Several,
    from: FromEach = {},
    streamOf: (name: string) => string = identity
  ): Events<A> => {
    // Once each, however often it is named.
    const keys = new Map(each(names).map((name) => {
      const stream = streamOf(name)
      return [stream, { stream, after: (typeof from === "function" ? from(name) : from).after }]
    }))
    return Reading.merge(Effect.forEach([...keys.values()], (key) => sourceOf(key.stream)(key)), identity)
  }

  const at = ({ timestamp }: MarketEvent.MarketEvent): Followers.Position => ({ from: timestamp, to: timestamp })
  const { decoders } = MarketEvent
  type Of<Type extends keyof typeof decoders> = EventOf<(typeof decoders)[Type]>

  const trades = yield* kindOf(
    decoders.trade,
    sequenced({
      idOf: ({ data }) => data.t,
      fetch: (symbol, fromId) => Effect.map(rest.trades(symbol, fromId), Followers.fetched(symbol, "trade")),
      // Futures send frames without a price for ids that became no trade.
      isReal: ({ data: { p } }) => startsAboveZero(p) || Number(p) !== 0
    })
  )
  const aggTrades = yield* kindOf(
    decoders.aggTrade,
    sequenced({
      idOf: ({ data }) => data.a,
      fetch: (symbol, fromId) => Effect.map(rest.aggTrades(symbol, fromId), Followers.fetched(symbol, "aggTrade")),
      isReal: () => true
    })
  )
  const klines = yield* kindOf(decoders.kline, candles)
  const ticker = yield* kindOf(decoders.ticker, ordered<Of<"ticker">>(at, false))
  const miniTicker = yield* kindOf(decoders.miniTicker, ordered<Of<"miniTicker">>(at, false))
  const bookTicker = yield* kindOf(decoders.bookTicker, ordered(({ data }) => ({ from: data.u, to: data.u }), false))
  const depth = yield* kindOf(decoders.depth, ordered(({ data }) => ({ from: (data.pu ?? data.U - 1) + 1, to: data.u }), true))
  const partialDepth = yield* kindOf(
    decoders.partialDepth,
    ordered(({ data }) => {
      const to = "u" in data ? data.u : data.lastUpdateId
      return { from: to, to }
    }, false)
  )
  const windowTicker = yield* kindOf(decoders.windowTicker, ordered<Of<"windowTicker">>(at, false))
  const avgPrice = yield* kindOf(decoders.avgPrice, ordered<Of<"avgPrice">>(at, false))
  const markPrice = yield* kindOf(decoders.markPrice, ordered<Of<"markPrice">>(at, false))
  const referencePrice = yield* kindOf(decoders.referencePrice, ordered(({ data }) => ({ from: data.t, to: data.t }), false))
  const other = yield* kindOf(MarketEvent.fromStream, unordered)

  const byType: ReadonlyMap<string, Source<MarketEvent.MarketEvent>> = new Map<string, Source<MarketEvent.MarketEvent>>([
    ["trade", trades],
    ["aggTrade", aggTrades],
    ["kline", klines],
    ["ticker", ticker],
    ["miniTicker", miniTicker],
    ["bookTicker", bookTicker],
    ["depth", depth],
    ["partialDepth", partialDepth],
    ["windowTicker", windowTicker],
    ["avgPrice", avgPrice],
    ["markPrice", markPrice],
    ["referencePrice", referencePrice]
  ])

  const lower = (symbol: string) => symbol.toLowerCase()
  const of = <A extends MarketEvent.MarketEvent>(source: Source<A>, kind: string) =>
  (symbols: Several, from?: FromEach) =>
    read(() => source, symbols, from, (symbol) => `${lower(symbol)}@${kind}`)

  const feed: BinanceFeed = {
    trades: of(trades, "trade"),
    aggTrades: of(aggTrades, "aggTrade"),
    klines: (symbols, interval, from) => of(klines, `kline_${interval}`)(symbols, from),
    ticker: of(ticker, "ticker"),
    miniTicker: of(miniTicker, "miniTicker"),
    allMiniTickers: read(() => miniTicker, "!miniTicker@arr"),
    bookTicker: of(bookTicker, "bookTicker"),
    depth: (symbols, speed = "100ms") => of(depth, `depth@${speed}`)(symbols),
    partialDepth: (symbols, levels, speed = "100ms") => of(partialDepth, `depth${levels}@${speed}`)(symbols),
    raw: (names, from) => read((name) => byType.get(StreamKind.parse(name).kind.type) ?? other, names, from, inLowerCase),
    orderBook: (symbol, { levels = 1_000 } = {}) =>
      BookKeeper.make({
        symbol: symbol.toUpperCase(),
        limit: rest.levels(levels),
        capacity,
        snapshot: rest.depth(symbol.toUpperCase(), levels),
        listen: (listener) => {
          const stream = `${lower(symbol)}@depth@100ms`
          const decoding = { decoder: decoders.depth(stream), onInvalid: skip(stream) }
          return pool.listen(venue.path(StreamKind.parse(stream).kind), stream, {
            data: (frames) => {
              for (const event of decodeAll(decoding, frames)) listener.diff(event.data)
            },
            gap: () => undefined,
            lost: listener.lost,
            end: listener.end
          })
        }
      }),
    rotate: pool.rotate,
    events: events.stream,
    subscriptions: Effect.suspend(() =>
      Effect.map(Effect.forEach(pool.sessions(), ({ subscriptions }) => subscriptions), (all) => all.flat())
    )
  }
  return feed
})
