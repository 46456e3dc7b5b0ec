// The streams of futures, and COIN-M futures as a venue.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { MarketEvent } from "holdfast/binance"
import { BinanceFeed, Rest, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, asksForSymbols, combined, connection } from "../utils/venue.ts"

const { open, send, wait } = TestTransport

const mark = (s: string, E: number, more: object = {}) => ({ e: "markPriceUpdate", E, s, p: "1.5", P: "1", r: "", T: 0, ...more })
const liquidation = (s: string) => ({
  e: "forceOrder",
  E: 1,
  o: { s, S: "SELL", o: "LIMIT", f: "IOC", q: "1", p: "2", ap: "2", X: "FILLED", l: "1", z: "1", T: 1 }
})

const listed = { symbols: [{ symbol: "BTCUSD_PERP", pair: "BTCUSD" }, { symbol: "BTCUSD_261225", pair: "BTCUSD" }] }

const coin = answers((url) => {
  assert.isTrue(url.href.startsWith("https://dapi.binance.com/dapi/v1/"), url.href)
  return asksForSymbols(url) ? listed : { lastUpdateId: 10, bids: [["1.0", "1"]], asks: [["1.1", "2"]] }
})

const first = <A extends MarketEvent.MarketEvent>(events: BinanceFeed.Events<A>, count: number) =>
  Effect.gen(function*() {
    const all: Array<string> = []
    yield* Effect.forkScoped(Stream.runForEach(Stream.take(events, count), ({ symbol, type }) => Effect.sync(() => all.push(`${symbol} ${type}`))))
    yield* TestClock.adjust("10 seconds")
    return all
  })

describe("futures", () => {
  const says = (stream: string, ...data: ReadonlyArray<object>) =>
    TestTransport.layer([open(acknowledge, wait("1 second"), ...data.map((each) => send(combined(stream, each))))])

  const methods: ReadonlyArray<
    readonly [stream: string, read: (feed: BinanceFeed.BinanceFeed) => BinanceFeed.Events<MarketEvent.MarketEvent>, data: object, seen: ReadonlyArray<string>]
  > = [
    ["btcusdt@markPrice", ({ markPrice }) => markPrice("BTCUSDT"), mark("BTCUSDT", 1, { i: "1" }), ["BTCUSDT markPrice"]],
    ["btcusdt@markPrice@1s", ({ markPrice }) => markPrice("BTCUSDT", "1s"), mark("BTCUSDT", 1), ["BTCUSDT markPrice"]],
    ["!markPrice@arr", ({ allMarkPrices }) => allMarkPrices(), [mark("A", 1), mark("B", 1)], ["A markPrice", "B markPrice"]],
    ["!markPrice@arr@1s", ({ allMarkPrices }) => allMarkPrices("1s"), [mark("A", 1)], ["A markPrice"]],
    ["btcusdt@forceOrder", ({ forceOrder }) => forceOrder("BTCUSDT"), liquidation("BTCUSDT"), ["BTCUSDT forceOrder"]],
    ["!forceOrder@arr", ({ allForceOrders }) => allForceOrders, liquidation("XYZUSDT"), ["XYZUSDT forceOrder"]]
  ]
  for (const [stream, read, data, seen] of methods) {
    it.scoped(`have a method for ${stream}`, () =>
      Effect.gen(function*() {
        const feed = yield* BinanceFeed.make({ venue: Venue.futures, connection })
        assert.deepStrictEqual(yield* first(read(feed), seen.length), seen)
      }).pipe(Effect.provide(says(stream, data)), Effect.provide(answers(() => ({}), 503))))
  }
})

describe("COIN-M futures", () => {
  it.scoped("have books, on the sockets and by REST", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.coinFutures, connection })
      const book = yield* feed.orderBook("BTCUSD_PERP")
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* book.best).bid, ["1.0", "7"])
      const [dial] = yield* (yield* TestTransport.TestTransport).dials
      assert.strictEqual(dial === undefined ? undefined : Redacted.value(dial.request.url), "wss://dstream.binance.com/public/stream")
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(
          acknowledge,
          wait("1 second"),
          send(combined("btcusd_perp@depth@100ms", { e: "depthUpdate", E: 1, T: 1, s: "BTCUSD_PERP", ps: "BTCUSD", U: 8, u: 12, pu: 7, b: [["1.0", "7"]], a: [] }))
        )
      ])),
      Effect.provide(coin)
    ))

  it.scoped("have streams of a pair, with the events of all its contracts", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.coinFutures, connection })
      assert.deepStrictEqual(yield* first(feed.markPrice("BTCUSD"), 2), ["BTCUSD_261225 markPrice", "BTCUSD_PERP markPrice"])
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("1 second"), send(combined("btcusd@markPrice", [mark("BTCUSD_261225", 1), mark("BTCUSD_PERP", 1)])))
      ])),
      Effect.provide(coin)
    ))

  it.scoped("know their symbols, their pairs and the names of continuous contracts", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.coinFutures, connection })
      const known = ["btcusd_perp@trade", "btcusd@indexPrice", "btcusd_perpetual@continuousKline_1m", "btcusd_next_quarter@continuousKline_1m"]
      const ended: Array<string> = []
      yield* Effect.fork(Stream.runForEach(feed.raw([...known, "btcusd_prep@trade", "btcusdt@compositeIndex"]), ({ data }) =>
        Effect.sync(() => ended.push("error" in data ? String(data.error) : ""))))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(ended.map((error) => error.replace(/^StreamUnknown: /, "")), [
        "There is no stream btcusdt@compositeIndex: the venue does not document this form of its kind.",
        "There is no stream btcusd_prep@trade: the venue does not list the symbol BTCUSD_PREP. Did you mean btcusd_perp@trade?"
      ])
      assert.deepStrictEqual(new Set((yield* feed.subscriptions).map(({ topic }) => topic)), new Set(known))
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge), open(acknowledge)])), Effect.provide(coin)))

  it.effect("answer with a list for the ticker of one symbol", () =>
    Effect.gen(function*() {
      const rest = yield* Rest.make(Venue.coinFutures)
      const latest = yield* rest.latestTrades(["BTCUSD_PERP"])
      assert.deepStrictEqual(Option.fromNullable(latest.get("BTCUSD_PERP")), Option.some(7))
    }).pipe(Effect.provide(answers(() => [{ symbol: "BTCUSD_PERP", pair: "BTCUSD", lastId: 7 }]))))
})

describe("the venues of Binance", () => {
  it("have an address each", () => {
    const venues = [Venue.spot, Venue.dataOnly, Venue.testnet, Venue.demo, Venue.us, Venue.futures, Venue.futuresTestnet, Venue.coinFutures]
    assert.strictEqual(new Set(venues.map(({ name }) => name)).size, venues.length)
    assert.strictEqual(new Set(venues.map(({ ws }) => String(ws))).size, venues.length)
    for (const { rest, ws } of venues) assert.match(`${String(ws)} ${rest}`, /^wss:\/\/[a-z.-]+(?::\d+)? https:\/\/[a-z.-]+$/)
  })
})
