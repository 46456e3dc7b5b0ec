// Streams that begin in the past: history comes first, and runs into the present without a seam.
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, combined, connection, trade } from "../utils/venue.ts"

const { open, send, wait } = TestTransport

const second = 1_000
const minute = 60_000
const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i)

// The market of these tests: a trade each second, whose id is the second, and candles of a minute by its number.
const now = 30_000 * second + 500
const newest = Math.floor(now / second)

const storedTrade = (id: number) => ({ id, price: "1", qty: "1", time: id * second, isBuyerMaker: true })
// Two trades to an aggregate one.
const storedAggTrade = (a: number) => ({ a, p: "1", q: "1", f: 2 * a, l: 2 * a + 1, T: 2 * a * second, m: true })
const storedCandle = (n: number) => [n * minute, "1", "1", "1", "1", "1", (n + 1) * minute - 1, "1", 1, "1", "1", "0"]

const limitOf = (query: URLSearchParams) => Number(query.get("limit"))
const numberOf = (query: URLSearchParams, name: string) => query.has(name) ? Number(query.get(name)) : undefined

const tradesOf = (query: URLSearchParams, latest: number) => {
  const from = Math.max(1, numberOf(query, "fromId") ?? 0)
  return range(from, Math.min(latest, from + limitOf(query) - 1)).map(storedTrade)
}
const aggTradesOf = (query: URLSearchParams, latest: number) => {
  const last = Math.floor((latest - 1) / 2)
  const since = numberOf(query, "startTime")
  const first = since === undefined ? numberOf(query, "fromId") : Math.ceil(since / (2 * second))
  const count = limitOf(query)
  return first === undefined ? range(last - count + 1, last).map(storedAggTrade) : range(first, Math.min(last, first + count - 1)).map(storedAggTrade)
}
const candlesOf = (query: URLSearchParams, latest: number) => {
  const last = Math.floor(Math.min(latest * second, numberOf(query, "endTime") ?? Number.MAX_SAFE_INTEGER) / minute)
  const from = numberOf(query, "startTime")
  const count = limitOf(query)
  const first = from === undefined ? Math.max(0, last - count + 1) : Math.ceil(from / minute)
  return range(first, Math.min(last, first + count - 1)).map(storedCandle)
}

const venue = (asked: Array<string> = [], latest: () => number = () => newest) =>
  answers(({ pathname, searchParams }) => {
    const path = pathname.slice("/api/v3/".length)
    asked.push(path)
    switch (path) {
      case "historicalTrades":
        return tradesOf(searchParams, latest())
      case "aggTrades":
        return aggTradesOf(searchParams, latest())
      case "klines":
        return candlesOf(searchParams, latest())
      case "ticker/24hr":
        return { symbol: "BTCUSDT", lastId: latest() }
      default:
        return { symbols: [{ symbol: "BTCUSDT" }] }
    }
  })

const says = (...messages: ReadonlyArray<TestTransport.Step>) => TestTransport.layer([open(acknowledge, ...messages)])
const liveTrade = (id: number) => send(trade(id, id * second))
const liveAggTrade = (a: number) =>
  send(combined("btcusdt@aggTrade", { e: "aggTrade", E: 2 * a * second, s: "BTCUSDT", a, p: "1", q: "1", f: 2 * a, l: 2 * a + 1, T: 2 * a * second, m: true }))
const liveCandle = (n: number, x: boolean, E = n * minute + 1) =>
  send(combined("btcusdt@kline_1m", {
    e: "kline",
    E,
    s: "BTCUSDT",
    k: { t: n * minute, T: (n + 1) * minute - 1, s: "BTCUSDT", i: "1m", f: 1, L: 2, o: "1", c: "1", h: "1", l: "1", v: "1", n: 1, x, q: "1", V: "1", Q: "1" }
  }))

const positionOf = ({ data }: MarketEvent.MarketEvent): number | undefined =>
  "k" in data && typeof data.k === "object" && data.k !== null && "t" in data.k && "x" in data.k
    ? data.k.x === true ? Number(data.k.t) / minute : undefined
    : "t" in data ? Number(data.t) : "a" in data ? Number(data.a) : undefined

// The positions of events, and the bounds and causes of gaps. Candles that form are left out.
const collect = (events: BinanceFeed.Events<MarketEvent.MarketEvent>) =>
  Effect.gen(function*() {
    const seen: Array<number | string> = []
    yield* Effect.forkScoped(Stream.runForEach(events, (event) =>
      Effect.sync(() => {
        const { data } = event
        const position = positionOf(event)
        if (MarketEvent.isGap(event)) seen.push(`${event.data.from} to ${event.data.to}: ${event.data.cause._tag}`)
        else if ("error" in data) seen.push(String(data.error))
        else if (position !== undefined) seen.push(position)
        else if (event.type !== "kline") seen.push(event.type)
      })))
    return seen
  })

const feedAt = (options: Partial<BinanceFeed.Options> = {}) =>
  Effect.zipRight(TestClock.setTime(now), BinanceFeed.make({ venue: Venue.spot, connection, ...options }))

const seenBy = (read: (feed: BinanceFeed.BinanceFeed) => BinanceFeed.Events<MarketEvent.MarketEvent>, options?: Partial<BinanceFeed.Options>) =>
  Effect.gen(function*() {
    const feed = yield* feedAt(options)
    const seen = yield* collect(read(feed))
    yield* TestClock.adjust("30 seconds")
    return seen
  })

describe("candles with a history", () => {
  const newestCandle = Math.floor(now / minute)
  const live = says(wait("2 seconds"), liveCandle(newestCandle, false), liveCandle(newestCandle, true), liveCandle(newestCandle + 1, true))

  for (const last of [1, 300]) {
    it.scoped(`begin with the last ${last}, and go on with those that arrive`, () =>
      Effect.gen(function*() {
        const seen = yield* seenBy((feed) => feed.klines("BTCUSDT", "1m", { last }))
        assert.deepStrictEqual(seen, range(newestCandle - last, newestCandle + 1))
      }).pipe(Effect.provide(live), Effect.provide(venue())))
  }

  it.scoped("of more than one page are whole", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(100 * now)
      const newestCandle = Math.floor(100 * now / minute)
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const seen = yield* collect(feed.klines("BTCUSDT", "1m", { last: 2_500 }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, range(newestCandle - 2_500, newestCandle - 1))
    }).pipe(Effect.provide(says()), Effect.provide(venue([], () => 100 * newest))))

  it.scoped("are all there are where the venue has fewer", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.klines("BTCUSDT", "1m", { last: 900 }))
      assert.deepStrictEqual(seen, range(0, newestCandle + 1))
    }).pipe(Effect.provide(live), Effect.provide(venue())))

  it.scoped("miss none that closes before the subscription begins", () =>
    Effect.gen(function*() {
      const latest = { value: newest }
      const seen = yield* Effect.gen(function*() {
        const feed = yield* feedAt()
        const seen = yield* collect(feed.klines("BTCUSDT", "1m", { last: 3 }))
        yield* TestClock.adjust("1 second")
        latest.value = newest + 240
        yield* TestClock.adjust("5 minutes")
        return seen
      }).pipe(
        Effect.provide(says(wait("4 minutes"), liveCandle(newestCandle + 4, true))),
        Effect.provide(venue([], () => latest.value))
      )
      assert.deepStrictEqual(seen, range(newestCandle - 3, newestCandle + 4))
    }))

  it.scoped("begin with the first that opens at a moment or after it", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.klines("BTCUSDT", "1m", { since: new Date((newestCandle - 10) * minute - 1) }))
      assert.deepStrictEqual(seen, range(newestCandle - 10, newestCandle + 1))
    }).pipe(Effect.provide(live), Effect.provide(venue())))

  it.scoped("of a moment to come begin with the candle that opens then", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.klines("BTCUSDT", "1m", { since: newestCandle * minute + 1 }))
      assert.deepStrictEqual(seen, [newestCandle + 1])
    }).pipe(Effect.provide(live), Effect.provide(venue())))

  it.scoped("are a gap where repairLimit allows no more", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.klines("BTCUSDT", "1m", { last: 300 }), { repairLimit: 100 })
      const [gap, ...candles] = seen
      assert.match(String(gap), /^\d+ to \d+: GapTooLarge$/)
      assert.isAtLeast(candles.length, 100)
      assert.deepStrictEqual(candles, range(newestCandle + 2 - candles.length, newestCandle + 1))
      assert.isTrue(String(gap).startsWith(`${(newestCandle - 300) * minute} to `), String(gap))
    }).pipe(Effect.provide(live), Effect.provide(venue())))
})

describe("trades with a history", () => {
  const live = says(wait("2 seconds"), liveTrade(newest + 2), liveTrade(newest + 3))

  const moments: ReadonlyArray<readonly [name: string, since: DateTime.DateTime.Input]> = [
    ["a DateTime", DateTime.unsafeMake((newest - 2_500) * second)],
    ["a Date", new Date((newest - 2_500) * second)],
    ["Unix time", (newest - 2_500) * second]
  ]
  for (const [name, since] of moments) {
    it.scoped(`begin at ${name}, and go on with those that arrive`, () =>
      Effect.gen(function*() {
        const seen = yield* seenBy((feed) => feed.trades("BTCUSDT", { since }))
        assert.deepStrictEqual(seen, range(newest - 2_500, newest + 3))
      }).pipe(Effect.provide(live), Effect.provide(venue([], () => newest + 1))))
  }

  it.scoped("begin with the last of them", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT", { last: 50 }))
      assert.deepStrictEqual(seen, range(newest + 2 - 50, newest + 3))
    }).pipe(Effect.provide(live), Effect.provide(venue([], () => newest + 1))))

  it.scoped("are all there are where the venue has fewer", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT", { last: 50 }))
      assert.deepStrictEqual(seen, range(1, 6))
    }).pipe(Effect.provide(says(wait("2 seconds"), liveTrade(6))), Effect.provide(venue([], () => 5))))

  it.scoped("miss none that happens while the venue has none since the moment", () => {
    let asked = 0
    return Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT", { since: (newest + 10) * second }))
      assert.deepStrictEqual(seen, range(newest + 10, newest + 15))
    }).pipe(
      Effect.provide(says(wait("10 seconds"), liveTrade(newest + 15))),
      // Trades happen between the first question and the subscription.
      Effect.provide(venue([], () => newest + (++asked < 2 ? 0 : asked < 4 ? 11 : 15)))
    )
  })

  it.scoped("that are aggregate begin at a moment, and with the last of them", () =>
    Effect.gen(function*() {
      const last = Math.floor((newest - 1) / 2)
      const feed = yield* feedAt()
      const since = yield* collect(feed.aggTrades("BTCUSDT", { since: (last - 30) * 2 * second }))
      const latest = yield* collect(feed.aggTrades("BTCUSDT", { last: 20 }))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(since, range(last - 30, last + 1))
      assert.deepStrictEqual(latest, range(last - 19, last + 1))
    }).pipe(Effect.provide(says(wait("2 seconds"), liveAggTrade(Math.floor((newest - 1) / 2) + 1))), Effect.provide(venue())))

  it.scoped("are fetched for each reader, however late it comes", () =>
    Effect.gen(function*() {
      const feed = yield* feedAt()
      const events = feed.trades("BTCUSDT", { last: 5 })
      const first = yield* collect(events)
      yield* TestClock.adjust("1 minute")
      const second = yield* collect(events)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(first, range(newest - 4, newest))
      assert.deepStrictEqual(second, first)
    }).pipe(Effect.provide(says()), Effect.provide(venue())))

  it.scoped("are a gap where repairLimit allows no more, and whole after it", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT", { last: 3_000 }), { repairLimit: 1_000 })
      assert.deepStrictEqual(seen, [`${newest - 2_999} to ${newest - 1_000}: GapTooLarge`, ...range(newest - 999, newest)])
    }).pipe(Effect.provide(says()), Effect.provide(venue())))

  it.scoped("are a gap while the venue cannot be asked, and those that arrive follow it", () =>
    Effect.gen(function*() {
      const feed = yield* feedAt({ rest: { giveUpAfter: "10 seconds" } })
      const seen = yield* collect(feed.trades("BTCUSDT", { last: 5 }))
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual(seen, ["undefined to undefined: RestUnavailable", newest + 2, newest + 3])
    }).pipe(Effect.provide(live), Effect.provide(answers(() => ({}), 503))))

  it.scoped("do not begin earlier, even if the venue returns older ones", () =>
    Effect.gen(function*() {
      const feed = yield* feedAt({ rest: { giveUpAfter: "10 seconds" } })
      const seen = yield* collect(feed.aggTrades("BTCUSDT", { since: now - minute }))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen, ["undefined to undefined: RestUnavailable"])
    }).pipe(Effect.provide(says()), Effect.provide(answers(() => [storedAggTrade(1)]))))
})

describe("a stream without a history", () => {
  it.scoped("says so with a gap, unless only the latest event matters", () =>
    Effect.gen(function*() {
      const feed = yield* feedAt()
      const depth = yield* collect(feed.raw("btcusdt@depth", { last: 5 }))
      const ticker = yield* collect(feed.raw("btcusdt@bookTicker", { last: 5 }))
      const strange = yield* collect(feed.raw("btcusdt@notice", { since: 5 }, { unchecked: true }))
      yield* TestClock.adjust("10 seconds")
      const gap = "undefined to undefined: NotRepairable"
      assert.deepStrictEqual([depth, ticker, strange], [[gap], [], [gap]])
    }).pipe(Effect.provide(says()), Effect.provide(venue())))
})

describe("a beginning that is out of range", () => {
  const wrong = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]
  const reads: ReadonlyArray<readonly [name: string, read: (feed: BinanceFeed.BinanceFeed, from: BinanceFeed.After) => BinanceFeed.Events<MarketEvent.MarketEvent>]> = [
    ["trades", (feed, from) => feed.trades("BTCUSDT", from)],
    ["aggTrades", (feed, from) => feed.aggTrades("BTCUSDT", from)],
    ["blockTrades", (feed, from) => feed.blockTrades("BTCUSDT", from)],
    ["klines", (feed, from) => feed.klines("BTCUSDT", "1m", from)],
    ["raw depth", (feed, from) => feed.raw("btcusdt@depth", from)],
    ["raw ticker", (feed, from) => feed.raw("btcusdt@ticker", from)]
  ]
  const failureOf = (read: (feed: BinanceFeed.BinanceFeed) => BinanceFeed.Events<MarketEvent.MarketEvent>) =>
    Effect.gen(function*() {
      const feed = yield* feedAt()
      return (yield* Effect.flip(Stream.runDrain(read(feed)))).message
    }).pipe(Effect.scoped, Effect.provide(says()), Effect.provide(venue()))

  for (const [name, read] of reads) {
    it.effect(`is refused: after, of ${name}`, () =>
      Effect.forEach(wrong, (after) =>
        Effect.map(failureOf((feed) => read(feed, { after })), (message) => {
          assert.strictEqual(message, `Expected a whole number from 0, but received "${after}"`)
        })))
  }

  it.effect("is refused: since and last", () =>
    Effect.gen(function*() {
      for (const since of [-1, Number.NaN, "no time"]) {
        assert.match(yield* failureOf((feed) => feed.trades("BTCUSDT", { since })), /^Expected a whole number from 0, but received "/)
      }
      for (const last of [0, ...wrong]) {
        assert.strictEqual(
          yield* failureOf((feed) => feed.klines("BTCUSDT", "1m", { last })),
          `Expected a whole number from 1, but received "${last}"`
        )
      }
    }))

  it.scoped("ends the one of several streams that has it", () =>
    Effect.gen(function*() {
      const feed = yield* feedAt()
      const seen = yield* collect(feed.trades(["BTCUSDT", "ETHUSDT"], (symbol) => symbol === "BTCUSDT" ? { last: 2 } : { after: Number.NaN }))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(seen.filter((each) => typeof each === "number"), [newest - 1, newest])
      assert.strictEqual(seen.length, 3)
      assert.isTrue((yield* Clock.currentTimeMillis) > now)
    }).pipe(Effect.provide(says()), Effect.provide(venue())))
})
