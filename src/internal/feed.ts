// One pipeline a stream, shared by all who read it: sockets → decode → follow (sequence, repair) → readers.
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as RcMap from "effect/RcMap"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { BinanceFeed, FeedEvent, From, Options } from "../binance/BinanceFeed.ts"
import * as MarketEvent from "../binance/MarketEvent.ts"
import * as Protocol from "../binance/Protocol.ts"
import * as Rest from "../binance/Rest.ts"
import * as StreamKind from "../binance/StreamKind.ts"
import type { SessionError } from "../Session.ts"
import * as BookKeeper from "./bookKeeper.ts"
import * as Broadcast from "./broadcast.ts"
import * as Candles from "./candles.ts"
import * as Intake from "./intake.ts"
import * as Pool from "./pool.ts"
import * as Sequence from "./sequence.ts"
import { resolve } from "./settings.ts"

type Hub<A> = Broadcast.Broadcast<A | MarketEvent.Gap, SessionError>

// What a pipeline needs to know of its stream.
interface Pipeline<A extends MarketEvent.MarketEvent> {
  readonly stream: string
  readonly symbol: string
  /** The id, or the last moment, of the last event that is known from before. */
  readonly after: number | undefined
  readonly decode: MarketEvent.Decode<A>
  readonly hub: Hub<A>
}

type Decoding<A extends MarketEvent.MarketEvent> = Pick<Pipeline<A>, "decode" | "stream">

type EventOf<Decoder> = Decoder extends (stream: string) => MarketEvent.Decode<infer A> ? A : never

// Readers that begin elsewhere do not share a pipeline.
interface Key {
  readonly stream: string
  readonly after: number | undefined
}

/** What an event covers of something that only grows, such as update ids or time. */
interface Position {
  readonly from: number
  readonly to: number
}

// What readers have not read yet. The one that is furthest behind decides when the pipeline waits; what comes meanwhile
// is held in the intake, and what that cannot hold is fetched again later.
const readAhead = 1_024
const eventsHeld = 4_096

// Nearly all prices do, and cost no conversion then.
const startsAboveZero = (decimal: string) => decimal.charCodeAt(0) > 0x30

export const make = Effect.fnUntraced(function*(options: Options) {
  const { venue } = options
  const clock = yield* Effect.clock
  const now = () => clock.unsafeCurrentTimeMillis()
  const rest = yield* Rest.make(venue, options.rest)
  const capacity = options.buffer ?? 8_192
  const limit = options.repairLimit ?? 100_000
  const grace = Duration.decode(options.grace ?? "500 millis")
  // An option out of its range is told now, and not by a connection that is opened later.
  yield* resolve({ ...options.connection, url: venue.ws })

  const events = Broadcast.make<FeedEvent>({
    capacity: eventsHeld,
    overflow: "sliding",
    fold: (marker, lost) => ({
      _tag: "EventsDropped",
      at: now(),
      count: lost.length + (marker?._tag === "EventsDropped" ? marker.count : 0)
    })
  })
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
  const skip = (stream: string, error: MarketEvent.InvalidFrame) => {
    record({ _tag: "InvalidFrame", at: now(), stream, error })
    runFork(Effect.logWarning(error.message))
  }

  const pool = yield* Pool.make<unknown, Protocol.Notice>({
    connection: (path) => ({ ...options.connection, url: `${venue.ws}${path}` }),
    protocol: Protocol.make(venue.messagesPerSecond),
    topicsPerConnection: options.streamsPerConnection ?? venue.streamsPerConnection,
    lines: options.lines ?? 1,
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
      if (event._tag === "Invalid") skip(connection, new MarketEvent.InvalidFrame(event))
      else record({ _tag: "Session", connection, event })
    }
  })

  // -------------------------------------------------------------------------------------------------------------------
  // From the sockets to a buffer, and from there to the readers

  const decodeAll = <A extends MarketEvent.MarketEvent>({ decode, stream }: Decoding<A>, messages: ReadonlyArray<unknown>) =>
    decode.all(messages, now(), (error) => {
      skip(stream, error)
    })
  // Where the events of one message belong together.
  const decodeEach = <A extends MarketEvent.MarketEvent>(decoding: Decoding<A>, messages: ReadonlyArray<unknown>) =>
    messages.map((message) => decodeAll(decoding, [message]))

  const listen = (
    { hub, stream }: Pick<Pipeline<never>, "stream"> & { readonly hub: Pick<Hub<never>, "end"> },
    take: (batch: ReadonlyArray<unknown>) => void,
    onGap: (reason: string) => void = () => undefined
  ) =>
    pool.listen(venue.path(StreamKind.parse(stream).kind), stream, {
      data: take,
      gap: ({ cause }) => {
        onGap(cause.message)
      },
      lost: () => undefined,
      end: hub.end
    })

  const gapOf = (
    { stream, symbol }: Pick<Pipeline<never>, "stream" | "symbol">,
    cause: MarketEvent.HoleCause,
    from?: number,
    to?: number
  ): MarketEvent.Gap => ({
    source: "binance",
    symbol,
    type: "gap",
    data: { stream, from, to, cause },
    timestamp: now(),
    via: "ws"
  })

  const gapIn: typeof gapOf = (...facts) => {
    const gap = gapOf(...facts)
    record({ _tag: "Gap", at: now(), gap })
    return gap
  }

  const emit = <A extends MarketEvent.MarketEvent>({ hub, stream }: Pipeline<A>, events: ReadonlyArray<A | MarketEvent.Gap>) => {
    const fetched = events.filter(({ via }) => via === "rest").length
    if (fetched > 0) record({ _tag: "Repaired", at: now(), stream, events: fetched })
    return Effect.asVoid(hub.offerAll(events))
  }

  const emitHole = <A extends MarketEvent.MarketEvent>(pipeline: Pipeline<A>) => ({ cause, from, to }: Sequence.Hole) => {
    const gap = gapIn(pipeline, cause, from, to)
    return Effect.zipRight(
      Effect.logWarning(new MarketEvent.MarketGap({ gap }).message),
      emit(pipeline, [gap])
    )
  }

  // -------------------------------------------------------------------------------------------------------------------
  // How each kind is followed

  const sequenced = <A extends MarketEvent.MarketEvent>(of: {
    readonly idOf: (event: A) => number
    readonly fetch: (symbol: string, fromId: number) => Effect.Effect<ReadonlyArray<A>, Rest.RestError>
    /** Whether an event is more than an id that was spent. */
    readonly isReal: (event: A) => boolean
  }) =>
  (pipeline: Pipeline<A>) =>
    Effect.gen(function*() {
      const real = (events: ReadonlyArray<A>) => events.every(of.isReal) ? events : events.filter(of.isReal)
      const follower = Sequence.make<A>({
        after: pipeline.after,
        idOf: of.idOf,
        fetch: (fromId) => of.fetch(pipeline.symbol, fromId),
        pageSize: Rest.pageSize,
        limit,
        grace: () => pool.isRedundant(pipeline.stream) ? grace : Duration.zero,
        capacity,
        passOn: (events) => {
          if (!pipeline.hub.fits(events.length)) return false
          pipeline.hub.unsafeOfferAll(real(events))
          return true
        },
        onEvents: (events) => emit(pipeline, real(events)),
        onHole: emitHole(pipeline)
      })
      yield* listen(pipeline, (batch) => {
        follower.offer(decodeAll(pipeline, batch))
      })
      return yield* follower.run
    })

  const candles = (pipeline: Pipeline<MarketEvent.Kline>) =>
    Effect.gen(function*() {
      const [, interval = "", timeZone] = /@kline_([^@]+)(?:@\+?(.+))?/.exec(pipeline.stream) ?? []
      const intake = Intake.make<MarketEvent.Kline>(capacity)
      yield* listen(pipeline, (batch) => {
        for (const event of decodeAll(pipeline, batch)) intake.offer(event)
      })
      return yield* Candles.follow({
        intake,
        after: pipeline.after,
        fetch: (from, to) => 
          Effect.map(rest.klines(pipeline.symbol, interval, from, to, timeZone), fetched(pipeline.symbol, "kline")),
        onEvents: (events) => emit(pipeline, events),
        onHole: emitHole(pipeline)
      })
    })

  // Only what is newer than what came before passes.
  const ordered = <A extends MarketEvent.MarketEvent>(positionOf: (event: A) => Position, contiguous: boolean) =>
  (pipeline: Pipeline<A>) =>
    Effect.gen(function*() {
      const intake = Intake.make<ReadonlyArray<A>>(capacity)
      yield* listen(pipeline, (batch) => {
        decodeEach(pipeline, batch).forEach(intake.offer)
      })
      let last: number | undefined
      for (;;) {
        yield* intake.ready
        const passed: Array<A | MarketEvent.Gap> = []
        for (const events of intake.drain().items) {
          const [event] = events
          if (event === undefined) continue
          const { from, to } = positionOf(event)
          if (last !== undefined && to <= last) continue
          if (contiguous && last !== undefined && from > last + 1) {
            const cause = new MarketEvent.NotRepairable({ reason: "The venue does not keep the updates of a book." })
            passed.push(gapIn(pipeline, cause, last + 1, from - 1))
          }
          last = to
          passed.push(...events)
        }
        yield* emit(pipeline, passed)
      }
    })

  // Nothing is known about the order of these.
  const unordered = <A extends MarketEvent.MarketEvent>(pipeline: Pipeline<A>) =>
    Effect.gen(function*() {
      const intake = Intake.make<ReadonlyArray<A> | MarketEvent.NotRepairable>(capacity)
      yield* listen(pipeline, (batch) => {
        decodeEach(pipeline, batch).forEach(intake.offer)
      }, (reason) => {
        intake.offer(new MarketEvent.NotRepairable({ reason }))
      })
      for (;;) {
        yield* intake.ready
        const { dropped, items } = intake.drain()
        const passed: Array<A | MarketEvent.Gap> = []
        if (dropped > 0) {
          const reason = `The consumer fell behind by ${dropped} events.`
          passed.push(gapIn(pipeline, new MarketEvent.NotRepairable({ reason })))
        }
        for (const item of items) {
          if (item instanceof MarketEvent.NotRepairable) passed.push(gapIn(pipeline, item))
          else passed.push(...item)
        }
        yield* emit(pipeline, passed)
      }
    })

  const fetched = <const Type extends string>(symbol: string, type: Type) => <A extends { readonly E: number }>(all: ReadonlyArray<A>) =>
    all.map((data): MarketEvent.MarketEvent<A, Type> => ({
      source: "binance",
      symbol,
      type,
      data,
      timestamp: data.E,
      via: "rest"
    }))

  // -------------------------------------------------------------------------------------------------------------------
  // One pipeline a stream, from its first reader to its last

  const kindOf = <A extends MarketEvent.MarketEvent>(
    decoder: (stream: string) => MarketEvent.Decode<A>,
    follow: (pipeline: Pipeline<A>) => Effect.Effect<never, never, Scope.Scope>
  ) =>
    Effect.map(
      RcMap.make({
        lookup: ({ after, stream }: Key) =>
          Effect.gen(function*() {
            const hub: Hub<A> = Broadcast.make<A | MarketEvent.Gap, SessionError>({
              capacity: readAhead,
              overflow: "suspend",
              // Nothing is dropped by those who wait.
              fold: () => gapOf(pipeline, new MarketEvent.NotRepairable({ reason: "The stream has ended." }))
            })
            const pipeline: Pipeline<A> = { stream, symbol: StreamKind.parse(stream).symbol, after, decode: decoder(stream), hub }
            yield* Effect.forkScoped(Effect.onExit(Effect.interruptible(follow(pipeline)), (exit) =>
              Effect.sync(() => {
                // A defect of ours must not look like a quiet market.
                hub.end(Exit.isInterrupted(exit) ? Exit.void : exit)
              })))
            return hub
          })
      }),
      (hubs) => (stream: string, { after }: From = {}): Stream.Stream<A | MarketEvent.Gap, SessionError> =>
        Stream.unwrapScoped(Effect.map(RcMap.get(hubs, Data.struct({ stream, after })), (hub) => hub.stream))
    )

  const at = ({ timestamp }: MarketEvent.MarketEvent): Position => ({ from: timestamp, to: timestamp })
  const { decoders } = MarketEvent
  type Of<Type extends keyof typeof decoders> = EventOf<(typeof decoders)[Type]>

  const trades = yield* kindOf(
    decoders.trade,
    sequenced({
      idOf: ({ data }) => data.t,
      fetch: (symbol, fromId) => Effect.map(rest.trades(symbol, fromId), fetched(symbol, "trade")),
      // Futures send frames without a price for ids that became no trade.
      isReal: ({ data: { p } }) => startsAboveZero(p) || Number(p) !== 0
    })
  )
  const aggTrades = yield* kindOf(
    decoders.aggTrade,
    sequenced({
      idOf: ({ data }) => data.a,
      fetch: (symbol, fromId) => Effect.map(rest.aggTrades(symbol, fromId), fetched(symbol, "aggTrade")),
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

  const byType: ReadonlyMap<string, BinanceFeed["raw"]> = new Map<string, BinanceFeed["raw"]>([
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

  const feed: BinanceFeed = {
    trades: (symbol, from) => trades(`${lower(symbol)}@trade`, from),
    aggTrades: (symbol, from) => aggTrades(`${lower(symbol)}@aggTrade`, from),
    klines: (symbol, interval, from) => klines(`${lower(symbol)}@kline_${interval}`, from),
    ticker: (symbol) => ticker(`${lower(symbol)}@ticker`),
    miniTicker: (symbol) => miniTicker(`${lower(symbol)}@miniTicker`),
    allMiniTickers: miniTicker("!miniTicker@arr"),
    bookTicker: (symbol) => bookTicker(`${lower(symbol)}@bookTicker`),
    depth: (symbol, speed = "100ms") => depth(`${lower(symbol)}@depth@${speed}`),
    partialDepth: (symbol, levels, speed = "100ms") => partialDepth(`${lower(symbol)}@depth${levels}@${speed}`),
    raw: (name, from) => (byType.get(StreamKind.parse(name).kind.type) ?? other)(name, from),
    orderBook: (symbol, { levels = 1_000 } = {}) =>
      BookKeeper.make({
        symbol: symbol.toUpperCase(),
        limit: levels,
        capacity,
        snapshot: rest.depth(symbol.toUpperCase(), levels),
        listen: (listener) => {
          const stream = `${lower(symbol)}@depth@100ms`
          const decode = decoders.depth(stream)
          return pool.listen(venue.path(StreamKind.parse(stream).kind), stream, {
            data: (batch) => {
              for (const event of decodeAll({ decode, stream }, batch)) listener.diff(event.data)
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
