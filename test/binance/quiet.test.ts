// Streams that have nothing to say, beside streams that have, and one that is dead.
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, asksForSymbols, asksForTickers, combined, connection, tickers } from "../utils/venue.ts"

const { expect, open, send, wait } = TestTransport

const symbolsOf = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}USDT`)

const quiet = symbolsOf("QUIET", 280)

const tradeOf = (symbol: string, t: number) =>
  combined(`${symbol.toLowerCase()}@trade`, { e: "trade", E: t, T: t, s: symbol, t, p: "1", q: "1", m: true })

const make = BinanceFeed.make({ venue: Venue.spot, connection: { ...connection, messageTimeout: "30 seconds" } })

const subscribesTo = (topic: string) => (message: unknown) => String(message).includes("SUBSCRIBE") && String(message).includes(topic)

describe("quiet streams", () => {
  it.effect("keep their connection and their readers for an hour, beside busy ones", () => {
    const busy = symbolsOf("BUSY", 20)
    let last = 0
    const rounds = Array.from({ length: 720 }, (_, i) => [wait("5 seconds"), send(...busy.map((symbol) => tradeOf(symbol, i + 1)))]).flat()
    let weight = 0
    return Effect.gen(function*() {
      const feed = yield* make
      const trades = yield* Effect.fork(Stream.runForEach(feed.trades(busy), (event) =>
        Effect.sync(() => {
          assert.strictEqual(event.type, "trade")
          last++
        })))
      const candles = yield* Effect.fork(Stream.runDrain(feed.klines(quiet, "1m")))
      yield* TestClock.adjust("1 hour")
      const transport = yield* TestTransport.TestTransport
      // The streams of both routes have a connection each.
      assert.isAtMost((yield* transport.dials).length, 2)
      assert.strictEqual(last, 720 * 20)
      assert.isNull(trades.unsafePoll())
      assert.isNull(candles.unsafePoll())
      // A weight of 80 for all symbols, every 13 seconds.
      assert.isAtMost(weight / 60, 370)
    }).pipe(
      Effect.scoped,
      Effect.provide(answers((url) => {
        // Once, to find symbols that it does not list.
        if (asksForSymbols(url)) return { symbols: [...busy, ...quiet].map((symbol) => ({ symbol })) }
        weight += 80
        assert.isTrue(asksForTickers(url), url.pathname)
        return tickers(url, [...busy, ...quiet], (symbol) => symbol.startsWith("BUSY") ? last : 3)
      })),
      Effect.provide(TestTransport.layer([open(acknowledge, ...rounds), open(acknowledge)]))
    )
  }, 120_000)

  it.effect("do not hide one that is dead: it flows again within a minute, and nothing is missing", () => {
    // The ids of the trades that the venue knows: two a second.
    let started = 0
    const known = Effect.map(Effect.clock, (clock) => () => Math.floor((clock.unsafeCurrentTimeMillis() - started) / 500))
    return Effect.gen(function*() {
      const latest = yield* known
      started = 0
      return yield* Effect.gen(function*() {
        const feed = yield* make
        yield* Effect.fork(Stream.runDrain(feed.klines(quiet, "1m")))
        const reading = yield* Effect.fork(Stream.runCollect(Stream.takeUntil(feed.trades("BTCUSDT"), (event) => event.type === "trade" && event.data.t === 200)))
        yield* TestClock.adjust("61 seconds")
        const transport = yield* TestTransport.TestTransport
        assert.strictEqual((yield* transport.sent).filter(subscribesTo("btcusdt@trade")).length, 2)
        yield* TestClock.adjust("1 minute")
        const events = yield* Fiber.join(reading)
        const ids = Chunk.toReadonlyArray(events).map((event) => event.type === "trade" ? event.data.t : -1)
        assert.deepStrictEqual(ids, Array.from({ length: 200 }, (_, i) => i + 1))
      }).pipe(
        Effect.scoped,
        Effect.provide(answers((url) => {
          if (asksForTickers(url)) return tickers(url, ["BTCUSDT", ...quiet], (symbol) => symbol === "BTCUSDT" ? latest() : 3)
          const from = Number(url.searchParams.get("fromId"))
          return Array.from({ length: Math.max(0, latest() - from + 1) }, (_, i) => ({
            id: from + i,
            price: "1",
            qty: "1",
            time: 1,
            isBuyerMaker: true
          }))
        })),
        Effect.provide(TestTransport.layer([
          open(
            acknowledge,
            ...Array.from({ length: 5 }, (_, i) => [wait("500 millis"), send(tradeOf("BTCUSDT", i + 1))]).flat(),
            expect(subscribesTo("btcusdt@trade")),
            ...Array.from({ length: 110 }, () => [wait("500 millis")]).flat(),
            send(tradeOf("BTCUSDT", 200))
          ),
          open(acknowledge)
        ]))
      )
    })
  })
})
