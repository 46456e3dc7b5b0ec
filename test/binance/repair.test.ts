// Repairs: the requests that a feed sends for missing events, and those that it does not send.
import { assert, describe, it } from "@effect/vitest"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, asksForTickers, combined, connection, depth, snapshot, tickers, trade } from "../utils/venue.ts"

const { open, send, wait } = TestTransport

const counted = (body: (query: URLSearchParams) => unknown) => {
  const asked: Array<string> = []
  const layer = answers((url) => {
    if (asksForTickers(url)) return tickers(url, [], () => 0)
    asked.push(url.search)
    return body(url.searchParams)
  })
  return { asked, layer }
}

const options: BinanceFeed.Options = {
  venue: Venue.spot,
  connection,
  repairLimit: 100,
  rest: { giveUpAfter: "1 minute" }
}

const seenBy = <A extends MarketEvent.MarketEvent>(
  events: (feed: BinanceFeed.BinanceFeed) => BinanceFeed.Events<A>,
  show: (event: A) => unknown
) =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make(options)
    const seen: Array<unknown> = []
    yield* Effect.forkScoped(Stream.runForEach(events(feed), (event) =>
      Effect.sync(() => {
        seen.push(MarketEvent.isGap(event) ? `${event.data.from} to ${event.data.to}: ${event.data.cause._tag}` : show(event))
      })))
    yield* TestClock.adjust("5 minutes")
    return seen
  })

describe("a repair", () => {
  it.scoped("ends after a few requests if the venue returns only trades that it was not asked for", () => {
    const storedTrade = (id: number) => ({ id, price: "1", qty: "1", time: id, isBuyerMaker: true })
    const { asked, layer } = counted(() => Array.from({ length: 1_000 }, (_, i) => storedTrade(i + 1)))
    return Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"), ({ data }) => "t" in data ? data.t : data)
      assert.deepStrictEqual(seen, [2_000, "2001 to 2009: RestUnavailable", 2_010])
      assert.isAtMost(asked.length, 15)
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, send(trade(2_000), trade(2_010)))])),
      Effect.provide(layer)
    )
  })

  it.scoped("does not believe a single answer that begins too late", () => {
    const storedTrade = (id: number) => ({ id, price: "1", qty: "1", time: id, isBuyerMaker: true })
    const { asked, layer } = counted((query) => {
      const from = asked.length === 1 ? 8 : Number(query.get("fromId"))
      return Array.from({ length: 11 - from }, (_, i) => storedTrade(from + i))
    })
    return Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"), ({ data }) => "t" in data ? data.t : data)
      assert.deepStrictEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, send(trade(1), trade(10)))])), Effect.provide(layer))
  })

  for (const [missing, expected] of [[100, "fetches"], [101, "fetches the newest of"]] as const) {
    it.scoped(`${expected} ${missing} candles with a limit of 100`, () => {
      const minute = 60_000
      const candle = (t: number) => [t, "1", "1", "1", "1", "1", t + minute - 1, "1", 1, "1", "1", "0"]
      const { asked, layer } = counted((query) => {
        const [from, to] = [Number(query.get("startTime")), Number(query.get("endTime"))]
        return Array.from({ length: (to - from) / minute + 1 }, (_, i) => candle(from + i * minute))
      })
      const kline = (t: number) =>
        combined("btcusdt@kline_1m", {
          e: "kline",
          E: t,
          s: "BTCUSDT",
          k: { t, T: t + minute - 1, s: "BTCUSDT", i: "1m", f: 1, L: 2, o: "1", c: "1", h: "1", l: "1", v: "1", n: 1, x: true, q: "1", V: "1", Q: "1" }
        })
      const after = (missing + 1) * minute
      return Effect.gen(function*() {
        const seen = yield* seenBy((feed) => feed.klines("BTCUSDT", "1m"), ({ data }) => "k" in data ? data.k.t : data)
        if (missing === 100) {
          assert.deepStrictEqual(seen, Array.from({ length: 102 }, (_, i) => i * minute))
        } else {
          const newest = Array.from({ length: 101 }, (_, i) => (i + 2) * minute)
          assert.deepStrictEqual(seen, [0, `${minute} to ${2 * minute - 1}: GapTooLarge`, ...newest])
          assert.strictEqual(asked.length, 1)
        }
      }).pipe(
        Effect.provide(TestTransport.layer([open(acknowledge, send(kline(0), kline(after)))])),
        Effect.provide(layer)
      )
    })
  }

  it.scoped("of a book without updates fails if its symbol does not exist", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make(options)
      const book = yield* feed.orderBook("NOSUCH")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Effect.flip(book.ended))._tag, "RestRejected")
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge)])),
      Effect.provide(answers(() => ({ code: -1121, msg: "Invalid symbol." }), 400))
    ))

  it.scoped("fetches by the symbol in upper case, however the stream is spelt", () => {
    const storedTrade = (id: number) => ({ id, price: "1", qty: "1", time: id, isBuyerMaker: true })
    const { layer } = counted(() => [storedTrade(1), storedTrade(2), storedTrade(3)])
    return Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.raw(["BTCUSDT@trade", "btcusdt@trade"]), ({ data }) => "t" in data ? data.t : data)
      assert.deepStrictEqual(seen, [1, 2, 3])
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, send(trade(1), trade(3)))])), Effect.provide(layer))
  })

  it.scoped("of a book that never becomes right sends few requests", () => {
    let lastUpdateId = 0
    const { asked, layer } = counted(() => ({ lastUpdateId: ++lastUpdateId, bids: [["1.0", "1"]], asks: [["1.0", "1"]] }))
    const crossing = (u: number) =>
      combined("btcusdt@depth@100ms", { e: "depthUpdate", E: u, s: "BTCUSDT", U: u, u, b: [["1.0", "1"]], a: [["0.9", "1"]] })
    return Effect.gen(function*() {
      const feed = yield* BinanceFeed.make(options)
      yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("1 minute")
      assert.isAtMost(asked.length, 30)
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, ...Array.from({ length: 600 }, (_, i) => [wait("100 millis"), send(crossing(i + 1))]).flat())
      ])),
      Effect.provide(layer)
    )
  })
})

describe("a refusal that passes", () => {
  it.scoped("does not end a book", () => {
    let isOver = false
    return Effect.gen(function*() {
      const feed = yield* BinanceFeed.make(options)
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("10 minutes")
      assert.match((yield* Effect.flip(book.best)).message, /no snapshot came\. The request depth failed: status 403/)
      isOver = true
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 900)
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, send(depth(900)))])),
      Effect.provide(answers(() => isOver ? snapshot(899) : "blocked", () => isOver ? 200 : 403))
    )
  })

  it.scoped("is not taken for an unknown symbol", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ ...options, rest: { giveUpAfter: "1 minute" } })
      const quiet = yield* Effect.fork(feed.trades("ADABNB").forEach(() => Effect.void))
      yield* TestClock.adjust("10 minutes")
      assert.isTrue(Option.isNone(yield* Fiber.poll(quiet)))
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, ...Array.from({ length: 700 }, (_, i) => [wait("1 second"), send(trade(i + 1))]).flat())])),
      Effect.provide(answers(() => "", 451))
    ))
})

describe("a stream that resumes", () => {
  const storedTrade = (id: number) => ({ id, price: "1", qty: "1", time: id, isBuyerMaker: true })
  const minute = 60_000
  const candle = (t: number) => [t, "1", "1", "1", "1", "1", t + minute - 1, "1", 1, "1", "1", "0"]
  const collect = <A extends MarketEvent.MarketEvent>(events: BinanceFeed.Events<A>) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(events, (event) =>
        Effect.sync(() => {
          seen.push(MarketEvent.isGap(event)
            ? `${event.data.from} to ${event.data.to}: ${event.data.cause._tag}`
            : MarketEvent.positionOf(event))
        })))
      yield* TestClock.adjust("2 seconds")
      return seen
    })
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)
  // A venue with the trades from 1 to `latest`.
  const history = (latest: number) =>
    answers((url) => {
      const query = url.searchParams
      if (asksForTickers(url)) return tickers(url, [], () => latest)
      const [from, most] = [Number(query.get("fromId") ?? 1), Number(query.get("limit"))]
      return range(from, Math.min(latest, from + most - 1)).map(storedTrade)
    })
  const silent = TestTransport.layer([open(acknowledge)])

  it.scoped("has the trades that it missed at once", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make(options)
      assert.deepStrictEqual(yield* collect(feed.trades("BTCUSDT", { after: 5 })), [6, 7, 8])
    }).pipe(Effect.provide(silent), Effect.provide(history(8))))

  it.scoped("has the candles that it missed at once", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(10 * minute + 1)
      const feed = yield* BinanceFeed.make(options)
      const seen = yield* collect(feed.klines("BTCUSDT", "1m", { after: 7 * minute - 1 }))
      assert.deepStrictEqual(seen, [8, 9, 10].map((n) => n * minute - 1))
    }).pipe(
      Effect.provide(silent),
      Effect.provide(answers(({ searchParams }) =>
        range(0, 10).map((n) => candle(n * minute)).filter(([t = 0]) =>
          Number(t) >= Number(searchParams.get("startTime")) && Number(t) <= Number(searchParams.get("endTime")))))
    ))

  it.scoped("goes on without a gap and without a repeated trade", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make(options)
      const seen = yield* collect(feed.trades("BTCUSDT", { after: 5 }))
      assert.deepStrictEqual(seen, [6, 7, 8, 9, 10])
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, wait("1 second"), send(trade(8), trade(9), trade(10)))])), Effect.provide(history(8))))

  it.scoped("has the newest of more trades than repairLimit", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ ...options, repairLimit: 2_500 })
      const seen = yield* collect(feed.trades("BTCUSDT", { after: 100 }))
      assert.deepStrictEqual(seen, ["101 to 7500: GapTooLarge", ...range(7_501, 10_000)])
    }).pipe(Effect.provide(silent), Effect.provide(history(10_000))))

  it.scoped("has the newest of more trades than repairWeight pays for", () =>
    Effect.gen(function*() {
      // A page of trades weighs 25.
      const feed = yield* BinanceFeed.make({ ...options, repairLimit: 1_000_000, repairWeight: 99 })
      const seen = yield* collect(feed.trades("BTCUSDT", { after: 100 }))
      assert.deepStrictEqual(seen, ["101 to 7000: GapTooLarge", ...range(7_001, 10_000)])
    }).pipe(Effect.provide(silent), Effect.provide(history(10_000))))

  it.scoped("skips to the newest trades when repairTime is over, and says how far it is", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({
        ...options,
        // One page of trades in each half minute.
        venue: { ...Venue.spot, weightPerMinute: 56 },
        repairLimit: 1_000_000,
        repairTime: "2 minutes"
      })
      const told: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Repairing") told.push([event.stream, event.fetched, event.left, event.weight])
        })))
      const seen = yield* collect(feed.trades("BTCUSDT", { after: 100 }))
      yield* TestClock.adjust("10 minutes")
      const skipped = seen.findIndex((each) => typeof each === "string")
      assert.match(String(seen[skipped]), /^\d+ to 9000: RepairTooLong$/)
      assert.deepStrictEqual(seen.slice(0, skipped), range(101, 100 + skipped))
      assert.deepStrictEqual(seen.slice(skipped + 1), range(9_001, 10_000))
      assert.isAbove(skipped, 2_000)
      assert.deepStrictEqual(told[0], ["btcusdt@trade", 999, 8_901, 25])
      assert.deepStrictEqual(told[1], ["btcusdt@trade", 1_998, 7_902, 50])
    }).pipe(Effect.provide(silent), Effect.provide(history(10_000))))
})

describe("futures trades", () => {
  const storedTrade = (id: number) => ({ id, price: "1", qty: "1", time: id, isBuyerMaker: true })
  // The trades and gaps that a reader sees of the trades 2 and 9.
  const seenOf = (rest: ReturnType<typeof answers>) =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.futures, connection })
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.trades("BTCUSDT"), (event) =>
        Effect.sync(() => {
          seen.push(event.type === "gap" ? `${event.data.from} to ${event.data.to}: ${event.data.cause.message}` : event.data.t)
        })))
      yield* TestClock.adjust("1 minute")
      return seen
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, send(trade(2), trade(9)))])),
      Effect.provide(rest)
    )
  const trades = (ids: ReadonlyArray<number>) =>
    seenOf(answers((url) => asksForTickers(url) ? tickers(url, [], () => 9) : ids.map(storedTrade)))
  const leavesOut = "The missing events cannot be fetched. The venue's REST interface leaves out trades of the insurance fund and of auto-deleveraging."

  it.scoped("have a gap where REST leaves out trades", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* trades([2, 3, 5, 6, 9]), [
        2, 3, `4 to 4: ${leavesOut}`, 5, 6, `7 to 8: ${leavesOut}`, 9
      ])
    }))

  it.scoped("have a gap that says what cannot be had without a key", () =>
    Effect.gen(function*() {
      const seen = yield* seenOf(answers(
        ({ pathname }) => pathname.endsWith("historicalTrades") ? { code: -2014, msg: "API-key format invalid." } : [7, 8, 9].map(storedTrade),
        ({ pathname }) => pathname.endsWith("historicalTrades") ? 401 : 200
      ))
      assert.deepStrictEqual(seen, [
        2,
        "3 to 6: The missing events cannot be fetched. Without an API key, the venue serves only the latest 1000 trades of a symbol. The option apiKey of rest gives one.",
        7, 8, 9
      ])
    }))

  it.scoped("are fetched with the key of the settings", () => {
    const keys: Array<string | undefined> = []
    const client = HttpClient.make((request, url) =>
      Effect.sync(() => {
        if (url.pathname.endsWith("historicalTrades")) keys.push(request.headers["x-mbx-apikey"])
        return HttpClientResponse.fromWeb(request, Response.json([2, 3, 4, 5, 6, 7, 8, 9].map(storedTrade)))
      })
    )
    return Effect.gen(function*() {
      const feed = yield* BinanceFeed.BinanceFeed
      yield* Effect.forkScoped(feed.trades("BTCUSDT").forEach(() => Effect.void))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(keys, ["SECRET"])
    }).pipe(
      Effect.provide(BinanceFeed.layerConfig({
        venue: Config.succeed(Venue.futures),
        rest: { apiKey: Config.redacted("BINANCE_API_KEY") }
      })),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["BINANCE_API_KEY", "SECRET"]]))),
      Effect.provide(TestTransport.layer([open(acknowledge, send(trade(2), trade(9)))])),
      Effect.provideService(HttpClient.HttpClient, client)
    )
  })
})

describe("candles that the venue does not have", () => {
  const hour = 3_600_000
  const candle = (n: number, close = "1") => [n * hour, "1", "1", "1", close, "1", (n + 1) * hour - 1, "1", 1, "1", "1", "0"]
  const kline = (n: number) =>
    combined("btcusdt@kline_1h", {
      e: "kline",
      E: n * hour,
      s: "BTCUSDT",
      k: { t: n * hour, T: (n + 1) * hour - 1, s: "BTCUSDT", i: "1h", f: 1, L: 2, o: "1", c: String(n), h: "1", l: "1", v: "1", n: 1, x: true, q: "1", V: "1", Q: "1" }
    })
  const seenOf = (had: ReadonlyArray<number>, options: Partial<BinanceFeed.Options> = {}, sent = [kline(0), kline(1), kline(5), kline(6)]) =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, ...options })
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.klines("BTCUSDT", "1h"), (event) =>
        Effect.sync(() => {
          seen.push(event.type === "gap"
            ? `${event.data.from} to ${event.data.to}: ${event.data.cause._tag}`
            : event.via === "fill"
            ? [event.data.k.t / hour, event.data.k.T, event.data.k.o, event.data.k.c, event.data.k.v, event.data.k.n, event.data.k.x]
            : `${event.data.k.t / hour} ${event.via}`)
        })))
      yield* TestClock.adjust("5 minutes")
      return seen
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, send(...sent))])),
      Effect.provide(answers(({ searchParams }) =>
        had.filter((n) => n * hour >= Number(searchParams.get("startTime")) && n * hour <= Number(searchParams.get("endTime")))
          .map((n) => candle(n, String(n)))))
    )

  it.scoped("are no gap", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* seenOf([0, 1, 2, 5, 6]), ["0 ws", "1 ws", "2 rest", "5 ws", "6 ws"])
      assert.deepStrictEqual(yield* seenOf([0, 1, 5, 6]), ["0 ws", "1 ws", "5 ws", "6 ws"])
      assert.deepStrictEqual(yield* seenOf([0, 1, 3, 5, 6]), ["0 ws", "1 ws", "3 rest", "5 ws", "6 ws"])
    }))

  it.scoped("are a gap if the venue has pruned the candle before them", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* seenOf([4, 5, 6]), ["0 ws", "1 ws", `${2 * hour} to ${4 * hour - 1}: HistoryPruned`, "4 rest", "5 ws", "6 ws"])
    }))

  it.scoped("are flat candles, marked, if the feed fills them", () =>
    Effect.gen(function*() {
      const flat = (n: number, close: string) => [n, (n + 1) * hour - 1, close, close, "0", 0, true]
      assert.deepStrictEqual(yield* seenOf([0, 1, 2, 5, 6], { fillCandles: true }), [
        "0 ws", "1 ws", "2 rest", flat(3, "2"), flat(4, "2"), "5 ws", "6 ws"
      ])
      assert.deepStrictEqual(yield* seenOf([0, 1, 5, 6], { fillCandles: true }), [
        "0 ws", "1 ws", flat(2, "1"), flat(3, "1"), flat(4, "1"), "5 ws", "6 ws"
      ])
    }))
})
