// `binance` for programs outside Effect, against the embedded exchange on 127.0.0.1.
import { afterAll, assert, beforeAll, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { ConnectionError } from "holdfast"
import { FeedError } from "holdfast/market"
import { Exchange, Fault } from "holdfast/binance/exchange"
import type { FeedHandle, FeedOptions } from "holdfast/promise"
import { binance, InvalidArgument } from "holdfast/promise"

const scope = Effect.runSync(Scope.make())
let exchange: Exchange.Exchange

beforeAll(async () => {
  exchange = await Effect.runPromise(Scope.extend(
    Exchange.make({ tradesPerSecond: 100, limits: { dialsPerFiveMinutes: 10_000 } }),
    scope
  ))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const open = (options: FeedOptions = {}) =>
  binance({
    venue: { ws: exchange.wsUrl, rest: exchange.restUrl },
    ...options,
    connection: { reconnect: { initialDelay: 10, maxDelay: 50, stableAfter: 0, maxRetries: "unlimited" }, ...options.connection }
  })

// Waits until the exchange has as many open connections: it sees the end of one a little later than we do.
const openConnections = async (count: number): Promise<void> => {
  while ((await Effect.runPromise(exchange.stats)).open !== count) await new Promise((resolve) => setImmediate(resolve))
}

const rejection = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error("The promise did not reject.")
}

const drain = async (events: AsyncIterable<unknown>) => {
  for await (const _ of events);
}

describe("binance", () => {
  it("reads every trade once, in order, across a reset", async () => {
    const log = vi.spyOn(console, "log").mockReturnValue()
    // Long enough to miss some.
    await using feed = open({ connection: { reconnect: { initialDelay: 500, jitterFactor: 0 } } })
    let repaired = 0
    feed.on("repaired", ({ events }) => {
      repaired += events
    })
    const ids: Array<number> = []
    const ways = new Set<string>()
    for await (const event of feed.trades("BTCUSDT")) {
      assert(event.type === "trade")
      ways.add(event.via)
      if (ids.push(event.data.t) === 20) await Effect.runPromise(exchange.fault(Fault.Reset()))
      if (ids.length >= 50 && ways.has("rest")) break
    }
    assert.deepStrictEqual(ids, ids.map((_, i) => (ids[0] ?? 0) + i))
    assert.isAbove(repaired, 0)
    await openConnections(0)
    assert.strictEqual(log.mock.calls.length, 0)
    log.mockRestore()
  })

  it("has one feed for all of its loops, and ends the loops when it is closed", async () => {
    const feed = open()
    const first = feed.trades(["BTCUSDT", "ETHUSDT"])[Symbol.asyncIterator]()
    const second = feed.bookTicker("BTCUSDT")[Symbol.asyncIterator]()
    const [event] = await Promise.all([first.next(), second.next()])
    assert.strictEqual(event.value?.type, "trade")
    await openConnections(1)
    await first.return?.()
    await openConnections(1)
    const loop = drain({ [Symbol.asyncIterator]: () => second })
    await Promise.all([feed.close(), feed.close()])
    await loop
    await openConnections(0)
    assert.instanceOf(await rejection(drain(feed.trades("BTCUSDT"))), ConnectionError.NotConnected)
  })

  it("closes when its signal is aborted, and fails its loops with the reason", async () => {
    const controller = new AbortController()
    const feed = open({ signal: controller.signal })
    const reason = new Error("no longer wanted")
    const loop = rejection((async () => {
      for await (const _ of feed.trades("BTCUSDT")) controller.abort(reason)
    })())
    assert.strictEqual(await loop, reason)
    await feed.close()
    await openConnections(0)
  })

  it("fails a loop over a stream that there is not, with the same class as within Effect", async () => {
    await using feed = open()
    const error = await rejection(drain(feed.raw("btcusdt@nothing")))
    assert.instanceOf(error, FeedError.StreamUnknown)
    await openConnections(0)
  })

  it("keeps a book, whose reads are right or throw", async () => {
    await using feed = open()
    const book = await feed.orderBook("BTCUSDT", { levels: 20 })
    await book.awaitSynced()
    const top = book.top(3)
    assert.deepStrictEqual([top.bids.length, top.asks.length], [3, 3])
    const { ask, bid } = book.best()
    assert(ask !== undefined && bid !== undefined)
    assert.isBelow(Number(bid[0]), Number(ask[0]))
    const seen: Array<string> = []
    for await (const change of book.changes) if (seen.push(change._tag) === 3) break
    assert.deepStrictEqual(seen, ["Synced", "Updated", "Updated"])
    await openConnections(1)
    await book.close()
    await openConnections(0)
    assert.throws(() => book.top(1), /^The order book of BTCUSDT is stale: /)
  })
})

describe("what programs without types pass to binance", () => {
  const untyped = (options: unknown): unknown => Reflect.apply(binance, undefined, [options])

  for (const [what, options, message] of [
    ["options that are none", 5, /^The options of binance must be an object, but is 5\.$/],
    ["an unknown option", { redundncy: 2 }, /^binance has no option redundncy\. Its options are venue, redundancy, /],
    ["an unknown venue", { venue: "binance" }, /^The option venue of binance must be one of spot, dataOnly, /],
    ["an unknown option of its connections", { connection: { url: "ws://x" } }, /^The option connection of binance has no option url\. /],
    ["a key that is none", { rest: { apiKey: 5 } }, /^The option apiKey of the option rest of binance must be a text/]
  ] satisfies ReadonlyArray<[string, unknown, RegExp]>) {
    it(`is refused with a sentence: ${what}`, () => {
      assert.throws(() => untyped(options), message)
    })
  }

  it("is refused with a sentence: arguments of its methods", async () => {
    await using feed = open()
    const call = (name: keyof FeedHandle & string, ...parameters: ReadonlyArray<unknown>): Promise<unknown> =>
      (async () => {
        await Reflect.apply(feed[name], feed, parameters)
      })()
    for (const [wrong, message] of [
      [call("trades"), /^The symbols of trades must be a text such as "BTCUSDT", or an array of them, but is undefined\.$/],
      [call("ticker", []), /^The symbols of ticker must be .*, but is an array\.$/],
      [call("klines", "BTCUSDT"), /^The interval of klines must be a text such as "1m", but is undefined\.$/],
      [call("raw", "a@trade", {}, { uncheckd: true }), /^raw has no option uncheckd\./],
      [call("orderBook", 5), /^The symbol of orderBook must be a text such as "BTCUSDT", but is 5\.$/],
      [call("orderBook", "BTCUSDT", { levels: -1 }), /levels: Expected /],
      [call("orderBook", "BTCUSDT", { depth: 5 }), /^orderBook has no option depth\. Its options are levels, speed, audit\.$/],
      [call("on", "message", () => undefined), /^There is nothing called "message" to listen to\. The names are gap, repaired, event\.$/]
    ] satisfies ReadonlyArray<[Promise<unknown>, RegExp]>) {
      const error = await rejection(wrong)
      assert(error instanceof InvalidArgument)
      assert.match(error.message, message)
    }
  })

  it("fails the first loop: an option out of range", async () => {
    const error = await rejection(drain(open({ redundancy: -1 }).trades("BTCUSDT")))
    assert(error instanceof InvalidArgument)
    assert.match(error.message, /redundancy: Expected a whole number from 1/)
  })
})
