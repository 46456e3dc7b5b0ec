// Repairs: the requests that a feed sends for missing events, and those that it does not send.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, asksForTickers, combined, connection, tickers, trade } from "../utils/venue.ts"

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
  repairLimit: 100
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
  it.scoped("ends after a few requests if the venue returns only known trades", () => {
    const storedTrade = (id: number) => ({ id, price: "1", qty: "1", time: id, isBuyerMaker: true })
    const { asked, layer } = counted(() => Array.from({ length: 1_000 }, (_, i) => storedTrade(i + 1)))
    return Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"), ({ data }) => "t" in data ? data.t : data)
      assert.deepStrictEqual(seen, [2_000, "2001 to 2009: NotServedYet", 2_010])
      assert.isAtMost(asked.length, 10)
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, send(trade(2_000), trade(2_010)))])),
      Effect.provide(layer)
    )
  })

  for (const [missing, expected] of [[100, "fetches"], [101, "emits a gap instead of"]] as const) {
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
          assert.deepStrictEqual(seen, [0, `${minute} to ${after - 1}: GapTooLarge`, after])
          assert.deepStrictEqual(asked, [])
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
