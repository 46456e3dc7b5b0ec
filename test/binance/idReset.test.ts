// A venue that resets its ids, as test networks do when they are emptied.
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, combined, connection, depth, snapshot, trade } from "../utils/venue.ts"

const { open, reset, send, wait } = TestTransport

const minute = 60_000
// The messages of one connection after another, before an id reset and after it.
const connections = (...each: ReadonlyArray<ReadonlyArray<string>>) =>
  TestTransport.layer(each.map((messages) => open(acknowledge, wait("1 second"), send(...messages), wait("1 second"), reset)))

const seenBy = (
  events: (feed: BinanceFeed.BinanceFeed) => BinanceFeed.Events<MarketEvent.MarketEvent>,
  { body = () => [], redundancy = 1, long = "20 seconds" }: {
    readonly body?: (url: URL) => unknown
    readonly redundancy?: number
    readonly long?: Duration.DurationInput
  } = {}
) =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection, redundancy })
    const seen: Array<unknown> = []
    yield* Effect.forkScoped(Stream.runForEach(events(feed), (event) =>
      Effect.sync(() => {
        const { data } = event
        if (MarketEvent.isGap(event)) seen.push(`gap from ${event.data.from}: ${event.data.cause.message}`)
        else if ("t" in data) seen.push(data.t)
        else if ("u" in data) seen.push(data.u)
      })))
    yield* TestClock.adjust(long)
    return seen
  }).pipe(Effect.provide(answers(body)))

const hasReset = "The missing events cannot be fetched. The venue has reset its ids."

describe("ids after a reset", () => {
  it.scoped("follow a gap without an end", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"))
      assert.deepStrictEqual(seen, [1_000, 1_001, 1_002, `gap from 1003: ${hasReset}`, 2, 3, 4])
    }).pipe(Effect.provide(connections(
      [trade(1_000, 1), trade(1_001, 2), trade(1_000, 1), trade(1_002, 2)],
      // A repeated older event is not new.
      [trade(1, 2), trade(2, minute), trade(3, 2 * minute), trade(4, 2 * minute), trade(3, 2 * minute)]
    ))))

  it.scoped("follow a gap when a stream resumes after an old id", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT", { after: 9_000 }))
      assert.deepStrictEqual(seen, [`gap from 9001: ${hasReset}`, 1, 2, 3, 4])
    }).pipe(Effect.provide(connections([trade(1, minute), trade(2, minute + 1), trade(3, 3 * minute), trade(4, 3 * minute)]))))

  it.scoped("follow a gap among the updates of a book", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.depth("BTCUSDT"))
      assert.deepStrictEqual(seen, [900, 901, `gap from 902: ${hasReset}`, 7, 8])
    }).pipe(Effect.provide(connections([depth(900, 1), depth(901, 2)], [depth(900, 1), depth(7, 2 * minute), depth(8, 2 * minute)]))))

  it.scoped("follow a gap among the updates of a book, none of which is lost, within the same minute", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.depth("BTCUSDT"))
      assert.deepStrictEqual(seen, [900, 901, `gap from 902: ${hasReset}`, 7, 8, 9, 10])
    }).pipe(Effect.provide(connections([depth(900, 1), depth(901, 2)], [depth(901, 3), depth(7, 4), depth(8, 5), depth(9, 6), depth(10, 7)]))))

  it.scoped("are no update that is said again", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.depth("BTCUSDT"))
      assert.deepStrictEqual(seen, [900, 901, 902, 903])
    }).pipe(Effect.provide(connections([depth(900, 1), depth(901, 2), depth(900, 3), depth(901, 4), depth(902, 5), depth(901, 6), depth(903, 7)]))))

  it.scoped("make a book take a new snapshot", () => {
    let lastUpdateId = 900
    return Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 901)
      lastUpdateId = 8
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 9)
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, send(depth(901, 1)), wait("2 seconds"), reset),
        open(acknowledge, send(depth(901, 1), depth(7, 2 * minute)), wait("1 second"), send(depth(8, 2 * minute), depth(9, 2 * minute)))
      ])),
      Effect.provide(answers(() => snapshot(lastUpdateId)))
    )
  })

  it.scoped("follow a gap even if they have passed the old ids during the outage", () =>
    Effect.gen(function*() {
      const fetched = (id: number) => ({ id, price: "1", qty: "1", time: 58 * minute + id, isBuyerMaker: true })
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"), {
        body: ({ searchParams }) => Array.from({ length: 40 }, (_, i) => fetched(Number(searchParams.get("fromId")) + i))
      })
      assert.deepStrictEqual(seen, [10, 11, `gap from 12: ${hasReset}`, 50, 51])
    }).pipe(Effect.provide(connections([trade(10, 1), trade(11, 2)], [trade(50, 60 * minute), trade(51, 60 * minute)]))))

  for (const ahead of [60, -60]) {
    it.scoped(`are not seen in trades from a REST interface whose clock is ${ahead} minutes ahead`, () =>
      Effect.gen(function*() {
        const times = new Map([[10, 1], [11, 2], [50, 60_000], [51, 60_001], [60, 61_000]])
        const fetched = (id: number) => ({ id, price: "1", qty: "1", time: (times.get(id) ?? 30_000) + ahead * minute, isBuyerMaker: true })
        const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)
        const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"), {
          // The REST interface is at 55, and later at 60.
          body: ({ searchParams }) => range(Number(searchParams.get("fromId")), 60).map(fetched),
          long: "1 minute"
        })
        assert.deepStrictEqual(seen, range(10, 62))
      }).pipe(Effect.provide(connections(
        [trade(10, 1), trade(11, 2)],
        [trade(50, 60_000), trade(51, 60_001), trade(55, 60_010), trade(12, 30_000)],
        [trade(60, 61_000), trade(61, 61_001), trade(59, 60_999), trade(62, 61_002)]
      ))))
  }

  it.scoped("follow a gap after an outage, although the clock of the REST interface is wrong", () =>
    Effect.gen(function*() {
      const fetched = (id: number) => ({ id, price: "1", qty: "1", time: 58 * minute + id - 30 * minute, isBuyerMaker: true })
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"), {
        body: ({ searchParams }) => Array.from({ length: 40 }, (_, i) => fetched(Number(searchParams.get("fromId")) + i))
      })
      assert.deepStrictEqual(seen, [10, 11, `gap from 12: ${hasReset}`, 50, 51])
    }).pipe(Effect.provide(connections([trade(10, 1), trade(11, 2)], [trade(50, 60 * minute), trade(51, 60 * minute)]))))

  it.scoped("are not seen in late events without a time from another connection", () =>
    Effect.gen(function*() {
      const ticker = (u: number) => combined("btcusdt@bookTicker", { u, s: "BTCUSDT", b: "1", B: "1", a: "2", A: "1" })
      const seen = yield* seenBy((feed) => feed.bookTicker("BTCUSDT"), { redundancy: 2, long: "3 minutes" }).pipe(
        Effect.provide(TestTransport.layer([
          open(acknowledge, wait("1 second"), send(ticker(899), ticker(900))),
          open(acknowledge, wait("70 seconds"), send(ticker(899), ticker(900)))
        ]))
      )
      assert.deepStrictEqual(seen, [899, 900])
    }))

  describe("of a book", () => {
    // The id of the book at each moment, or the reason why it is stale.
    const tops = (
      script: ReadonlyArray<TestTransport.Dial>,
      moments: ReadonlyArray<Duration.DurationInput>,
      body: (moment: number) => unknown
    ) => {
      let moment = 0
      return Effect.gen(function*() {
        const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
        const book = yield* feed.orderBook("BTCUSDT")
        const seen: Array<number | string> = []
        for (const long of moments) {
          yield* TestClock.adjust(long)
          moment++
          const top = yield* Effect.either(book.top(1))
          seen.push(top._tag === "Right" ? top.right.lastUpdateId : top.left.reason)
        }
        return seen
      }).pipe(Effect.provide(TestTransport.layer(script)), Effect.provide(answers(() => body(moment))))
    }
    const eachSecond = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => [wait("1 second"), send(depth(from + i, 2 * minute + 1_000 * i))]).flat()

    it.scoped("are not applied to a snapshot with an old id", () =>
      Effect.gen(function*() {
        const [before, lagging, after] = yield* tops(
          [
            open(acknowledge, send(depth(901, 1)), wait("2 seconds"), reset),
            open(acknowledge, send(depth(901, 1)), send(depth(7, 2 * minute)), ...eachSecond(8, 100))
          ],
          ["1500 millis", "5 seconds", "20 seconds"],
          (moment) => snapshot(moment < 2 ? 900 : 9)
        )
        assert.deepStrictEqual([before, lagging], [901, "the connection was lost"])
        assert.isTrue(typeof after === "number" && after < 100)
      }))

    it.scoped("are followed when an update with an old id was held first", () =>
      Effect.gen(function*() {
        const [top] = yield* tops([open(acknowledge, send(depth(901, 1)), ...eachSecond(8, 100))], ["1 minute"], () => snapshot(9))
        assert.isTrue(typeof top === "number" && top < 100)
      }))

    it.scoped("are noticed at the first update", () =>
      Effect.gen(function*() {
        const [before, after] = yield* tops(
          [
            open(acknowledge, send(depth(901, 1)), wait("2 seconds"), reset),
            open(acknowledge, send(depth(7, 2 * minute)), ...eachSecond(8, 100))
          ],
          ["1500 millis", "20 seconds"],
          (moment) => snapshot(moment < 1 ? 900 : 9)
        )
        assert.strictEqual(before, 901)
        assert.isTrue(typeof after === "number" && after < 100)
      }))
  })
})
