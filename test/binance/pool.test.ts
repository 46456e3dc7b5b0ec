// Topics that move from one connection to another.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Transport } from "holdfast"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, asksForTickers, combined, connection, depth, refuseAll, snapshot, tickers, trade } from "../utils/venue.ts"

const { close, open, refuse, send, wait } = TestTransport

const make = (options: Partial<BinanceFeed.Options> = {}) => BinanceFeed.make({ venue: Venue.spot, connection, ...options })

const isOpen = Effect.flatMap(TestTransport.TestTransport, (transport) => transport.open)

// One message a second of each of these, while they have messages.
const seconds = (count: number, ...each: ReadonlyArray<(second: number) => string | undefined>) =>
  Array.from({ length: count }, (_, i) => [
    wait("1 second"),
    send(...each.flatMap((messageAt) => messageAt(i) ?? []))
  ]).flat()
const bitcoin = (i: number) => depth(i + 1)
const ether = (from: number, until = Number.POSITIVE_INFINITY) => (i: number) => i < until ? depth(from + i, from + i, "ETHUSDT") : undefined

describe("a stream that is stale on its connection alone", () => {
  it.effect("moves for all its readers and its book", () => {
    let trades = 0
    return Effect.gen(function*() {
      const feed = yield* make()
      yield* Effect.forkScoped(Stream.runDrain(feed.depth("BTCUSDT")))
      const updates = yield* Effect.fork(Stream.runDrain(feed.depth("ETHUSDT")))
      const book = yield* feed.orderBook("ETHUSDT")
      yield* TestClock.adjust("8 minutes")
      assert.isAbove((yield* book.top(1)).lastUpdateId, 100)
      assert.isNull(updates.unsafePoll())
    }).pipe(
      Effect.scoped,
      Effect.provide(answers((url) => asksForTickers(url) ? tickers(url, ["BTCUSDT", "ETHUSDT"], () => trades++) : snapshot(10))),
      Effect.provide(TestTransport.layer([
        open(acknowledge, ...seconds(600, bitcoin, ether(1, 30))),
        open(acknowledge, ...seconds(600, ether(31))),
        open(acknowledge, ...seconds(600, ether(31)))
      ]))
    )
  })

  it.effect("moves from the successor too while its connection is renewed", () => {
    const day = { p: "1", P: "1", w: "1", x: "1", c: "1", Q: "1", b: "1", B: "1", a: "1", A: "1", o: "1", h: "1", l: "1", v: "1", q: "1", O: 1, C: 1, F: 1, L: 1, n: 1 }
    const ticker = (symbol: string, E: number) => combined(`${symbol.toLowerCase()}@ticker`, { e: "24hrTicker", E, s: symbol, ...day })
    return Effect.gen(function*() {
      const feed = yield* make({ renewalTimeout: "10 minutes" })
      const staying = yield* Effect.fork(Stream.runDrain(feed.ticker("BTCUSDT")))
      const moving = yield* Effect.fork(Stream.runDrain(feed.ticker("ETHUSDT")))
      // The successor has no subscription to the stream yet when the stream moves.
      yield* Effect.forkScoped(Effect.delay(feed.rotate, "9 seconds"))
      yield* TestClock.adjust("3 minutes")
      const topics = Effect.map(feed.subscriptions, (all) => all.map(({ topic }) => topic).sort())
      assert.deepStrictEqual(yield* topics, ["btcusdt@ticker", "ethusdt@ticker"])
      yield* Fiber.interrupt(moving)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* topics, ["btcusdt@ticker"])
      yield* Fiber.interrupt(staying)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* isOpen, 0)
    }).pipe(
      Effect.scoped,
      Effect.provide(answers(() => snapshot(1))),
      Effect.provide(TestTransport.layer([
        open(acknowledge, ...seconds(200, (i) => ticker("BTCUSDT", i), (i) => i === 0 ? ticker("ETHUSDT", i) : undefined)),
        open(acknowledge, ...seconds(400, (i) => ticker("BTCUSDT", i + 60), (i) => i > 6 ? ticker("ETHUSDT", i) : undefined)),
        open(acknowledge, ...seconds(400, (i) => ticker("ETHUSDT", i + 60))),
        open(acknowledge)
      ]))
    )
  })
})

describe("a connection", () => {
  const notice = (t: number) => combined("btcusdt@notice", { e: "notice", E: t, s: "BTCUSDT", t })
  const renewed = (ping: Transport.Socket["ping"], last: ReadonlyArray<TestTransport.Step>, expected: ReadonlyArray<unknown>) => {
    return Effect.gen(function*() {
      const transport = yield* Transport.Transport
      const slow: Transport.Transport = {
        ...transport,
        dial: (request) => Effect.map(transport.dial(request), (socket): Transport.Socket => ({ ...socket, ping }))
      }
      const feed = yield* make().pipe(Effect.provideService(Transport.Transport, slow))
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.raw("btcusdt@notice", {}, { unchecked: true }), ({ data }) => Effect.sync(() => seen.push("t" in data ? data.t : "gap"))))
      yield* TestClock.adjust("1500 millis")
      const rotating = yield* Effect.fork(feed.rotate)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* Fiber.join(rotating), 1)
      assert.deepStrictEqual([yield* isOpen, seen], [1, expected])
    }).pipe(
      Effect.scoped,
      Effect.provide(answers(() => [])),
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("1 second"), send(notice(0)), wait("1400 millis"), send(notice(1)), ...last),
        open(acknowledge, wait("1 second"), send(notice(3)), wait("1 minute"), send(notice(4)))
      ]))
    )
  }

  it.effect("is closed after its renewal when everything has come that was on its way, however late", () =>
    renewed(Effect.sleep("2 seconds"), [wait("1 second"), send(notice(2))], [0, 1, 3, 2, 4]))

  it.effect("that answers no ping is closed after its renewal all the same, with a gap", () =>
    renewed(Effect.never, [], [0, 1, 3, "gap", 4]))

  it.effect("is renewed to the end, even if the caller of rotate is interrupted", () =>
    Effect.gen(function*() {
      const feed = yield* make()
      const seen: Array<unknown> = []
      const reading = yield* Effect.fork(Stream.runForEach(feed.trades("BTCUSDT"), ({ data }) => Effect.sync(() => seen.push("t" in data ? data.t : data))))
      yield* TestClock.adjust("2 seconds")
      const rotating = yield* Effect.fork(feed.rotate)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(rotating)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([yield* isOpen, seen], [1, [1, 2]])
      yield* Fiber.interrupt(reading)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* isOpen, 0)
    }).pipe(
      Effect.scoped,
      Effect.provide(answers(() => [])),
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("1 second"), send(trade(1)), wait("20 seconds"), send(trade(2))),
        open(acknowledge, wait("20 seconds"), send(trade(2)))
      ]))
    ))

  it.effect("is renewed with patience: a server that has served the pool may refuse a successor for a while", () =>
    Effect.gen(function*() {
      const feed = yield* make({ renewalTimeout: "2 minutes" })
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.raw("btcusdt@notice", {}, { unchecked: true }), ({ data }) => Effect.sync(() => seen.push("t" in data ? data.t : "gap"))))
      yield* TestClock.adjust("2 seconds")
      const rotating = yield* Effect.fork(feed.rotate)
      yield* TestClock.adjust("3 minutes")
      assert.strictEqual(yield* Fiber.join(rotating), 1)
      assert.strictEqual(yield* isOpen, 1)
      assert.deepStrictEqual(seen.slice(0, 2), [0, 1])
    }).pipe(
      Effect.scoped,
      Effect.provide(answers(() => [])),
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("1 second"), send(notice(0))),
        refuse(404),
        refuse(403),
        open(acknowledge, wait("1 second"), send(notice(1)))
      ]))
    ))

  it.effect("that is given up leaves its streams to its successor, whatever else is read meanwhile", () =>
    Effect.gen(function*() {
      const feed = yield* make()
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.trades("BTCUSDT"), ({ data }) => Effect.sync(() => seen.push("t" in data ? data.t : data))))
      yield* TestClock.adjust("1500 millis")
      yield* Effect.forkScoped(feed.rotate)
      yield* TestClock.adjust("2 seconds")
      yield* Effect.forkScoped(Stream.runDrain(feed.depth("ETHUSDT")))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([yield* isOpen, seen], [2, [1, 2, 3]])
    }).pipe(
      Effect.scoped,
      Effect.provide(answers(() => [])),
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("1 second"), send(trade(1)), wait("2 seconds"), close(1003)),
        open(acknowledge, wait("4 seconds"), send(trade(2)), wait("10 seconds"), send(trade(3))),
        open(acknowledge)
      ]))
    ))

  it.effect("that is given up leaves its streams to its successor, though that has proven nothing yet", () =>
    Effect.gen(function*() {
      const feed = yield* make({ renewalTimeout: "2 seconds" })
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.trades("BTCUSDT"), ({ data }) => Effect.sync(() => seen.push("t" in data ? data.t : data))))
      yield* TestClock.adjust("1500 millis")
      const rotating = yield* Effect.fork(feed.rotate)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(rotating), 1)
      assert.deepStrictEqual([yield* isOpen, seen], [1, [1, 2]])
    }).pipe(
      Effect.scoped,
      Effect.provide(answers(() => [])),
      Effect.provide(TestTransport.layer([
        open(acknowledge, wait("1 second"), send(trade(1)), wait("1 second"), close(1003)),
        TestTransport.openAfter("5 seconds", acknowledge, wait("1 second"), send(trade(2)))
      ]))
    ))

  it.effect("is kept when its proven successor is given up", () =>
    Effect.gen(function*() {
      const feed = yield* make()
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.trades("BTCUSDT"), ({ data }) => Effect.sync(() => seen.push("t" in data ? data.t : data))))
      yield* TestClock.adjust("1500 millis")
      const rotating = yield* Effect.fork(feed.rotate)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(yield* Fiber.join(rotating), 0)
      assert.deepStrictEqual([yield* isOpen, seen], [1, [1, 2, 3, 4, 5, 6, 7, 8, 9]])
    }).pipe(
      Effect.scoped,
      Effect.provide(answers(() => [])),
      Effect.provide(TestTransport.layer([
        open(acknowledge, ...seconds(60, (i) => trade(i + 1))),
        open(acknowledge, wait("500 millis"), send(trade(2)), wait("100 millis"), close(1003))
      ]))
    ))

  it.effect("keeps its streams when the connection that they move to is given up after it brought them", () =>
    Effect.gen(function*() {
      const feed = yield* make({ streamsPerConnection: 4 })
      const seen: Array<unknown> = []
      yield* Effect.forkScoped(Stream.runForEach(feed.depth("BTCUSDT"), ({ data }) => Effect.sync(() => seen.push("u" in data ? data.u : data))))
      const passing = yield* Effect.fork(Effect.forEach(["AUSDT", "BUSDT", "CUSDT"], (symbol) => Stream.runDrain(feed.depth(symbol)), {
        concurrency: "unbounded"
      }))
      yield* TestClock.adjust("10 millis")
      const moving = yield* Effect.fork(Effect.exit(Stream.runDrain(feed.depth("ETHUSDT"))))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(passing)
      yield* TestClock.adjust("18 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(moving)))
      assert.deepStrictEqual([yield* isOpen, seen], [1, Array.from({ length: 20 }, (_, i) => i + 1)])
    }).pipe(
      Effect.scoped,
      Effect.provide(answers(() => snapshot(1))),
      Effect.provide(TestTransport.layer([
        open(acknowledge, ...seconds(60, bitcoin)),
        open(acknowledge, ...seconds(8, ether(1)), send(bitcoin(8)), wait("100 millis"), close(1003))
      ]))
    ))

  it.effect("closes when its only stream is refused", () =>
    Effect.gen(function*() {
      const feed = yield* make()
      const reading = yield* Effect.fork(Effect.exit(Stream.runDrain(feed.trades("BTCUSDT"))))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(reading)))
      assert.strictEqual(yield* isOpen, 0)
    }).pipe(Effect.scoped, Effect.provide(answers(() => [])), Effect.provide(TestTransport.layer([open(refuseAll)]))))
})
