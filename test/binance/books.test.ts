// Order books on bad days: connections that flap, markets that run away, snapshots that differ, updates without end.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { OrderBook} from "holdfast/binance";
import { BinanceFeed, Venue } from "holdfast/binance"
import { Metrics } from "holdfast/market"
import { TestTransport } from "holdfast/testing"
import { acknowledge, combined, connection, depth } from "../utils/venue.ts"

const { open, reset, send, wait } = TestTransport

/** A REST interface that answers by the time in milliseconds, with status 503 where there is no body. */
const restAt = (body: (at: number, url: URL) => unknown, takes: Duration.DurationInput = 0) => {
  const asked: Array<number> = []
  const layer = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.gen(function*() {
        const at = yield* Clock.currentTimeMillis
        if (url.pathname.endsWith("/depth")) asked.push(at)
        yield* Effect.sleep(takes)
        const answer = body(at, url)
        const text = JSON.stringify(answer ?? {})
        const response = HttpClientResponse.fromWeb(request, new Response(null, { status: answer === undefined ? 503 : 200 }))
        // Without a promise, which would need real time.
        Object.defineProperty(response, "text", { value: Effect.succeed(text) })
        Object.defineProperty(response, "json", { value: Effect.sync((): unknown => JSON.parse(text)) })
        Object.defineProperty(response, "stream", { value: Stream.make(new TextEncoder().encode(text)) })
        return response
      })
    )
  )
  return { asked, layer }
}

/** The changes of a book's status, with their times. */
const statuses = (book: OrderBook.OrderBook) =>
  Effect.gen(function*() {
    const seen: Array<{ readonly tag: "Synced" | "Stale"; readonly at: number }> = []
    yield* Effect.forkScoped(Stream.runForEach(book.changes, ({ _tag: tag }) =>
      Effect.map(Clock.currentTimeMillis, (at) => {
        if (tag === "Synced" || tag === "Stale") seen.push({ tag, at })
      })))
    return seen
  })

const staleTimes = (seen: ReadonlyArray<{ readonly tag: "Synced" | "Stale"; readonly at: number }>) =>
  seen.flatMap(({ at, tag }, i) => {
    const next = seen[i + 1]
    return tag === "Stale" && next?.tag === "Synced" ? [next.at - at] : []
  })

const makeFeed = BinanceFeed.make({ venue: Venue.spot, connection })

/** What books drop, by the events of their feed. */
const droppedBy = (feed: BinanceFeed.BinanceFeed) => {
  const dropped = { levels: 0, updates: 0 }
  return Effect.as(Effect.forkScoped(feed.events.forEach((event) =>
    Effect.sync(() => {
      if (event._tag === "BookDropped") dropped[event.what] += event.count
    }))), dropped)
}

const countOf = (what: string) =>
  Effect.map(
    Metric.value(Metric.tagged(Metric.tagged(Metrics.bookDropped, "market.source", "binance"), "what", what)),
    ({ count }) => count
  )

describe("a book whose connection flaps", () => {
  it.scoped("is as soon right after the twentieth loss as after the first", () => {
    let epoch = 0
    const dials = function*() {
      for (;;) {
        epoch++
        const updates = Array.from({ length: 30 }, (_, i) => [send(depth(1_000 * epoch + i + 1)), wait("100 millis")]).flat()
        yield open(acknowledge, ...updates, reset)
      }
    }
    const rest = restAt(() => ({ lastUpdateId: 1_000 * epoch, bids: [["1.0", "1"]], asks: [["1.1", "2"]] }), "20 millis")
    return Effect.gen(function*() {
      const book = yield* (yield* makeFeed).orderBook("BTCUSDT")
      const seen = yield* statuses(book)
      yield* TestClock.adjust("90 seconds")
      const [, ...stale] = staleTimes(seen)
      assert.isAbove(stale.length, 19)
      // The dial waits for a second.
      for (const time of stale) assert.isBelow(time, 1_200)
    }).pipe(Effect.provide(TestTransport.layer(dials())), Effect.provide(rest.layer))
  })

  it.scoped("takes its snapshot at the first update, however rare they are", () => {
    let epoch = 0
    const dials = function*() {
      for (;;) {
        epoch++
        yield open(acknowledge, send(depth(1_000 * epoch + 1)), wait("1 minute"), send(depth(1_000 * epoch + 2)), reset)
      }
    }
    const rest = restAt(() => ({ lastUpdateId: 1_000 * epoch, bids: [["1.0", "1"]], asks: [["1.1", "2"]] }))
    return Effect.gen(function*() {
      const book = yield* (yield* makeFeed).orderBook("BTCUSDT")
      const seen = yield* statuses(book)
      yield* TestClock.adjust("150 seconds")
      assert.deepStrictEqual(staleTimes(seen).slice(1).map((time) => Math.round(time / 1_000)), [1, 1])
    }).pipe(Effect.provide(TestTransport.layer(dials())), Effect.provide(rest.layer))
  })

  it.scoped("still backs off from snapshots that are wrong", () => {
    const updates = Array.from({ length: 600 }, (_, i) => [
      wait("100 millis"),
      send(combined("btcusdt@depth@100ms", { e: "depthUpdate", E: i, s: "BTCUSDT", U: i + 1, u: i + 1, b: [["2.0", "1"]], a: [] }))
    ]).flat()
    const rest = restAt((at) => ({ lastUpdateId: Math.floor(at / 100), bids: [["1.0", "1"]], asks: [["1.1", "2"]] }))
    return Effect.gen(function*() {
      yield* (yield* makeFeed).orderBook("BTCUSDT")
      yield* TestClock.adjust("1 minute")
      assert.isAbove(rest.asked.length, 5)
      assert.isBelow(rest.asked.length, 25)
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, ...updates)])), Effect.provide(rest.layer))
  })
})

// ---------------------------------------------------------------------------------------------------------------------

// A market whose price rises by five ticks with each update: the best asks go, and bids come. It is 3,000 levels deep on each side.
const sideLength = 3_000
const step = 5
const price = (ticks: number) => (1_000 + ticks / 100).toFixed(2)
const bidsAt = (n: number, count: number): ReadonlyArray<OrderBook.Level> => Array.from({ length: Math.min(count, sideLength) }, (_, i) => [price(n * step - 1 - i), "1"])
const asksAt = (n: number, count: number): ReadonlyArray<OrderBook.Level> => Array.from({ length: Math.min(count, sideLength) }, (_, i) => [price(n * step + i), "1"])
const rise = (n: number) => {
  const passed = Array.from({ length: step }, (_, i) => (n - 1) * step + i)
  return combined("btcusdt@depth@100ms", {
    e: "depthUpdate",
    E: 100 * n,
    s: "BTCUSDT",
    U: n,
    u: n,
    b: passed.map((ticks) => [price(ticks), "1"]),
    a: passed.flatMap((ticks) => [[price(ticks), "0"], [price(ticks + sideLength), "1"]])
  })
}
const risesFor = (updates: number) =>
  TestTransport.layer([open(acknowledge, ...Array.from({ length: updates }, (_, i) => [wait("100 millis"), send(rise(i + 1))]).flat())])
// The REST interface is a little ahead of the updates.
const risen = (at: number, url: URL) => {
  const n = Math.floor(at / 100) + 2
  const limit = Number(url.searchParams.get("limit"))
  return { lastUpdateId: n, bids: bidsAt(n, limit), asks: asksAt(n, limit) }
}

describe("a book of a market that runs away", () => {
  for (const [levels, seconds] of [[20, 40], [5, 40], [400, 30]] as const) {
    it.scoped(`shows all of its ${levels} levels, and is never stale`, () => {
      const rest = restAt(risen, "300 millis")
      return Effect.gen(function*() {
        const book = yield* (yield* makeFeed).orderBook("BTCUSDT", { levels })
        const seen = yield* statuses(book)
        yield* TestClock.adjust("2 seconds")
        const shown = new Set<string>()
        const look = Effect.gen(function*() {
          const { asks, bids, lastUpdateId } = yield* book.top(levels)
          shown.add(`${bids.length} ${asks.length}`)
          assert.deepStrictEqual([bids[0]?.[0], asks[0]?.[0]], [price(lastUpdateId * step - 1), price(lastUpdateId * step)])
          assert.deepStrictEqual(asks, asksAt(lastUpdateId, levels))
        })
        yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced("100 millis")))
        yield* TestClock.adjust(Duration.seconds(seconds))
        assert.deepStrictEqual([...shown], [`${levels} ${levels}`])
        // It took new snapshots, and no more than it had to.
        assert.isAbove(rest.asked.length, 2)
        assert.isBelow(rest.asked.length, 20)
        assert.deepStrictEqual([...new Set(seen.slice(1).map(({ tag }) => tag))], ["Synced"])
      }).pipe(Effect.provide(risesFor(10 * seconds + 100)), Effect.provide(rest.layer))
    })
  }

  it.scoped("says how far it is known", () => {
    const rest = restAt(risen)
    return Effect.gen(function*() {
      const book = yield* (yield* makeFeed).orderBook("BTCUSDT", { levels: 20 })
      yield* TestClock.adjust("10 seconds")
      const { asks = "", bids = "" } = yield* book.horizon
      const { asks: shown, bids: bidsShown, lastUpdateId } = yield* book.top(10_000)
      assert.strictEqual(shown.at(-1)?.[0], asks)
      assert.strictEqual(bidsShown.at(-1)?.[0], bids)
      // An update set the first; nothing is known of the second.
      assert.strictEqual(yield* book.quantityAt("asks", price(sideLength + lastUpdateId * step - 1)), "1")
      assert.strictEqual(yield* book.quantityAt("asks", price(sideLength - 50)), undefined)
    }).pipe(Effect.provide(risesFor(200)), Effect.provide(rest.layer))
  })

  it.scoped("shows what is left while the REST interface fails, and asks again", () => {
    const rest = restAt((at, url) => at > 1_000 && at < 9_000 ? undefined : risen(at, url))
    return Effect.gen(function*() {
      const book = yield* (yield* makeFeed).orderBook("BTCUSDT", { levels: 20 })
      yield* TestClock.adjust("8900 millis")
      const { asks } = yield* book.top(1_000)
      assert.isBelow(asks.length, 100)
      assert.isAbove(asks.length, 0)
      yield* TestClock.adjust("10 seconds")
      assert.isAbove((yield* book.top(1_000)).asks.length, 100)
    }).pipe(Effect.provide(risesFor(300)), Effect.provide(rest.layer))
  })

  it.scoped("is stale when none of its levels is left", () => {
    const crash = combined("btcusdt@depth@100ms", {
      e: "depthUpdate",
      E: 1,
      s: "BTCUSDT",
      U: 12,
      u: 12,
      b: [],
      a: asksAt(0, sideLength - 1).map(([at]) => [at, "0"])
    })
    const rest = restAt((at) => at > 3_000 ? undefined : { lastUpdateId: 10, bids: bidsAt(0, 500), asks: asksAt(0, 500) })
    return Effect.gen(function*() {
      const book = yield* (yield* makeFeed).orderBook("BTCUSDT", { levels: 20 })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 11)
      yield* TestClock.adjust("5 seconds")
      const stale = yield* Effect.flip(book.best)
      assert.strictEqual(stale.reason, "no level of its snapshot is left")
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, wait("100 millis"), send(depth(11)), wait("3900 millis"), send(crash))])),
      Effect.provide(rest.layer)
    )
  })
})

// ---------------------------------------------------------------------------------------------------------------------

const eachSecond = (from: number, count: number, symbol = "BTCUSDT") =>
  Array.from({ length: count }, (_, i) => [wait("1 second"), send(depth(from + i, 1, symbol))]).flat()

describe("an audit of a book", () => {
  const audited = (body: (at: number) => unknown, seconds: number, audit: Duration.DurationInput = "10 seconds") =>
    Effect.gen(function*() {
      const feed = yield* makeFeed
      const compared: Array<{ readonly lastUpdateId: number; readonly levels: number; readonly differences: ReadonlyArray<unknown> }> = []
      yield* Effect.forkScoped(feed.events.forEach((event) =>
        Effect.sync(() => {
          if (event._tag === "BookCompared") compared.push(event)
        })))
      const book = yield* feed.orderBook("BTCUSDT", { audit })
      const seen = yield* statuses(book)
      yield* TestClock.adjust(Duration.seconds(seconds))
      return { book, compared, tags: seen.map(({ tag }) => tag) }
    }).pipe(Effect.provide(restAt(body, "100 millis").layer))

  const outcome = (name: string) =>
    Effect.map(
      Metric.value(Metric.tagged(Metric.tagged(Metrics.bookComparisons, "market.source", "binance"), "outcome", name)),
      ({ count }) => count
    )

  it.scoped("compares it with a new snapshot at the same update id", () =>
    Effect.gen(function*() {
      const before = yield* outcome("equal")
      const { compared, tags } = yield* audited((at) => {
        // Ahead of the updates by two.
        const id = Math.floor(at / 1_000) + 2
        return { lastUpdateId: id, bids: [["1.0", String(id)]], asks: [["1.1", "2"]] }
      }, 35)
      assert.isAbove(compared.length, 1)
      for (const { differences, levels } of compared) assert.deepStrictEqual([differences, levels], [[], 2])
      assert.strictEqual((yield* outcome("equal")) - before, compared.length)
      assert.deepStrictEqual(tags, ["Stale", "Synced"])
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, ...eachSecond(1, 100))]))))

  it.scoped("reports what differs, and goes on from the snapshot", () =>
    Effect.gen(function*() {
      const before = yield* outcome("different")
      const { book, compared, tags } = yield* audited((at) => {
        const id = Math.floor(at / 1_000) + 2
        const more = at < 10_000 ? [["1.2", "7"]] : [["1.15", "3"]]
        return { lastUpdateId: id, bids: [["1.0", String(id)]], asks: [["1.1", "2"], ...more] }
      }, 30)
      assert.deepStrictEqual(compared[0]?.differences, [
        { side: "asks", price: "1.15", held: "0", fetched: "3" },
        { side: "asks", price: "1.2", held: "7", fetched: "0" }
      ])
      assert.strictEqual((yield* outcome("different")) - before, 1)
      assert.deepStrictEqual(tags, ["Stale", "Synced", "Stale", "Synced"])
      assert.strictEqual(yield* book.quantityAt("asks", "1.15"), "3")
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, ...eachSecond(1, 100))]))))

  it.scoped("finds out that the updates have stopped", () =>
    Effect.gen(function*() {
      const { book } = yield* audited((at) => {
        const id = Math.floor(at / 1_000) + 2
        return { lastUpdateId: id, bids: [["1.0", String(id)]], asks: [["1.1", "2"]] }
      }, 40)
      assert.strictEqual((yield* Effect.flip(book.best)).reason, "its updates have stopped")
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, ...eachSecond(1, 12))]))))

  it.scoped("takes a tenth of the budget of requests at most, whatever the number of books", () => {
    const symbols = Array.from({ length: 15 }, (_, i) => `S${i}USDT`)
    const rest = restAt((at) => {
      const id = Math.floor(at / 1_000) + 2
      return { lastUpdateId: id, bids: [["1.0", String(id)]], asks: [["1.1", "2"]] }
    })
    const seconds = Array.from({ length: 75 }, (_, i) => [
      wait("1 second"),
      send(...symbols.map((symbol) => depth(i + 1, 1, symbol)))
    ]).flat()
    return Effect.gen(function*() {
      const feed = yield* makeFeed
      for (const symbol of symbols) yield* feed.orderBook(symbol, { audit: "4 seconds" })
      yield* TestClock.adjust("10 seconds")
      const before = rest.asked.length
      yield* TestClock.adjust("61 seconds")
      // A snapshot of 1,000 levels weighs 50 of 6,000.
      assert.isAtMost(rest.asked.length - before, 24)
      assert.isAtLeast(rest.asked.length - before, 12)
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, ...seconds)])), Effect.provide(rest.layer))
  })
})

describe("a book that waits for its snapshot", () => {
  it.scoped("holds a bounded number of levels, and asks again when the snapshot is older than what it holds", () => {
    const large = (u: number) =>
      combined("btcusdt@depth@100ms", {
        e: "depthUpdate",
        E: u,
        s: "BTCUSDT",
        U: u,
        u,
        b: Array.from({ length: 1_000 }, (_, i) => [(0.9 - i / 10_000).toFixed(4), "1"]),
        a: []
      })
    const rest = restAt((at) => ({ lastUpdateId: at < 3_000 ? 0 : 300, bids: [["1.0", "1"]], asks: [["1.1", "2"]] }), "3 seconds")
    return Effect.gen(function*() {
      const feed = yield* makeFeed
      const dropped = yield* droppedBy(feed)
      const before = yield* countOf("updates")
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(rest.asked.length, 2)
      assert.isAbove((yield* book.top(1)).lastUpdateId, 300)
      // At most 250 updates of 1,000 levels are held.
      assert.isAbove(dropped.updates, 0)
      assert.isBelow(dropped.updates, 300)
      assert.strictEqual((yield* countOf("updates")) - before, dropped.updates)
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, ...Array.from({ length: 300 }, (_, i) => [send(large(i + 1)), wait("5 millis")]).flat(), ...eachSecond(301, 20))
      ])),
      Effect.provide(rest.layer)
    )
  })
})

describe("a book with more levels than it may have", () => {
  const level = (u: number) => [(0.9 - u / 1_000_000).toFixed(6), "1"]
  const update = (u: number, count: number) =>
    combined("btcusdt@depth@100ms", {
      e: "depthUpdate",
      E: u,
      s: "BTCUSDT",
      U: u,
      u,
      b: Array.from({ length: count }, (_, i) => level(u * 1_000 + i)),
      a: []
    })

  it.scoped("says how many it dropped, as an event and a metric, and stays right", () =>
    Effect.gen(function*() {
      const feed = yield* makeFeed
      const dropped = yield* droppedBy(feed)
      const before = yield* countOf("levels")
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("5 seconds")
      // A side keeps 10,000 levels at most: those of 12 updates, and one of the snapshot.
      const { bids } = yield* book.top(20_000)
      assert.isAtMost(bids.length, 10_000)
      assert.strictEqual(dropped.levels + bids.length, 12 * 1_000 + 1)
      assert.strictEqual(dropped.updates, 0)
      assert.strictEqual((yield* countOf("levels")) - before, dropped.levels)
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, ...Array.from({ length: 12 }, (_, i) => [wait("100 millis"), send(update(i + 1, 1_000))]).flat())
      ])),
      Effect.provide(restAt(() => ({ lastUpdateId: 0, bids: [["1.0", "1"]], asks: [["1.1", "2"]] })).layer)
    ))
})

describe("options of a book", () => {
  for (const options of [{ levels: 0 }, { levels: 1.5 }, { levels: Number.NaN }, { audit: 0 }, { audit: -1 }]) {
    it.scoped(`are refused: ${JSON.stringify(options)}`, () =>
      Effect.gen(function*() {
        const refused = yield* Effect.either((yield* makeFeed).orderBook("BTCUSDT", options))
        assert.isTrue(Either.isLeft(refused))
      }).pipe(Effect.provide(TestTransport.layer([])), Effect.provide(restAt(() => ({})).layer)))
  }
})
