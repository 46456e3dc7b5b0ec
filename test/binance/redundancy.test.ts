// The gaps of a stream that cannot be repaired, over one connection and over several.
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, asksForTickers, combined, connection, depth, snapshot, tickers } from "../utils/venue.ts"

const { hang, open, reset, send, vanish, wait } = TestTransport

const stream = "btcusdt@notice"
const event = (t: number) => send(combined(stream, { e: "notice", E: t, s: "BTCUSDT", t }))

// The events that a reader gets in this time: ids and gaps.
const eventsIn = (options: Partial<BinanceFeed.Options>, long: Duration.DurationInput, rotateAfter?: Duration.DurationInput) =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, ...options })
    const seen: Array<unknown> = []
    yield* Effect.forkScoped(Stream.runForEach(feed.raw(stream, {}, { unchecked: true }), ({ data, type }) =>
      Effect.sync(() => {
        seen.push(type === "gap" ? "gap" : typeof data === "object" && "t" in data ? data.t : data)
      })))
    if (rotateAfter !== undefined) yield* Effect.forkScoped(Effect.delay(feed.rotate, rotateAfter))
    yield* TestClock.adjust(long)
    return seen
  }).pipe(Effect.scoped, Effect.provide(answers(() => ({}), 503)))

describe("a stream that cannot be repaired", () => {
  it.effect("has a gap at each loss of its connection, with data or without", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({}, "1 minute")
      assert.deepStrictEqual(seen, [1, "gap", "gap", 4])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), wait("1 second"), reset),
      open(acknowledge, wait("5 seconds"), reset),
      open(acknowledge, wait("1 second"), event(4))
    ]))))

  for (const redundancy of [1, 2]) {
    it.effect(`has a gap when a connection without data is lost before ${redundancy === 1 ? "its successor" : "the other connection"} is subscribed`, () =>
      Effect.gen(function*() {
        const seen = yield* eventsIn({ redundancy }, "1 minute", redundancy === 1 ? "2 seconds" : undefined)
        assert.deepStrictEqual(seen, ["gap", 5])
      }).pipe(Effect.provide(TestTransport.layer([
        open(acknowledge, wait("3 seconds"), reset),
        open(wait("4 seconds"), acknowledge, wait("20 seconds"), event(5)),
        hang
      ]))))
  }

  it.effect("has no gap when another connection brought it all the time", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({ redundancy: 2 }, "1 minute")
      assert.deepStrictEqual(seen, [1, 1, 2, 3, 3])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), wait("1 second"), reset),
      open(acknowledge, wait("1 second"), event(1), wait("2 seconds"), event(2), wait("4 seconds"), event(3)),
      open(acknowledge, wait("4 seconds"), event(3))
    ]))))

  it.effect("has one gap when both connections are lost at once", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({ redundancy: 2 }, "1 minute")
      assert.deepStrictEqual(seen, [1, 1, "gap", 4, 4])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), wait("1 second"), reset),
      open(acknowledge, wait("1 second"), event(1), wait("1 second"), reset),
      open(acknowledge, wait("1 second"), event(4)),
      open(acknowledge, wait("1 second"), event(4))
    ]))))

  it.effect("has a gap when a connection is lost before the other, open again, has data", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({ redundancy: 2 }, "1 minute")
      assert.deepStrictEqual(seen, [1, 1, "gap", 5, 6])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), wait("1 second"), reset),
      // The first is open again at 3 seconds and subscribed at 8.
      open(acknowledge, wait("1 second"), event(1), wait("4 seconds"), reset),
      open(wait("5 seconds"), acknowledge, event(5)),
      // Open again at 6 seconds.
      open(wait("10 seconds"), acknowledge, event(6))
    ]))))

  it.effect("has a gap when a connection was dead while the other was lost", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({ redundancy: 2, connection: { ...connection, messageTimeout: "10 seconds" } }, "30 seconds")
      assert.deepStrictEqual(seen, [1, 1, 5, 6, "gap", 7, 8, 8])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), wait("1 second"), reset),
      // It is dead from here on, which shows after 10 seconds.
      open(acknowledge, wait("1 second"), event(1), vanish),
      // The first is back after 3 seconds.
      open(acknowledge, wait("1 second"), event(5), wait("5 seconds"), event(6), wait("5 seconds"), event(7), wait("2 seconds"), event(8)),
      open(acknowledge, wait("4 seconds"), event(8))
    ]))))

  it.effect("has a gap when its connection is lost before the successor has data", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({}, "40 seconds", "2 seconds")
      assert.deepStrictEqual(seen, [1, "gap", 5])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), wait("2 seconds"), reset),
      open(wait("5 seconds"), acknowledge, event(5)),
      // The old connection opens again after that, and has no data.
      hang,
      open()
    ]))))

  it.effect("has a gap when the renewal shows that its connection was dead", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({}, "1 minute", "20 seconds")
      assert.deepStrictEqual(seen, [1, 5, "gap", 6])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), vanish),
      open(acknowledge, wait("1 second"), event(5), wait("10 seconds"), event(6))
    ]))))

  it.effect("has the data that the old connection brings a little after the successor", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({}, "1 minute", "20 seconds")
      assert.deepStrictEqual(seen, [1, 2, 4, 3, 4, 5])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), wait("19900 millis"), event(2), wait("300 millis"), event(3), event(4)),
      open(acknowledge, wait("1 second"), event(4), wait("10 seconds"), event(5))
    ]))))

  it.effect("has no gap when the old connection has data a little after the successor", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({}, "1 minute", "20 seconds")
      assert.deepStrictEqual(seen, [1, 2, 2, 3])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1), wait("20400 millis"), event(2)),
      open(acknowledge, wait("1 second"), event(2), wait("10 seconds"), event(3))
    ]))))

  it.effect("has no gap when it has no data during a renewal", () =>
    Effect.gen(function*() {
      const seen = yield* eventsIn({}, "1 minute", "2 seconds")
      assert.deepStrictEqual(seen, [1, 2])
    }).pipe(Effect.provide(TestTransport.layer([
      open(acknowledge, wait("1 second"), event(1)),
      open(acknowledge, wait("30 seconds"), event(2))
    ]))))
})

describe("a book", () => {
  const diff = (u: number) => send(depth(u))

  it.scoped("is stale while both its connections are open and neither brings it", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, redundancy: 2 })
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 11)
      // One connection is lost at 2 seconds and open again at 3; the other still brings the book.
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 12)
      // The other is lost at 4 and open again at 5. The subscription on the first one is not answered yet.
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Effect.flip(book.top(1)))._tag, "BookStale")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 13)
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("1 second"), diff(11), wait("1 second"), reset),
        open(acknowledge, wait("1 second"), diff(11), wait("2 seconds"), diff(12), wait("1 second"), reset),
        open(wait("5 seconds"), acknowledge, diff(13)),
        open(wait("30 seconds"), acknowledge)
      ])),
      Effect.provide(answers(() => snapshot(10)))
    ))

  it.scoped("completes awaitSynced only if it is still right when the caller reads it", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("2500 millis")
      // The next connection brings one update and is lost in the same moment.
      const waiting = yield* Effect.fork(Effect.zipRight(book.awaitSynced, book.best))
      yield* TestClock.adjust("1500 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), { bid: ["1.0", "13"], ask: ["1.1", "2"] })
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("1 second"), diff(11), wait("1 second"), reset),
        open(acknowledge, diff(12), reset),
        open(acknowledge, wait("1 second"), diff(13))
      ])),
      Effect.provide(answers(() => snapshot(10)))
    ))

  it.scoped("is stale when its updates stop and others go on", () => {
    let trades = 0
    return Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const book = yield* feed.orderBook("ETHUSDT")
      yield* Effect.forkScoped(Stream.runDrain(feed.depth("BTCUSDT")))
      yield* TestClock.adjust("25 seconds")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 25)
      yield* TestClock.adjust("38 seconds")
      assert.strictEqual((yield* Effect.flip(book.top(1))).reason, "its updates have stopped")
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, ...Array.from({ length: 100 }, (_, i) => [
          wait("1 second"),
          send(depth(i + 1, i, "BTCUSDT"), ...(i < 30 ? [depth(i + 1, i, "ETHUSDT")] : []))
        ]).flat())
      ])),
      Effect.provide(answers((url) => asksForTickers(url) ? tickers(url, ["BTCUSDT", "ETHUSDT"], () => trades++) : snapshot(10)))
    )
  })
})
