import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as NodeTransport from "holdfast/NodeTransport"
import type { OrderBook } from "holdfast/binance"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import { Decimal, Exchange, Fault } from "holdfast/binance/exchange"

const quick = { initialDelay: "10 millis", maxDelay: "50 millis", stableAfter: 0, maxRetries: "unlimited" } as const

const platform = Layer.merge(NodeTransport.layer, FetchHttpClient.layer)

const open = (exchangeOptions: Exchange.Options = {}, options: Partial<BinanceFeed.Options> = {}) =>
  Effect.gen(function*() {
    const exchange = yield* Exchange.make({
      tradesPerSecond: 100,
      ...exchangeOptions,
      limits: { dialsPerFiveMinutes: 10_000, ...exchangeOptions.limits }
    })
    const feed = yield* BinanceFeed.make({
      venue: Venue.make({ ws: exchange.wsUrl, rest: exchange.restUrl }),
      ...options,
      connection: {
        reconnect: quick,
        messageTimeout: "1 second",
        maxMessageBytes: 64 * 1024,
        ...options.connection
      }
    }).pipe(Effect.provide(platform))
    return { exchange, feed }
  })

const read = <A, E>(stream: Stream.Stream<A, E>, count: number) =>
  Effect.map(Stream.runCollect(Stream.take(stream, count)), (chunk) => [...chunk])

// The ids of trades, with a gap for what is missing.
const ids = (events: ReadonlyArray<MarketEvent.Trade | MarketEvent.AggTrade | MarketEvent.Ended | MarketEvent.Gap>) =>
  events.map((event) => event.type === "trade" ? event.data.t : event.type === "aggTrade" ? event.data.a : "gap")

const isWhole = (seen: ReadonlyArray<number | "gap">) => {
  const [first] = seen
  assert(typeof first === "number")
  assert.deepStrictEqual(seen, seen.map((_, i) => first + i))
}

const faults: ReadonlyArray<Fault.Fault> = [
  Fault.Reset(),
  Fault.Drop(),
  Fault.Close({ code: 1001, reason: "going away" }),
  Fault.Close({ code: 1011, reason: "oops" }),
  Fault.Malformed(),
  Fault.Oversize({ bytes: 100_000 }),
  Fault.Violation(),
  Fault.Restart({ downtime: "100 millis" }),
  Fault.FailRest({ times: 2, status: 503 }),
  Fault.FailRest({ times: 1, status: 429, retryAfter: "1" }),
  Fault.Mute(),
  Fault.Vanish()
]

// The REST interface fails only in the first round: a request that is rarer than these faults would never succeed.
const breakRepeatedly = (exchange: Exchange.Exchange) => {
  const script = faults.map((fault): Fault.Scripted => ({ after: "250 millis", fault }))
  return Effect.forkScoped(Effect.zipRight(
    exchange.script(script),
    exchange.script(script.filter(({ fault }) => fault._tag !== "FailRest"), { repeat: true })
  ))
}

describe("a venue in microseconds", () => {
  it.scopedLive("has them in events from sockets and in fetched events", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 100 })
      const venue: Venue.Venue = { ...Venue.make({ ws: exchange.wsUrl, rest: exchange.restUrl }), timeUnit: "microsecond" }
      const feed = yield* BinanceFeed.make({ venue, connection: { reconnect: quick } }).pipe(Effect.provide(platform))
      yield* Effect.forkScoped(exchange.script([
        { after: "1500 millis", fault: Fault.Restart({ downtime: "3 seconds" }) }
      ]))
      const [trades, aggTrades, klines] = yield* Effect.all([
        read(feed.trades("BTCUSDT"), 700),
        read(feed.aggTrades("BTCUSDT"), 350),
        read(Stream.filter(feed.klines("BTCUSDT", "1s"), (event) => event.type === "gap" || event.data.k.x), 6)
      ], { concurrency: "unbounded" })
      isWhole(ids(trades))
      isWhole(ids(aggTrades))
      for (const events of [trades, aggTrades, klines]) {
        assert.deepStrictEqual(new Set(events.map(({ via }) => via)), new Set(["ws", "rest"]))
        assert.isTrue(events.every(({ timestamp }) => timestamp > 1e15))
      }
      const candles = klines.flatMap((event) => event.type === "gap" ? [] : [event.data.k])
      assert.deepStrictEqual(candles.map(({ t }) => t), candles.map((_, i) => (candles[0]?.t ?? 0) + i * 1_000_000))
      assert.isTrue(candles.every(({ t, T }) => T - t === 999_999))
    }), 60_000)
})

describe("trades", () => {
  it.scopedLive("are whole when the connection breaks in a dozen ways", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open()
      yield* breakRepeatedly(exchange)
      const [trades, aggTrades] = yield* Effect.all([
        read(feed.trades("BTCUSDT"), 1_500),
        read(feed.aggTrades("ethusdt"), 700)
      ], { concurrency: "unbounded" })
      isWhole(ids(trades))
      isWhole(ids(aggTrades))
      assert.isTrue(trades.some(({ via }) => via === "rest"))
      const truth = new Map(exchange.markets.get("BTCUSDT")?.trades.all().map((trade) => [trade.id, trade]))
      for (const event of trades) {
        assert(event.type === "trade")
        const trade = truth.get(event.data.t)
        assert(trade !== undefined)
        assert.deepStrictEqual(
          [event.data.p, event.data.q, event.data.m],
          [Decimal.format(trade.price, 2), Decimal.format(trade.quantity, 5), trade.buyerIsMaker]
        )
      }
      const { violations } = yield* exchange.stats
      assert.deepStrictEqual(violations, { messages: 0, dials: 0, streams: 0, weight: 0, bans: 0 })
    }), 60_000)

  it.scopedLive("are a gap with exact bounds if they cannot be fetched", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open({}, { rest: { giveUpAfter: "1 second" } })
      yield* exchange.fault(Fault.FailRest({ times: 1_000, status: 500 }))
      const struck = yield* Ref.make(0)
      const events = yield* feed.trades("BTCUSDT").pipe(
        Stream.tap(() =>
          Effect.flatMap(Ref.getAndUpdate(struck, (n) => n + 1), (n) =>
            n === 20 ? exchange.fault(Fault.Restart({ downtime: "200 millis" })) : Effect.void)
        ),
        Stream.takeUntil(MarketEvent.isGap),
        Stream.runCollect,
        Effect.map((chunk) => [...chunk])
      )
      const gap = events.at(-1)
      const before = events.at(-2)
      assert(gap?.type === "gap" && before?.type === "trade")
      assert.strictEqual(gap.data.from, before.data.t + 1)
      assert.isAtLeast(gap.data.to ?? 0, gap.data.from ?? Infinity)
      assert.strictEqual(gap.data.cause._tag, "RestUnavailable")
      isWhole(ids(events.slice(0, -1)))
    }), 30_000)

  it.scopedLive("are a gap if the venue has pruned them, and are fetched if not", () =>
    Effect.gen(function*() {
      // Of some 300 trades a second, it keeps 100 to 150.
      const { exchange, feed } = yield* open({ history: 100, tradesPerSecond: 400 })
      const struck = yield* Ref.make(0)
      const events = yield* feed.trades("BTCUSDT").pipe(
        Stream.tap(() =>
          Effect.flatMap(Ref.getAndUpdate(struck, (n) => n + 1), (n) =>
            n === 50 ? exchange.fault(Fault.Restart({ downtime: "1500 millis" })) : Effect.void)
        ),
        Stream.take(400),
        Stream.runCollect,
        Effect.map((chunk) => [...chunk])
      )
      const at = events.findIndex(MarketEvent.isGap)
      const [before, gap, after] = events.slice(at - 1)
      assert(before?.type === "trade" && gap?.type === "gap" && after?.type === "trade")
      assert.strictEqual(gap.data.cause._tag, "HistoryPruned")
      assert.deepStrictEqual([gap.data.from, gap.data.to], [before.data.t + 1, after.data.t - 1])
      isWhole(ids(events.slice(at + 1).filter((event) => event.type === "trade")))
      assert.strictEqual(after.via, "rest")
    }), 30_000)

  it.scopedLive("are shared by their readers, and unsubscribed when the last reader stops", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open()
      const [one, other] = yield* Effect.all([
        read(feed.trades("BTCUSDT"), 50),
        read(feed.trades("btcusdt"), 50)
      ], { concurrency: "unbounded" })
      isWhole(ids(one))
      isWhole(ids(other))
      assert.strictEqual((yield* exchange.stats).accepted, 1)
      assert.deepStrictEqual(yield* feed.subscriptions, [])
    }))

  it.scopedLive("fail at a gap with failOnGap", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open({}, { repairLimit: 1, rest: { giveUpAfter: "1 second" } })
      const error = yield* feed.trades("BTCUSDT").pipe(
        MarketEvent.failOnGap,
        Stream.tap(({ data }) => data.t % 40 === 0 ? exchange.fault(Fault.Restart({ downtime: "300 millis" })) : Effect.void),
        Stream.runDrain,
        Effect.flip
      )
      assert(error._tag === "MarketGap")
      assert.match(error.message, /^btcusdt@trade is missing \d+ to \d+\. More than 1 events are missing: repairLimit/)
    }))
})

describe("invalid messages", () => {
  it.scopedLive("are skipped, logged with an excerpt, and reported as events", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)) logged.push(`${logLevel.label} ${String(message)}`)
      })
      const quote = (data: object) => ({ receivedAt: 0, message: JSON.stringify({ stream: "btcusdt@bookTicker", data }) })
      const good = (u: number) => quote({ u, s: "BTCUSDT", b: "1.0", B: "1.0", a: "2.0", A: "1.0" })
      const frames = [
        good(1),
        quote({ u: 2, s: "BTCUSDT", b: "1.0" }),
        good(3),
        { receivedAt: 0, message: `{"stream":"btcusdt@bookTicker"}` },
        good(4)
      ]
      yield* Effect.gen(function*() {
        const { exchange, feed } = yield* open({ replay: { messages: frames } })
        const quotes = yield* read(feed.bookTicker("BTCUSDT"), 3)
        assert.deepStrictEqual(quotes.map((event) => event.type === "bookTicker" ? event.data.u : 0), [1, 3, 4])
        const skipped = yield* feed.events.pipe(
          Stream.filter((event) => event._tag === "InvalidMessage"),
          Stream.take(1),
          Stream.runCollect
        )
        assert.deepStrictEqual([...skipped].map(({ error, stream }) => [stream, error.excerpt]), [[
          "btcusdt@bookTicker",
          `{"u":2,"s":"BTCUSDT","b":"1.0"}`
        ]])
        assert.match(logged.join("\n"), /^WARN Skipped an invalid message, since .*: \{"u":2/m)
        yield* exchange.fault(Fault.Malformed())
        const malformed = yield* feed.events.pipe(
          Stream.filter((event) => event._tag === "InvalidMessage" && event.error.excerpt.endsWith(`"E":`)),
          Stream.runHead
        )
        assert.isTrue(Option.isSome(malformed))
        assert.strictEqual((yield* exchange.stats).accepted, 1)
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    }))
})

describe("klines", () => {
  it.scopedLive("close exactly once when the connection breaks in a dozen ways", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open()
      yield* breakRepeatedly(exchange)
      const closed = yield* feed.klines("BTCUSDT", "1s").pipe(
        Stream.filter((event) => event.type === "gap" || event.data.k.x),
        Stream.take(12),
        Stream.runCollect,
        Effect.map((chunk) => [...chunk])
      )
      const starts = closed.map((event) => event.type === "gap" ? "gap" : event.data.k.t)
      const [first] = starts
      assert(typeof first === "number")
      assert.deepStrictEqual(starts, starts.map((_, i) => first + i * 1_000))
      const truth = new Map(exchange.markets.get("BTCUSDT")?.candles("1s").all().map((candle) => [candle.start, candle]))
      for (const event of closed) {
        assert(event.type === "kline")
        assert.strictEqual(event.data.k.n, truth.get(event.data.k.t)?.trades)
        assert.strictEqual(event.data.k.c, Decimal.format(truth.get(event.data.k.t)?.close ?? 0, 2))
      }
    }), 60_000)
})

describe("renewal", () => {
  it.scopedLive("loses nothing and repeats nothing, without an outage, ten times under load", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open({ tradesPerSecond: 200 })
      const events = yield* Ref.make<ReadonlyArray<BinanceFeed.FeedEvent>>([])
      yield* Effect.forkScoped(Stream.runForEach(feed.events, (event) => Ref.update(events, (all) => [...all, event])))
      const reading = yield* Effect.fork(Effect.all([
        read(feed.trades("BTCUSDT"), 1_200),
        read(feed.aggTrades("ETHUSDT"), 400),
        Stream.runDrain(Stream.takeUntil(feed.bookTicker("SOLUSDT"), MarketEvent.isGap)).pipe(
          Effect.timeoutOption("5 seconds")
        )
      ], { concurrency: "unbounded" }))
      yield* Effect.repeat(feed.subscriptions, {
        until: (all) => all.length === 3 && all.every(({ status }) => status === "live"),
        schedule: Schedule.spaced("20 millis")
      })
      const renewed = yield* Effect.replicateEffect(feed.rotate, 10)
      assert.deepStrictEqual(renewed, Array.from({ length: 10 }, () => 1))
      const [trades, aggTrades] = yield* Fiber.join(reading)
      isWhole(ids(trades))
      isWhole(ids(aggTrades))
      const tags = (yield* Ref.get(events)).map((event) => event._tag === "Connection" ? event.event._tag : event._tag)
      assert.isFalse(tags.includes("Lost") || tags.includes("Gap") || tags.includes("Repaired"))
      assert.strictEqual((yield* exchange.stats).open, 1)
    }), 60_000)

  it.scopedLive("happens before an announced shutdown", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open({ tradesPerSecond: 200 })
      const events = yield* Ref.make<ReadonlyArray<BinanceFeed.FeedEvent>>([])
      yield* Effect.forkScoped(Stream.runForEach(feed.events, (event) => Ref.update(events, (all) => [...all, event])))
      const trades = yield* feed.trades("BTCUSDT").pipe(
        Stream.zipWithIndex,
        Stream.tap(([, i]) => i === 20 ? exchange.fault(Fault.Shutdown({ notice: "3 seconds" })) : Effect.void),
        Stream.map(([event]) => event),
        Stream.take(900),
        Stream.runCollect
      )
      isWhole(ids([...trades]))
      const tags = (yield* Ref.get(events)).map((event) => event._tag === "Connection" ? event.event._tag : event._tag)
      assert.isFalse(tags.includes("Lost"))
      assert.strictEqual((yield* exchange.stats).accepted, 2)
    }), 60_000)

  it.scopedLive("keeps the old connection when the successor does not open", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open({}, { renewalTimeout: "500 millis" })
      const reading = yield* Effect.fork(read(feed.trades("BTCUSDT"), 200))
      yield* Effect.repeat(feed.subscriptions, {
        until: (all) => all.some(({ status }) => status === "live"),
        schedule: Schedule.spaced("20 millis")
      })
      yield* exchange.fault(Fault.RefuseUpgrades({ times: 1_000, status: 503 }))
      assert.strictEqual(yield* feed.rotate, 0)
      isWhole(ids(yield* Fiber.join(reading)))
      assert.strictEqual((yield* exchange.stats).open, 1)
    }))
})

describe("two connections", () => {
  it.scopedLive("lose nothing and fetch nothing when one of them breaks", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open({ tradesPerSecond: 100 }, { redundancy: 2 })
      const reading = yield* Effect.fork(read(feed.trades("BTCUSDT"), 600))
      yield* Effect.repeat(feed.subscriptions, {
        until: (all) => all.length === 2 && all.every(({ status }) => status === "live"),
        schedule: Schedule.spaced("20 millis")
      })
      yield* Effect.forkScoped(exchange.script([{ after: "300 millis", fault: Fault.ResetOne() }], { repeat: true }))
      const trades = yield* Fiber.join(reading)
      isWhole(ids(trades))
      assert.isTrue(trades.every(({ via }) => via === "ws"))
    }), 30_000)
})

describe("several symbols", () => {
  const bySymbol = (events: ReadonlyArray<MarketEvent.Trade | MarketEvent.Ended | MarketEvent.Gap>, symbol: string) =>
    ids(events.filter((event) => event.symbol === symbol))

  it.scopedLive("are one stream: each is whole, and read once even if named twice", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open()
      yield* Effect.forkScoped(exchange.script([{ after: "400 millis", fault: Fault.Reset() }], { repeat: true }))
      const first = yield* read(feed.trades(["BTCUSDT", "ethusdt", "BTCUSDT"]), 300)
      for (const symbol of ["BTCUSDT", "ETHUSDT"]) isWhole(bySymbol(first, symbol))

      // Each symbol resumes after its last trade.
      const last = (symbol: string) => Math.max(...bySymbol(first, symbol).map(Number))
      const then = yield* read(feed.trades(["BTCUSDT", "ETHUSDT"], (symbol) => ({ after: last(symbol) })), 300)
      for (const symbol of ["BTCUSDT", "ETHUSDT"]) isWhole([last(symbol), ...bySymbol(then, symbol)])
    }), 30_000)

  it.scopedLive("can be listened to: each is whole, and unsubscribed in the end", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open()
      yield* Effect.forkScoped(exchange.script([{ after: "400 millis", fault: Fault.Reset() }], { repeat: true }))
      const received: Array<MarketEvent.Trade | MarketEvent.Ended | MarketEvent.Gap> = []
      const enough = yield* Deferred.make<void>()
      yield* Effect.raceFirst(
        feed.trades(["BTCUSDT", "ETHUSDT"]).listen((events) => {
          received.push(...events)
          if (received.length >= 600) Deferred.unsafeDone(enough, Exit.void)
        }),
        Deferred.await(enough)
      )
      for (const symbol of ["BTCUSDT", "ETHUSDT"]) isWhole(bySymbol(received, symbol))
      assert.isTrue(received.some(({ via }) => via === "rest"))
      assert.deepStrictEqual(yield* feed.subscriptions, [])
    }), 30_000)

  it.scopedLive("can be read by several readers, and read again", () =>
    Effect.gen(function*() {
      const { feed } = yield* open()
      const trades = feed.trades("BTCUSDT")
      const runs: ReadonlyArray<Stream.Stream<unknown, unknown>> = [trades, trades, feed.allMiniTickers, feed.allMiniTickers]
      const counts = yield* Effect.forEach(runs, (stream) => Stream.runCount(Stream.take(stream, 1)), { concurrency: 2 })
      assert.deepStrictEqual(counts, [1, 1, 1, 1])
      const again = yield* Stream.runCount(Stream.take(trades, 3))
      assert.strictEqual(again, 3)
    }))

  it.scopedLive("of different kinds are one stream by their names", () =>
    Effect.gen(function*() {
      const { feed } = yield* open()
      const types = new Set<string>()
      yield* Stream.runForEachWhile(feed.raw(["btcusdt@trade", "btcusdt@depth@100ms", "ethusdt@bookTicker"]), ({ symbol, type }) =>
        Effect.sync(() => {
          types.add(`${symbol} ${type}`)
          return types.size < 3
        }))
      assert.deepStrictEqual([...types].sort(), ["BTCUSDT depth", "BTCUSDT trade", "ETHUSDT bookTicker"])
    }))
})

describe("many streams", () => {
  it.scopedLive("are spread over connections within every limit", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open({ limits: { streamsPerConnection: 50 } }, { streamsPerConnection: 50 })
      const names = Array.from({ length: 120 }, (_, i) => `symbol${i}@trade`)
      yield* Effect.forEach(names, (name) => Effect.forkScoped(Stream.runDrain(feed.raw(name))), { discard: true })
      yield* Effect.repeat(feed.subscriptions, {
        until: (all) => all.length === 120 && all.every(({ status }) => status === "acknowledged"),
        schedule: Schedule.spaced("20 millis")
      })
      const { accepted, violations } = yield* exchange.stats
      assert.strictEqual(accepted, 3)
      assert.deepStrictEqual(violations, { messages: 0, dials: 0, streams: 0, weight: 0, bans: 0 })
    }), 30_000)
})

describe("an order book", () => {
  const levelsOf = (exchange: Exchange.Exchange, side: OrderBook.Side) => {
    const market = exchange.markets.get("BTCUSDT")
    return market?.book.levels(side, 5_000).map(([price, quantity]): OrderBook.Level => [
      Decimal.format(price, 2),
      Decimal.format(quantity, 5)
    ])
  }

  it.scopedLive("equals the exchange's, level by level, whenever it is synced", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open()
      yield* breakRepeatedly(exchange)
      const book = yield* feed.orderBook("BTCUSDT", { levels: 1_000 })
      const compared = yield* Ref.make(0)
      yield* book.awaitSynced
      const check = Effect.gen(function*() {
        const top = yield* Effect.option(book.top(5_000))
        const market = exchange.markets.get("BTCUSDT")
        // Between two updates the exchange is ahead; compares only if it has not changed since.
        if (Option.isNone(top) || market?.book.lastId() !== top.value.lastUpdateId) return
        assert.deepStrictEqual(top.value.bids, levelsOf(exchange, "bids"))
        assert.deepStrictEqual(top.value.asks, levelsOf(exchange, "asks"))
        yield* Ref.update(compared, (n) => n + 1)
      })
      yield* Effect.repeat(check, {
        until: () => Effect.map(Ref.get(compared), (n) => n >= 100),
        schedule: Schedule.spaced("5 millis")
      })
    }), 60_000)

  it.scopedLive("fails its readers while it is stale, and reports when it is synced again", () =>
    Effect.gen(function*() {
      const { exchange, feed } = yield* open()
      const book = yield* feed.orderBook("BTCUSDT")
      assert.strictEqual((yield* Effect.flip(book.best))._tag, "BookStale")
      yield* book.awaitSynced
      const { ask, bid } = yield* book.best
      assert.isBelow(Number(bid?.[0]), Number(ask?.[0]))
      const changes = yield* Effect.fork(book.changes.pipe(
        Stream.filter(({ _tag }) => _tag !== "Updated"),
        Stream.take(3),
        Stream.map(({ _tag }) => _tag),
        Stream.runCollect
      ))
      yield* exchange.fault(Fault.Restart({ downtime: "500 millis" }))
      assert.deepStrictEqual([...yield* Fiber.join(changes)], ["Synced", "Stale", "Synced"])
    }), 30_000)
})
