// Trades whose ids do not follow: ids that begin anew, ids that are none, and trades that are said again.
import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, connection, trade } from "../utils/venue.ts"

const { open, reset, send, wait } = TestTransport

const second = 1_000
const minute = 60_000
const hour = 3_600_000
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** What REST has: the time of each id. */
type Store = (id: number) => number | undefined

// The trades that a store has from an id on.
const pageOf = (store: Store, newest: number, ahead: number) => ({ searchParams }: URL) => {
  const from = Number(searchParams.get("fromId"))
  return from > newest
    ? []
    : range(from, Math.min(newest, from + 999)).flatMap((id) => {
      const time = store(id)
      return time === undefined ? [] : { id, price: "1", qty: "1", time: time + ahead, isBuyerMaker: true }
    })
}

interface Case {
  readonly script: ReadonlyArray<TestTransport.Dial>
  readonly store?: Store
  /** The newest id that REST has, by the number of requests. */
  readonly newest?: number | ((asked: number) => number)
  /** How far the clock of REST is ahead, by the number of requests. */
  readonly ahead?: number | ((asked: number) => number)
  /** Whether REST cannot be asked. */
  readonly isDown?: boolean
  readonly redundancy?: number
  readonly buffer?: number
  readonly long?: Duration.DurationInput
}

// The ids that a reader gets, its gaps, and what was skipped.
const seenIn = ({ ahead = 0, buffer, isDown = false, long = "30 seconds", newest = 0, redundancy = 1, script, store = () => undefined }: Case) => {
  let asked = 0
  return Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({
      venue: Venue.spot,
      connection,
      redundancy,
      ...(buffer === undefined ? {} : { buffer })
    })
    const seen: Array<number | string> = []
    const skipped: Array<string> = []
    yield* Effect.forkScoped(Stream.runForEach(feed.trades("BTCUSDT"), (event) =>
      Effect.sync(() => {
        if (event.type === "trade") seen.push(event.data.t)
        if (event.type === "gap") seen.push(`gap from ${event.data.from} to ${event.data.to}: ${event.data.cause._tag}`)
      })))
    yield* Effect.forkScoped(feed.events.forEach((event) =>
      Effect.sync(() => {
        if (event._tag === "InvalidMessage") skipped.push(event.error.reason)
      })))
    yield* TestClock.adjust(long)
    return { asked, seen, skipped }
  }).pipe(
    Effect.provide(TestTransport.layer(script)),
    Effect.provide(answers(
      (url) => {
        if (url.pathname.endsWith("historicalTrades")) asked++
        return pageOf(store, typeof newest === "number" ? newest : newest(asked), typeof ahead === "number" ? ahead : ahead(asked))(url)
      },
      () => isDown ? 503 : 200
    ))
  )
}

const resetGap = (due: number) => `gap from ${due} to undefined: NotRepairable`
// A second of trades at this pace, told each tenth of it.
const flow = (first: number, count: number, at: number, perSecond: number) => {
  const each = perSecond / 10
  return Array.from({ length: count / each }, (_, i) => [
    send(...range(first + i * each, first + i * each + each - 1).map((id) => trade(id, at + (id - first) * second / perSecond))),
    wait("100 millis")
  ]).flat()
}

describe("trades whose ids begin anew", () => {
  const old = [trade(999_999, 1), trade(1_000_000, 2)]
  const lower = (at: number): TestTransport.Dial => open(acknowledge, ...flow(1_000, 12_000, at, 200))

  it.scoped("are all read: 12,000 in the first minute", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [open(acknowledge, send(...old), wait("1 second"), reset), lower(2 * second)],
        store: (id) => id >= 1_000 ? 2 * second + (id - 1_000) * 5 : undefined,
        newest: 12_999,
        long: "90 seconds"
      })
      assert.deepStrictEqual(seen, [999_999, 1_000_000, resetGap(1_000_001), ...range(1_000, 12_999)])
    }))

  for (const ahead of [hour, -hour]) {
    it.scoped(`are all read although the clock of REST is ${ahead / minute} minutes ahead`, () =>
      Effect.gen(function*() {
        const { seen } = yield* seenIn({
          script: [open(acknowledge, send(...old), wait("1 second"), reset), lower(2 * second)],
          store: (id) => id >= 1_000 ? 2 * second + (id - 1_000) * 5 : undefined,
          newest: 12_999,
          ahead,
          long: "90 seconds"
        })
        assert.deepStrictEqual(seen, [999_999, 1_000_000, resetGap(1_000_001), ...range(1_000, 12_999)])
      }))
  }

  it.scoped("are all read although REST has the old ones for some seconds more", () => {
    let asked = 0
    const isStale = () => asked < 5
    return Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [open(acknowledge, send(...old), wait("1 second"), reset), lower(2 * second)],
        store: (id) => {
          if (id === 1_000 || id === 1_000_000) asked++
          return isStale() ? id - 999_998 : id >= 1_000 && id <= 12_999 ? 2 * second + (id - 1_000) * 5 : undefined
        },
        newest: 1_000_000,
        long: "90 seconds"
      })
      assert.deepStrictEqual(seen, [999_999, 1_000_000, resetGap(1_000_001), ...range(1_000, 12_999)])
    })
  })

  it.scoped("are all read while REST is down", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [open(acknowledge, send(...old), wait("1 second"), reset), lower(2 * second)],
        isDown: true,
        long: "90 seconds"
      })
      assert.deepStrictEqual(seen, [999_999, 1_000_000, resetGap(1_000_001), ...range(1_000, 12_999)])
    }))

  it.scoped("are all read while REST is down, though more come than are held", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [open(acknowledge, send(...old), wait("1 second"), reset), lower(2 * second)],
        isDown: true,
        buffer: 100,
        long: "90 seconds"
      })
      assert.deepStrictEqual(seen, [999_999, 1_000_000, resetGap(1_000_001), ...range(1_000, 12_999)])
    }))

  it.scoped("are all read while REST is down and the market is quiet", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [open(acknowledge, send(...old, trade(5, 20 * second), trade(6, 30 * second), trade(7, 40 * second)))],
        isDown: true,
        long: "10 minutes"
      })
      assert.deepStrictEqual(seen, [999_999, 1_000_000, resetGap(1_000_001), 5, 6, 7])
    }))

  it.scoped("are all read of two connections, each once", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [
          open(acknowledge, send(...old), wait("1 second"), ...flow(1_000, 4_000, 2 * second, 200)),
          open(acknowledge, send(...old), wait("3 seconds"), send(trade(1_000_001, 3)), ...flow(1_000, 4_000, 2 * second, 200))
        ],
        store: (id) => id >= 1_000 ? 2 * second + (id - 1_000) * 5 : undefined,
        newest: 4_999,
        redundancy: 2,
        long: "60 seconds"
      })
      assert.deepStrictEqual(seen.filter((each) => each !== 1_000_001), [999_999, 1_000_000, seen.includes(1_000_001) ? resetGap(1_000_002) : resetGap(1_000_001), ...range(1_000, 4_999)])
    }))

  it.scoped("at 1 are all read, although they soon pass the old ones", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [
          open(acknowledge, send(trade(3, 1), trade(4, 2), trade(5, 3)), wait("1 second"), reset),
          open(acknowledge, ...flow(1, 200, 5 * second, 20))
        ],
        store: (id) => 5 * second + (id - 1) * 50,
        newest: 200
      })
      assert.deepStrictEqual(seen, [3, 4, 5, resetGap(6), ...range(1, 200)])
    }))

  it.scoped("and pass the old ones during an outage of half a minute follow a gap", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [
          open(acknowledge, send(trade(10, 1), trade(11, 2)), wait("1 second"), reset),
          open(acknowledge, send(trade(50, 30 * second), trade(51, 30 * second)))
        ],
        store: (id) => 28 * second + id * 40,
        newest: 51
      })
      assert.deepStrictEqual(seen, [10, 11, "gap from 12 to undefined: NotRepairable", 50, 51])
    }))
})

describe("a trade that is said again", () => {
  it.scoped("with all that came before it is a repeat, as REST shows", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [open(
          acknowledge,
          send(...range(1, 50).map((id) => trade(id, id))),
          wait("61 seconds"),
          send(...range(1, 50).map((id) => trade(id, 61 * second + id)), trade(51, 62 * second)),
          wait("1 second"),
          send(trade(52, 63 * second))
        )],
        store: (id) => id <= 50 ? id : (id + 11) * second,
        newest: 52,
        long: "3 minutes"
      })
      assert.deepStrictEqual(seen, range(1, 52))
    }))

  for (const ahead of [0, hour, -hour]) {
    for (const isDown of [false, true]) {
      it.scoped(`after a quiet minute is a repeat, REST ${isDown ? "down" : `${ahead / minute} minutes ahead`}`, () =>
        Effect.gen(function*() {
          const { seen } = yield* seenIn({
            script: [open(
              acknowledge,
              send(trade(10, 1), trade(11, 2), trade(12, 3)),
              wait("61 seconds"),
              send(trade(12, 61 * second)),
              wait("20 seconds"),
              send(trade(12, 81 * second), trade(13, 82 * second), trade(14, 83 * second))
            )],
            store: (id) => id <= 12 ? id - 9 : (id + 69) * second,
            newest: 12,
            ahead,
            isDown,
            long: "3 minutes"
          })
          assert.deepStrictEqual(seen, [10, 11, 12, 13, 14])
        }))
    }
  }

  it.scoped("with others costs few requests, however often", () =>
    Effect.gen(function*() {
      const { asked, seen } = yield* seenIn({
        script: [open(
          acknowledge,
          send(trade(10, 1), trade(11, 2), trade(12, 3)),
          ...Array.from({ length: 300 }, (_, i) => [wait("1 second"), send(trade(11, i * second + 60), trade(12, i * second + 61))]).flat(),
          send(trade(13, 301 * second))
        )],
        store: (id) => id <= 12 ? id - 9 : undefined,
        newest: 12,
        long: "6 minutes"
      })
      assert.deepStrictEqual(seen, [10, 11, 12, 13])
      assert.isAtMost(asked, 20)
    }))
})

describe("an id that is none", () => {
  it.scoped("and the first of all does not silence the stream", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [open(acknowledge, send(trade(Number.MAX_SAFE_INTEGER, 3)), ...flow(12, 300, 4, 20))],
        store: (id) => 4 + (id - 12) * 50,
        newest: 30
      })
      assert.deepStrictEqual(seen, [Number.MAX_SAFE_INTEGER, resetGap(2 ** 53), ...range(12, 311)])
    }))

  for (const rogue of [Number.MAX_SAFE_INTEGER, 1_000_000, 600]) {
    for (const isDown of [false, true]) {
      // Without REST, a small leap is a loss.
      if (isDown && rogue === 600) continue
      it.scoped(`(${rogue}) is skipped, and the trades go on${isDown ? " while REST is down" : ""}`, () =>
        Effect.gen(function*() {
          const { seen, skipped } = yield* seenIn({
            script: [open(acknowledge, send(trade(10, 1), trade(11, 2), trade(rogue, 3)), ...flow(12, 300, 4, 20))],
            store: (id) => id < 12 ? id - 9 : 4 + (id - 12) * 50,
            newest: 13,
            isDown
          })
          assert.deepStrictEqual(seen, range(10, 311))
          assert.deepStrictEqual(skipped, [`its id ${rogue} is none of the stream: newer events have lower ids`])
        }))
    }
  }

  it.scoped("is not taken for the trade that later has this id", () =>
    Effect.gen(function*() {
      const { seen, skipped } = yield* seenIn({
        script: [open(acknowledge, send(trade(10, 1), trade(11, 2), trade(20, 3)), ...flow(12, 300, 4, 40))],
        store: (id) => id < 12 ? id - 9 : 4 + (id - 12) * 25,
        newest: (asked) => asked === 1 ? 11 : 22
      })
      assert.deepStrictEqual(seen, range(10, 311))
      assert.deepStrictEqual(skipped, ["its id 20 is none of the stream: newer events have lower ids"])
    }))

  it.scoped("is skipped in a quiet market, once REST has shown that it has no more", () =>
    Effect.gen(function*() {
      const { seen, skipped } = yield* seenIn({
        script: [open(
          acknowledge,
          send(trade(10, 1), trade(11, 2), trade(30, 3)),
          wait("100 millis"),
          send(trade(12, 4), trade(13, 5)),
          wait("1 minute"),
          send(trade(14, minute))
        )],
        store: (id) => id < 14 ? id - 9 : undefined,
        newest: 13,
        long: "2 minutes"
      })
      assert.deepStrictEqual(seen, range(10, 14))
      assert.deepStrictEqual(skipped, ["its id 30 is none of the stream: newer events have lower ids"])
    }))

  it.scoped("is not taken for the trade that later has this id, though the clock of REST is set meanwhile", () =>
    Effect.gen(function*() {
      const { seen, skipped } = yield* seenIn({
        script: [open(acknowledge, send(trade(10, 1), trade(11, 2), trade(20, 3)), wait("100 millis"), ...flow(12, 300, 4, 40))],
        store: (id) => id < 12 ? id - 9 : 4 + (id - 12) * 25,
        newest: (asked) => asked < 3 ? 11 : 22,
        ahead: (asked) => asked < 3 ? hour : 0
      })
      assert.deepStrictEqual(seen, range(10, 311))
      assert.deepStrictEqual(skipped, ["its id 20 is none of the stream: newer events have lower ids"])
    }))

  it.scoped("does not move the position while nothing follows it", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn({
        script: [open(
          acknowledge,
          send(trade(10, 1), trade(11, 2), trade(Number.MAX_SAFE_INTEGER, 3)),
          wait("3 minutes"),
          send(trade(12, 3 * minute)),
          wait("3 minutes"),
          send(trade(13, 6 * minute), trade(14, 6 * minute))
        )],
        store: (id) => id < 12 ? id - 9 : undefined,
        newest: 11,
        long: "10 minutes"
      })
      assert.deepStrictEqual(seen, [10, 11, 12, 13, 14])
    }))

  it.scoped("was one, if REST has it", () =>
    Effect.gen(function*() {
      const { seen, skipped } = yield* seenIn({
        script: [open(acknowledge, send(trade(10, 1), trade(11, 2), trade(5_000, 5_000)))],
        store: (id) => id < 12 ? id - 9 : id,
        newest: 5_000
      })
      assert.deepStrictEqual(seen, range(10, 5_000))
      assert.deepStrictEqual(skipped, [])
    }))

  it.scoped("was one, if later trades go on from it", () =>
    Effect.gen(function*() {
      const { seen, skipped } = yield* seenIn({
        script: [open(acknowledge, send(trade(10, 1), trade(11, 2), trade(5_000, 5_000)), wait("1 second"), send(trade(5_001, 5_001), trade(5_002, 5_002)))],
        isDown: true,
        long: "10 minutes"
      })
      assert.deepStrictEqual(seen, [10, 11, "gap from 12 to 4999: RestUnavailable", 5_000, 5_001, 5_002])
      assert.deepStrictEqual(skipped, [])
    }))
})
