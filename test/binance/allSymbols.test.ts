// Streams that have the events of several symbols.
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, combined, connection } from "../utils/venue.ts"

const { open, send, wait } = TestTransport

const mini = (s: string, E: number) => ({ e: "24hrMiniTicker", E, s, c: "1", o: "1", h: "1", l: "1", v: "1", q: "1" })
const mark = (s: string, E: number) => ({ e: "markPriceUpdate", E, s, p: "1", ap: "1", i: "1", P: "1", r: "0.0001", T: 2 })
const best = (s: string, u: number, E: number) => ({ e: "bookTicker", u, E, T: E, s, b: "1", B: "1", a: "2", A: "1" })

const seenIn = (stream: string, options: Partial<BinanceFeed.Options>, long: Duration.DurationInput = "10 seconds") =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({ venue: Venue.futures, connection, ...options })
    const seen: Array<string> = []
    yield* Effect.forkScoped(Stream.runForEach(feed.raw(stream), ({ symbol, timestamp }) =>
      Effect.sync(() => {
        seen.push(`${symbol} ${timestamp}`)
      })))
    yield* TestClock.adjust(long)
    return seen
  }).pipe(Effect.scoped, Effect.provide(answers(() => ({}), 503)))

describe("a stream of all symbols", () => {
  const list = (stream: string, ...events: ReadonlyArray<object>) => send(combined(stream, events))

  it.effect("has a position for each symbol: two messages may be of one moment", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* seenIn("!markPrice@arr@1s", {}), [
        "BTCUSDT 1000",
        "ETHUSDT 1000",
        "TSLAUSDT 1000",
        "BTCUSDT 2000",
        "TSLAUSDT 2000"
      ])
    }).pipe(Effect.provide(TestTransport.layer([
      open(
        acknowledge,
        wait("1 second"),
        list("!markPrice@arr@1s", mark("BTCUSDT", 1_000), mark("ETHUSDT", 1_000)),
        list("!markPrice@arr@1s", mark("TSLAUSDT", 1_000)),
        list("!markPrice@arr@1s", mark("BTCUSDT", 2_000)),
        list("!markPrice@arr@1s", mark("TSLAUSDT", 2_000), mark("ETHUSDT", 1_000))
      )
    ]))))

  it.effect("loses nothing of a message whose first event is older than that of the one before", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* seenIn("!miniTicker@arr", {}), ["BTCUSDT 1900", "ETHUSDT 1950", "BTCUSD_PERP 1850"])
    }).pipe(Effect.provide(TestTransport.layer([
      open(
        acknowledge,
        wait("1 second"),
        list("!miniTicker@arr", mini("BTCUSDT", 1_900), mini("ETHUSDT", 1_950)),
        list("!miniTicker@arr", mini("BTCUSD_PERP", 1_850))
      )
    ]))))

  it.effect("has each event once over two connections, whose messages are cut at different moments", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* seenIn("!miniTicker@arr", { redundancy: 2 }), [
        "ETHUSDT 1100",
        "BTCUSDT 1900",
        "ETHUSDT 1400",
        "ETHUSDT 2100",
        "BTCUSDT 2900",
        "ETHUSDT 2400"
      ])
    }).pipe(Effect.provide(TestTransport.layer([
      open(
        acknowledge,
        wait("1 second"),
        list("!miniTicker@arr", mini("ETHUSDT", 1_100), mini("BTCUSDT", 1_900)),
        wait("2 seconds"),
        list("!miniTicker@arr", mini("ETHUSDT", 2_100), mini("BTCUSDT", 2_900))
      ),
      open(
        acknowledge,
        wait("2 seconds"),
        list("!miniTicker@arr", mini("ETHUSDT", 1_400), mini("BTCUSDT", 1_200)),
        wait("2 seconds"),
        list("!miniTicker@arr", mini("ETHUSDT", 2_400), mini("BTCUSDT", 2_900))
      )
    ]))))

  it.effect("has ids for each symbol", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* seenIn("!bookTicker", { redundancy: 2 }), ["BTCUSDT 1", "ETHUSDT 2", "BTCUSDT 3"])
    }).pipe(Effect.provide(TestTransport.layer(
      Array.from({ length: 2 }, () =>
        open(
          acknowledge,
          wait("1 second"),
          send(combined("!bookTicker", best("BTCUSDT", 500, 1))),
          send(combined("!bookTicker", best("ETHUSDT", 7, 2))),
          send(combined("!bookTicker", best("BTCUSDT", 501, 3)))
        ))
    ))))

  it.effect("may have several events of one moment and symbol in one message", () =>
    Effect.gen(function*() {
      const stream = "btcusdt@optionMarkPrice"
      assert.deepStrictEqual(yield* seenIn(stream, { redundancy: 2 }), ["BTCUSDT 5", "BTCUSDT 5", "BTCUSDT 6"])
    }).pipe(Effect.provide(TestTransport.layer(
      Array.from({ length: 2 }, () =>
        open(
          acknowledge,
          wait("1 second"),
          // Without symbols.
          list("btcusdt@optionMarkPrice", { e: "markPrice", E: 5, mp: "1" }, { e: "markPrice", E: 5, mp: "2" }),
          list("btcusdt@optionMarkPrice", { e: "markPrice", E: 6, mp: "3" })
        ))
    ))))
})
