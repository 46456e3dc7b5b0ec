import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, OrderBook, Payloads, Rest, StreamKind, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, combined } from "../utils/venue.ts"

const { hang, open, reset, send, wait } = TestTransport

const trade = (t: number, p = "1.5") =>
  combined("btcusdt@trade", { e: "trade", E: t, T: t, s: "BTCUSDT", t, p, q: "1", X: "MARKET", m: true })

const answers = (body: (url: URL) => unknown, asked: Array<string> = []) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) => {
      asked.push(`${url.host}${url.pathname}${url.search}`)
      return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(JSON.stringify(body(url)))))
    })
  )

const connection = { messageTimeout: Duration.infinity, pingInterval: Duration.infinity }

describe("USD-M futures", () => {
  it.scoped("use a route by the kind of stream, and have no gap at ids that became no trade", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.futures, connection })
      const trades = yield* Effect.fork(Stream.runCollect(Stream.take(feed.trades("BTCUSDT"), 3)))
      yield* TestClock.adjust("1 second")
      const klines = yield* Effect.fork(Stream.runHead(feed.klines("BTCUSDT", "1m")))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        [...yield* Fiber.join(trades)].map((event) => event.type === "gap" ? "gap" : event.data.t),
        [1, 3, 4]
      )
      const { dials } = yield* TestTransport.TestTransport
      assert.deepStrictEqual((yield* dials).map(({ request }) => Redacted.value(request.url)), [
        "wss://fstream.binance.com/public/stream",
        "wss://fstream.binance.com/market/stream"
      ])
      yield* Fiber.interrupt(klines)
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("100 millis"), send(trade(1), trade(2, "0"), trade(3), trade(4))),
        open(acknowledge)
      ])),
      Effect.provide(answers(() => []))
    ))

  it.scoped("say that a key is wanted where the latest trades do not reach what is missing", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.futures, connection })
      const events = yield* Effect.fork(Stream.runCollect(Stream.take(feed.trades("BTCUSDT"), 3)))
      yield* TestClock.adjust("1 minute")
      const seen = [...yield* Fiber.join(events)].map((event) => event.type === "gap" ? event.data.cause.message : event.data.t)
      assert.deepStrictEqual(seen, [
        1,
        "The missing events cannot be fetched. Without an API key, the venue serves only the latest 1000 trades of a symbol. The option apiKey of rest gives one.",
        5
      ])
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, wait("100 millis"), send(trade(1), trade(5)))])),
      Effect.provide(Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request, url) => {
          const isRefused = url.pathname.endsWith("/historicalTrades")
          const body = isRefused ? { code: -2014, msg: "API-key format invalid." } : []
          return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(JSON.stringify(body), { status: isRefused ? 401 : 200 })))
        })
      ))
    ))

  it.scoped("have books that follow the update in `pu`", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.futures, connection })
      const book = yield* feed.orderBook("BTCUSDT", { levels: 5 })
      yield* TestClock.adjust("1 second")
      yield* book.awaitSynced
      const top = yield* book.top(5)
      assert.deepStrictEqual(top, { lastUpdateId: 30, bids: [["1.0", "4"]], asks: [["1.1", "2"]] })
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(
          acknowledge,
          wait("100 millis"),
          ...[[8, 14, 7, "3"] as const, [20, 30, 14, "4"] as const].map(([U, u, pu, quantity]) =>
            send(combined("btcusdt@depth@100ms", {
              e: "depthUpdate",
              E: 1,
              T: 1,
              s: "BTCUSDT",
              U,
              u,
              pu,
              b: [["1.0", quantity]],
              a: []
            }))
          )
        )
      ])),
      Effect.provide(answers(() => ({ lastUpdateId: 10, bids: [["1.0", "1"]], asks: [["1.1", "2"]], E: 1, T: 1 })))
    ))
})

describe("a book", () => {
  const diff = (U: number, u: number, quantity: string) =>
    combined("btcusdt@depth@100ms", { e: "depthUpdate", E: 1, s: "BTCUSDT", U, u, b: [["1.0", quantity]], a: [] })

  it.scoped("reports each change once, and is stale from the moment its connection is lost", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection: { ...connection, reconnect: { jitterFactor: 0 } } })
      const book = yield* feed.orderBook("BTCUSDT")
      const seen: Array<string> = []
      yield* Effect.fork(Stream.runForEach(book.changes, (change) =>
        Effect.sync(() => seen.push(change._tag === "Updated" ? `Updated ${change.lastUpdateId}` : change._tag))))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, ["Stale", "Synced", "Updated 12"])
      yield* TestClock.adjust("9500 millis")
      assert.strictEqual((yield* Effect.flip(book.best))._tag, "BookStale")
      // The first update of the new connection is an old one; the next one continues the book.
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(book.best))._tag, "BookStale")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* book.best, { bid: ["1.0", "7"], ask: ["1.1", "2"] })
      assert.deepStrictEqual(seen, ["Stale", "Synced", "Updated 12", "Stale", "Synced"])
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(
          acknowledge,
          wait("100 millis"),
          send(diff(9, 10, "3")),
          wait("200 millis"),
          send(diff(10, 10, "4"), diff(11, 12, "5")),
          wait("10 seconds"),
          TestTransport.reset
        ),
        open(acknowledge, wait("100 millis"), send(diff(12, 12, "6")), wait("2 seconds"), send(diff(13, 13, "7")))
      ])),
      Effect.provide(answers(() => ({ lastUpdateId: 10, bids: [["1.0", "1"]], asks: [["1.1", "2"]] })))
    ))

  for (
    const [venue, desired, requested] of [
      ["spot", 20, 500],
      ["spot", 500, 1_000],
      ["spot", 9_999, 5_000],
      ["futures", 1, 500],
      ["futures", 300, 1_000],
      ["futures", 5_000, 1_000]
    ] as const
  ) {
    const urls: Array<string> = []
    it.scoped(`requests a snapshot of ${requested} levels from ${venue} for a book of ${desired} levels`, () =>
      Effect.gen(function*() {
        const feed = yield* BinanceFeed.make({ venue: Venue[venue], connection })
        yield* feed.orderBook("BTCUSDT", { levels: desired })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(new URLSearchParams(urls[0]?.split("?")[1]).get("limit"), String(requested))
      }).pipe(
        Effect.provide(TestTransport.layer([open(acknowledge, send(diff(11, 11, "3")))])),
        Effect.provide(answers(() => ({ lastUpdateId: 10, bids: [["1.0", "1"]], asks: [["1.1", "2"]] }), urls))
      ))
  }
})

describe("a book that waits for its snapshot", () => {
  const update = combined("btcusdt@depth@100ms", { e: "depthUpdate", E: 1, s: "BTCUSDT", U: 8, u: 11, b: [], a: [] })
  const snapshot = () => new Response(JSON.stringify({ lastUpdateId: 10, bids: [["1.0", "1"]], asks: [["1.1", "2"]] }))

  const venue = (answer: Effect.Effect<Response>) =>
    Layer.succeed(
      HttpClient.HttpClient,
      HttpClient.make((request) => Effect.map(answer, (response) => HttpClientResponse.fromWeb(request, response)))
    )

  const stale = (book: OrderBook.OrderBook) => Effect.map(Effect.flip(book.best), ({ message }) => message)

  it.scoped("reports why, and is right as soon as it has one", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, rest: { giveUpAfter: "2 minutes" } })
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(
        yield* stale(book),
        "The order book of BTCUSDT is stale: no snapshot came. The request depth failed: status 503."
      )
      yield* TestClock.adjust("2 minutes")
      yield* book.awaitSynced
      assert.deepStrictEqual(yield* book.best, { bid: ["1.0", "1"], ask: ["1.1", "2"] })
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, wait("100 millis"), send(update))])),
      Effect.provide(venue(Effect.map(Clock.currentTimeMillis, (now) =>
        now < 300_000 ? new Response("", { status: 503 }) : snapshot())))
    ))

  it.scoped("needs no second one if a side is complete and short", () => {
    const asked: Array<string> = []
    const bids = Array.from({ length: 100 }, (_, i) => [`${1_000 - i}.0`, "1"])
    return Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const book = yield* feed.orderBook("BTCUSDT", { levels: 100 })
      yield* TestClock.adjust("10 seconds")
      yield* book.awaitSynced
      assert.deepStrictEqual((yield* book.best).ask, ["1001.0", "1"])
      assert.strictEqual(asked.filter((url) => url.includes("depth")).length, 1)
    }).pipe(
      Effect.provide(TestTransport.layer([open(
        acknowledge,
        ...Array.from({ length: 20 }, (_, i) => i + 101).flatMap((u) => [
          wait("100 millis"),
          send(combined("btcusdt@depth@100ms", { e: "depthUpdate", E: u, s: "BTCUSDT", U: u, u, b: [["900.0", "2"]], a: [] }))
        ])
      )])),
      Effect.provide(answers((url) =>
        url.pathname.endsWith("depth") ? { lastUpdateId: 100, bids, asks: [["1001.0", "1"], ["1002.0", "1"]] } : [], asked))
    )
  })

  it.scoped("stays stale if the connection is lost meanwhile", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("20 seconds")
      assert.match(yield* stale(book), /the connection was lost/)
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("100 millis"), send(update), wait("4 seconds"), reset),
        hang
      ])),
      Effect.provide(venue(Effect.delay(Effect.sync(snapshot), "8 seconds")))
    ))
})

describe("a symbol that the venue does not know", () => {
  it.scoped("fails its streams, unlike a known symbol without data", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      yield* Effect.fork(Stream.runDrain(feed.trades("BTCUSDT")))
      const misspelt = yield* Effect.fork(Effect.exit(Stream.runDrain(feed.trades("BTCUDST"))))
      const quiet = yield* Effect.fork(Stream.runHead(feed.trades("QUIETUSDT")))
      yield* TestClock.adjust("10 minutes")
      const exit = yield* Fiber.join(misspelt)
      assert(Exit.isFailure(exit))
      const error = yield* Effect.flip(Effect.failCause(exit.cause))
      assert.match(error.message, /^The topic btcudst@trade had no data for .*, and the peer does not know it\. Check its name\.$/)
      assert(Option.isNone(yield* Fiber.poll(quiet)))
    }).pipe(
      Effect.provide(TestTransport.layer(Array.from({ length: 5 }, () =>
        open(acknowledge, ...Array.from({ length: 600 }, (_, i) => [wait("1 second"), send(trade(i + 1))]).flat())))),
      Effect.provide(Layer.succeed(
        HttpClient.HttpClient,
        HttpClient.make((request, url) =>
          Effect.succeed(HttpClientResponse.fromWeb(
            request,
            url.searchParams.get("symbol") === "BTCUDST"
              ? new Response(`{"code":-1121,"msg":"Invalid symbol."}`, { status: 400 })
              : new Response(`{"lastUpdateId":1,"bids":[],"asks":[]}`)
          )))
      ))
    ))
})

describe("candles of another time zone", () => {
  const kline = (t: number) =>
    combined("btcusdt@kline_1d@+08:00", {
      e: "kline",
      E: t,
      s: "BTCUSDT",
      k: { t, T: t + 9, s: "BTCUSDT", i: "1d", f: 1, L: 2, o: "1", c: "1", h: "1", l: "1", v: "1", n: 1, x: true, q: "1", V: "1", Q: "1" }
    })

  it.scoped("are fetched by their time zone", () => {
    const asked: Array<string> = []
    return Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const klines = yield* Effect.fork(Stream.runCollect(Stream.take(feed.klines("BTCUSDT", "1d@+08:00"), 3)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([...yield* Fiber.join(klines)].map(({ via }) => via), ["ws", "rest", "ws"])
      assert.deepStrictEqual(asked, [
        "api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1d&startTime=0&endTime=20&limit=1000&timeZone=08%3A00"
      ])
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, wait("100 millis"), send(kline(0), kline(20)))])),
      Effect.provide(answers(() => [0, 10, 20].map((t) => [t, "1", "1", "1", "1", "1", t + 9, "1", 1, "1", "1", "0"]), asked))
    )
  })
})

describe("an id that the venue does not have", () => {
  it.scoped("is no trade and no gap", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const client = answers(
        () => [1, 3, 4].map((id) => ({ id, price: "1.5", qty: "1", time: id, isBuyerMaker: true })),
        asked
      )
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection }).pipe(Effect.provide(client))
      const trades = yield* Effect.fork(Stream.runCollect(Stream.take(feed.trades("BTCUSDT"), 3)))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(
        [...yield* Fiber.join(trades)].map((event) => event.type === "gap" ? "gap" : event.data.t),
        [1, 3, 4]
      )
      assert.deepStrictEqual(asked, ["api.binance.com/api/v3/historicalTrades?symbol=BTCUSDT&fromId=1&limit=1000"])
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, wait("100 millis"), send(trade(1), trade(3), trade(4)))]))
    ))
})

describe("connections", () => {
  const chatter = Array.from({ length: 40 }, (_, i) => [wait("1 minute"), send(trade(i + 1))]).flat()

  it.scoped("are renewed at an age of their own, up to a tenth below maxAge", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, maxAge: "20 minutes" })
      yield* Effect.fork(Stream.runDrain(feed.trades("BTCUSDT")))
      yield* TestClock.adjust("30 minutes")
      const { dials, endings } = yield* TestTransport.TestTransport
      const [first, second, ...more] = (yield* dials).map(({ at }) => at)
      assert.strictEqual(first, 0)
      assert.isTrue(second !== undefined && second >= 18 * 60_000 && second <= 20 * 60_000)
      assert.deepStrictEqual(more, [])
      assert.deepStrictEqual(yield* endings, { closed: 1, terminated: 0, abandoned: 0 })
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, ...chatter), open(acknowledge, ...chatter)])),
      Effect.provide(answers(() => []))
    ))

  it.scoped("are renewed later if a successor does not open", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, maxAge: "20 minutes" })
      yield* Effect.fork(Stream.runDrain(feed.trades("BTCUSDT")))
      yield* TestClock.adjust("30 minutes")
      const { dials, endings } = yield* TestTransport.TestTransport
      const [, began = 0, ...later] = (yield* dials).map(({ at }) => at)
      assert.isAtLeast(began, 18 * 60_000)
      // The successor is dialled again for 30 seconds. The next one follows after five minutes.
      const second = later.pop() ?? 0
      assert.strictEqual(second - began, 5 * 60_000)
      assert.isTrue(later.every((at) => at - began < 30_000))
      assert.deepStrictEqual(yield* endings, { closed: 1, terminated: 0, abandoned: 0 })
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, ...chatter), hang, hang, hang, open(acknowledge, ...chatter)])),
      Effect.provide(answers(() => []))
    ))

  it.scoped("are added when streams no longer fit, and merged when they fit again", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, streamsPerConnection: 4 })
      const fibers = yield* Effect.forEach(
        ["a", "b", "c", "d", "e", "f", "g", "h"],
        (name) => Effect.fork(Stream.runDrain(feed.raw(`${name}@thing`, {}, { unchecked: true })))
      )
      yield* TestClock.adjust("10 seconds")
      const { dials, open: live } = yield* TestTransport.TestTransport
      assert.deepStrictEqual([(yield* dials).length, yield* live], [2, 2])
      yield* Effect.forEach([0, 1, 2, 4, 5], (i) => Effect.suspend(() => {
        const fiber = fibers[i]
        return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
      }))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([(yield* dials).length, yield* live], [2, 1])
      assert.deepStrictEqual((yield* feed.subscriptions).map(({ topic }) => topic).sort(), ["d@thing", "g@thing", "h@thing"])
      yield* Fiber.interruptAll(fibers)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* live, 0)
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge), open(acknowledge)])),
      Effect.provide(answers(() => []))
    ))
})

describe("the settings", () => {
  it.scoped("can be read through Config", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.BinanceFeed
      yield* Effect.fork(Stream.runDrain(feed.trades("BTCUSDT")))
      yield* TestClock.adjust("1 second")
      const { dials } = yield* TestTransport.TestTransport
      assert.strictEqual((yield* dials).length, 2)
    }).pipe(
      Effect.provide(BinanceFeed.layerConfig({
        venue: Config.succeed(Venue.spot),
        connection: Config.succeed(connection),
        redundancy: Config.integer("REDUNDANCY")
      })),
      Effect.provide(TestTransport.layer([open(acknowledge), open(acknowledge)])),
      Effect.provide(answers(() => [])),
      Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["REDUNDANCY", "2"]])))
    ))
})

describe("the payloads", () => {
  const level = ["1.0", "2.0"]
  const samples: ReadonlyArray<readonly [stream: string, data: object]> = [
    ["btcusdt@trade", { e: "trade", E: 1, s: "BTCUSDT", t: 1, p: "1", q: "1", T: 1, m: true, M: true }],
    ["btcusdt@aggTrade", { e: "aggTrade", E: 1, s: "BTCUSDT", a: 1, p: "1", q: "1", f: 1, l: 1, T: 1, m: true, nq: "1" }],
    ["btcusdt@avgPrice", { e: "avgPrice", E: 1, s: "BTCUSDT", i: "5m", w: "1", T: 1 }],
    ["btcusdt@referencePrice", { e: "referencePrice", s: "BTCUSDT", r: null, t: 1 }],
    ["btcusdt@blockTrade", { e: "blockTrade", E: 1, s: "BTCUSDT", t: 1, p: "1", q: "1", T: 1, m: true }],
    ["btcusdt@markPrice", { e: "markPriceUpdate", E: 1, s: "BTCUSDT", p: "1", i: "1", P: "1", r: "", T: 1, ap: "1" }],
    ["btcusdt@forceOrder", {
      e: "forceOrder",
      E: 1,
      o: { s: "BTCUSDT", S: "SELL", o: "LIMIT", f: "IOC", q: "1", p: "1", ap: "1", X: "FILLED", l: "1", z: "1", T: 1 }
    }],
    ["btcusdt@depth5", { lastUpdateId: 1, bids: [level], asks: [level] }],
    ["btcusdt@depth5", { e: "depthUpdate", E: 1, T: 1, s: "BTCUSDT", U: 1, u: 2, pu: 0, b: [level], a: [level] }],
    ["btcusdt@depth@100ms", { e: "depthUpdate", E: 1, s: "BTCUSDT", U: 1, u: 2, b: [level], a: [level] }]
  ]
  for (const [stream, data] of samples) {
    it(`of ${stream} are valid with unknown fields, and invalid without a required field`, () => {
      const decoder = MarketEvent.fromStream(stream)
      assert.isTrue(Either.isRight(decoder.decode(data, 0)))
      const events = Either.getOrThrow(decoder.decode({ ...data, brandNew: 1 }, 0))
      assert.strictEqual(events[0]?.type, StreamKind.parse(stream).kind.type)
      for (const field of Object.keys(data)) {
        if (["M", "nq", "pu", "ap", "i"].includes(field) && !stream.includes("depth5")) continue
        const { [field]: _, ...rest }: Record<string, unknown> = { ...data }
        assert.isTrue(Either.isLeft(decoder.decode(rest, 0)), field)
      }
    })
  }

  it("hold microseconds as well as milliseconds, and every digit of a price", () => {
    const data = { e: "trade", E: 1795487667300123, s: "B", t: 1, p: "0.12345678901234567890", q: "1", T: 1, m: true }
    const [event] = Either.getOrThrow(MarketEvent.decoders.trade("b@trade").decode(data, 0))
    assert(event !== undefined)
    assert.strictEqual(event.timestamp, 1795487667300123)
    assert.strictEqual(event.data.p, "0.12345678901234567890")
    assert.isTrue(Option.isNone(Schema.decodeUnknownOption(Payloads.Decimal)("1e5")))
    assert.strictEqual(OrderBook.makeLadder("bids", [["1.10", "2"]]).quantityAt("1.1"), "2")
  })
})

describe("the REST client", () => {
  it.scoped("sends no request before Retry-After has passed, not even one that waited for the weight limit", () =>
    Effect.gen(function*() {
      const asked: Array<number> = []
      const clock = yield* Effect.clock
      const client = HttpClient.make((request) =>
        Effect.suspend(() => {
          asked.push(clock.unsafeCurrentTimeMillis())
          return asked.length === 1
            ? Effect.delay(
              Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}", { status: 429, headers: { "retry-after": "100" } }))),
              "1 second"
            )
            : Effect.succeed(HttpClientResponse.fromWeb(request, new Response("[]")))
        }))
      const rest = yield* Rest.make({ ...Venue.spot, weightPerMinute: 30 }).pipe(
        Effect.provideService(HttpClient.HttpClient, client)
      )
      yield* Effect.fork(rest.trades("BTCUSDT", 1))
      yield* Effect.fork(rest.trades("BTCUSDT", 2))
      yield* TestClock.adjust("5 minutes")
      assert.isAtLeast(asked.length, 2)
      assert.isAtLeast(asked[1] ?? 0, 101_000)
    }))
})
