// Streams that the venue does not have: by their names, and by their symbols.
import { assert, describe, it } from "@effect/vitest"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, connection, trade } from "../utils/venue.ts"

const { open, send, wait } = TestTransport

const failureOf = <A, E>(exit: Exit.Exit<A, E>) => {
  assert(Exit.isFailure(exit))
  return Effect.flip(Effect.failCause(exit.cause))
}

// Runs a stream that must end, and returns its error.
const errorOf = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.gen(function*() {
    const running = yield* Effect.fork(Effect.exit(Stream.runDrain(stream)))
    yield* TestClock.adjust("1 millis")
    const exit = yield* Fiber.poll(running)
    assert(Option.isSome(exit), "it waits")
    return yield* failureOf(yield* exit.value)
  })

describe("a name that the venue does not have", () => {
  const refused: ReadonlyArray<
    readonly [
      what: string,
      venue: Venue.Venue,
      read: (feed: BinanceFeed.BinanceFeed) => Stream.Stream<unknown, BinanceFeed.FeedError>,
      message: string
    ]
  > = [
    [
      "a misspelt kind",
      Venue.spot,
      ({ raw }) => raw("btcusdt@trad"),
      "There is no stream btcusdt@trad: the venue has no kind trad. Did you mean btcusdt@trade?"
    ],
    [
      "swapped letters",
      Venue.spot,
      ({ raw }) => raw("BTCUSDT@aggTarde"),
      "There is no stream btcusdt@aggTarde: the venue has no kind aggTarde. Did you mean btcusdt@aggTrade?"
    ],
    [
      "a symbol with a slash",
      Venue.spot,
      ({ trades }) => trades("BTC/USDT"),
      "There is no stream btc/usdt@trade: btc/usdt is no symbol. Did you mean btcusdt@trade?"
    ],
    [
      "no kind",
      Venue.spot,
      ({ raw }) => raw("btcusdt"),
      "There is no stream btcusdt: a name has a symbol and a kind, such as btcusdt@trade."
    ],
    [
      "an interval that does not exist",
      Venue.spot,
      // @ts-expect-error 7m is no interval.
      ({ klines }) => klines("BTCUSDT", "7m"),
      "There is no stream btcusdt@kline_7m: 7m is no interval. The intervals are 1s, 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w, 1M. " +
      "Did you mean btcusdt@kline_1m, btcusdt@kline_3m or btcusdt@kline_5m?"
    ],
    [
      "an interval that only spot has",
      Venue.futures,
      ({ klines }) => klines("BTCUSDT", "1s"),
      "There is no stream btcusdt@kline_1s: 1s is no interval. The intervals are 1m, 3m, 5m, 15m, 30m, 1h, 2h, 4h, 6h, 8h, 12h, 1d, 3d, 1w, 1M. " +
      "Did you mean btcusdt@kline_1m, btcusdt@kline_1h or btcusdt@kline_1d?"
    ],
    [
      "a stream of another market",
      Venue.spot,
      ({ raw }) => raw("!markPrice@arr"),
      "There is no stream !markPrice@arr: the venue does not document this form of its kind."
    ],
    [
      "a name in lower case",
      Venue.futures,
      ({ raw }) => raw("tradingsession"),
      "There is no stream tradingsession: a name has a symbol and a kind, such as btcusdt@trade. Did you mean tradingSession?"
    ]
  ]
  for (const [what, venue, read, message] of refused) {
    it.scoped(`fails at once: ${what}`, () =>
      Effect.gen(function*() {
        const feed = yield* BinanceFeed.make({ venue, connection })
        const error = yield* errorOf(read(feed))
        assert.strictEqual(error._tag, "StreamUnknown")
        assert.strictEqual(error.message, message)
        assert.lengthOf(yield* (yield* TestTransport.TestTransport).dials, 0)
      }).pipe(Effect.provide(TestTransport.layer([open(acknowledge)])), Effect.provide(answers(() => []))))
  }

  it.scoped("is asked for when it is not to be checked", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const running = yield* Effect.fork(Stream.runDrain(feed.raw("btcusdt@newThing", {}, { unchecked: true })))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual((yield* feed.subscriptions).map(({ topic }) => topic), ["btcusdt@newThing"])
      yield* Fiber.interrupt(running)
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge)])), Effect.provide(answers(() => []))))
})

describe("a symbol that the venue does not list", () => {
  const listed = { symbols: [{ symbol: "BTCUSDT" }, { symbol: "ETHUSDT" }, { symbol: "QUIETUSDT" }] }

  /** A REST interface that lists symbols while `isUp`, and says no other word. */
  const listing = (isUp: (at: number) => boolean, asked: Array<string>) =>
    Layer.effect(
      HttpClient.HttpClient,
      Effect.map(Effect.clock, (clock) =>
        HttpClient.make((request, url) =>
          Effect.sync(() => {
            asked.push(url.pathname)
            const isListing = isUp(clock.unsafeCurrentTimeMillis()) && url.pathname.endsWith("exchangeInfo")
            return HttpClientResponse.fromWeb(request, new Response(JSON.stringify(isListing ? listed : {}), { status: isListing ? 200 : 503 }))
          })))
    )

  const lists = (asked: ReadonlyArray<string>) => asked.filter((path) => path.endsWith("exchangeInfo")).length

  const once: Array<string> = []
  it.scoped("ends its stream within seconds, and no other", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const good = yield* Effect.fork(Stream.runCollect(Stream.take(feed.trades("BTCUSDT"), 2)))
      const quiet = yield* Effect.fork(Stream.runDrain(feed.trades("QUIETUSDT")))
      const wrong = yield* Effect.fork(Effect.exit(Stream.runDrain(feed.klines("ETHUDST", "1m"))))
      const strange = yield* Effect.fork(Effect.exit(Stream.runDrain(feed.trades("NOPEABCUSDT"))))
      yield* TestClock.adjust("5 seconds")
      const error = yield* failureOf(yield* Fiber.join(wrong))
      assert.strictEqual(
        error.message,
        "There is no stream ethudst@kline_1m: the venue does not list the symbol ETHUDST. Did you mean ethusdt@kline_1m?"
      )
      assert.strictEqual((yield* failureOf(yield* Fiber.join(strange)))._tag, "StreamUnknown")
      assert.isTrue(Option.isNone(yield* Fiber.poll(quiet)))
      yield* TestClock.adjust("10 seconds")
      assert.lengthOf(yield* Fiber.join(good), 2)
      // One request for all, and no second one.
      assert.strictEqual(lists(once), 1)
      yield* Fiber.interrupt(quiet)
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, wait("1 second"), send(trade(1)), wait("9 seconds"), send(trade(2)))])),
      Effect.provide(listing(() => true, once))
    ))

  const later: Array<string> = []
  it.scoped("is subscribed where the venue cannot be asked, and looked up later", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, rest: { giveUpAfter: "10 seconds" } })
      const wrong = yield* Effect.fork(Effect.exit(Stream.runDrain(feed.trades("NOPEUSDT"))))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Option.isNone(yield* Fiber.poll(wrong)))
      assert.deepStrictEqual((yield* feed.subscriptions).map(({ topic }) => topic), ["nopeusdt@trade"])
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* failureOf(yield* Fiber.join(wrong)))._tag, "StreamUnknown")
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge)])),
      Effect.provide(listing((at) => at >= 90_000, later))
    ))

  it.scoped("is not told from a list without symbols", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const running = yield* Effect.fork(Stream.runDrain(feed.trades("BTCUSDT")))
      yield* TestClock.adjust("10 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(running)))
      yield* Fiber.interrupt(running)
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge)])), Effect.provide(answers(() => ({ symbols: [] })))))

  it.scoped("may be one of COIN-M futures or an option, which the sockets of USD-M have too", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.futures, connection })
      const running = yield* Effect.forEach(
        ["btcusd_perp@trade", "btcusd@markPrice", "btc-251218-89000-p@optionTrade"],
        (name) => Effect.fork(Stream.runDrain(feed.raw(name)))
      )
      yield* TestClock.adjust("10 seconds")
      for (const fiber of running) assert.isTrue(Option.isNone(yield* Fiber.poll(fiber)))
      yield* Fiber.interruptAll(running)
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge), open(acknowledge)])), Effect.provide(answers(() => listed))))
})
