// Open interest, which is polled by REST and read like a stream.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { MarketEvent } from "holdfast/binance"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { answers, asksForSymbols, connection } from "../utils/venue.ts"

const listed = { symbols: [{ symbol: "BTCUSDT" }, { symbol: "ETHUSDT" }] }

interface World {
  /** The answer to the nth request for a symbol, from 1: the open interest and its time, or a status. */
  readonly says: (nth: number, symbol: string) => readonly [openInterest: string, time: number] | number
  readonly venue?: Venue.Venue
}

const provide = ({ says }: World, asked: Array<string>) => {
  const counts = new Map<string, number>()
  let status = 200
  return answers((url) => {
    status = 200
    if (asksForSymbols(url)) return listed
    const symbol = url.searchParams.get("symbol") ?? ""
    asked.push(`${url.host}${url.pathname} ${symbol}`)
    const nth = (counts.get(symbol) ?? 0) + 1
    counts.set(symbol, nth)
    const said = symbol.startsWith("NOPE") ? 400 : says(nth, symbol)
    if (typeof said === "number") {
      status = said
      return said === 400 ? { code: -1121, msg: "Invalid symbol." } : {}
    }
    return { symbol, openInterest: said[0], time: said[1] }
  }, () => status)
}

const collect = (events: BinanceFeed.Events<MarketEvent.MarketEvent>) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const fiber = yield* Effect.forkScoped(Stream.runForEach(events, ({ data, symbol, timestamp, type, via }) =>
      Effect.sync(() => {
        seen.push("error" in data ? `${symbol} ${String(data.error)}` : `${symbol} ${type} ${"openInterest" in data ? String(data.openInterest) : ""} ${timestamp} ${via}`)
      })))
    return { fiber, seen }
  })

const make = (world: World) => BinanceFeed.make({ venue: world.venue ?? Venue.futures, connection, rest: { giveUpAfter: "1 second" } })

const steady: World = { says: (nth) => [String(nth), nth] }

const test = <A, E>(world: World, body: (feed: BinanceFeed.BinanceFeed, asked: Array<string>) => Effect.Effect<A, E, Effect.Effect.Context<ReturnType<typeof collect>>>) => {
  const asked: Array<string> = []
  return Effect.flatMap(make(world), (feed) => body(feed, asked)).pipe(Effect.provide(TestTransport.layer([])), Effect.provide(provide(world, asked)))
}

describe("open interest", () => {
  for (const venue of [Venue.futures, Venue.coinFutures]) {
    it.scoped(`is fetched again and again at ${venue.name}`, () =>
      test({ ...steady, venue }, (feed, asked) =>
        Effect.gen(function*() {
          const { seen } = yield* collect(feed.openInterest("btcusdt", { every: "30 seconds" }))
          yield* TestClock.adjust("65 seconds")
          assert.deepStrictEqual(seen, [1, 2, 3].map((nth) => `BTCUSDT openInterest ${nth} ${nth} rest`))
          assert.deepStrictEqual(asked, Array.from({ length: 3 }, () => `${new URL(venue.rest).host}${venue.api}/openInterest BTCUSDT`))
        })))
  }

  it.scoped("is fetched every ten seconds by default", () =>
    test(steady, (feed, asked) =>
      Effect.gen(function*() {
        yield* collect(feed.openInterest("BTCUSDT"))
        yield* TestClock.adjust("95 seconds")
        assert.lengthOf(asked, 10)
      })))

  it.scoped("has no event for an answer that says the same", () =>
    test({ says: (nth) => nth < 3 ? ["1", 1] : nth === 3 ? ["1", 2] : ["5", 2] }, (feed) =>
      Effect.gen(function*() {
        const { seen } = yield* collect(feed.openInterest("BTCUSDT"))
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(seen, ["BTCUSDT openInterest 1 1 rest", "BTCUSDT openInterest 1 2 rest", "BTCUSDT openInterest 5 2 rest"])
      })))

  it.scoped("waits out requests that fail, longer each time", () =>
    test({ says: (nth) => nth > 1 && nth < 40 ? 503 : [String(nth), nth] }, (feed, asked) =>
      Effect.gen(function*() {
        const { seen } = yield* collect(feed.openInterest("BTCUSDT", { every: "10 seconds" }))
        yield* TestClock.adjust("1 minute")
        const inTheFirstMinute = asked.length
        yield* TestClock.adjust("10 minutes")
        assert.isBelow(asked.length - inTheFirstMinute, 5 * inTheFirstMinute)
        yield* TestClock.adjust("3 hours")
        assert.deepStrictEqual(seen.slice(0, 2), ["BTCUSDT openInterest 1 1 rest", "BTCUSDT openInterest 40 40 rest"])
      })))

  it.scoped("of a symbol that the venue does not know ends in its place, and the others go on", () =>
    test(steady, (feed) =>
      Effect.gen(function*() {
        const { seen } = yield* collect(feed.openInterest(["NOPEUSDT", "BTCUSDT", "BTC/USDT"], { every: "30 seconds" }))
        yield* TestClock.adjust("31 seconds")
        assert.deepStrictEqual(new Set(seen), new Set([
          "BTC/USDT StreamUnknown: There is no stream btc/usdt@openInterest: BTC/USDT is no symbol.",
          "NOPEUSDT StreamUnknown: There is no stream nopeusdt@openInterest: the venue does not list the symbol NOPEUSDT.",
          "BTCUSDT openInterest 1 1 rest",
          "BTCUSDT openInterest 2 2 rest"
        ]))
      })))

  it.scoped("fails at once on the spot market", () =>
    test({ ...steady, venue: Venue.spot }, (feed, asked) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Stream.runDrain(feed.openInterest("BTCUSDT")))
        assert.strictEqual(error.message, "There is no stream btcusdt@openInterest: the spot market has no open interest, only futures have it.")
        assert.lengthOf(asked, 0)
      })))

  for (const every of [0, -1, Number.POSITIVE_INFINITY]) {
    it.scoped(`is refused every ${every} ms`, () =>
      test(steady, (feed) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(Stream.runDrain(feed.openInterest("BTCUSDT", { every })))
          assert.strictEqual(error._tag, "ConfigError")
          assert.match(error.message, /^Expected a duration/)
        })))
  }

  it.scoped("is shared by readers, and no longer fetched when they leave", () =>
    test(steady, (feed, asked) =>
      Effect.gen(function*() {
        const first = yield* collect(feed.openInterest("BTCUSDT", { every: "30 seconds" }))
        const second = yield* collect(feed.openInterest(["BTCUSDT", "ETHUSDT"], { every: "30 seconds" }))
        yield* TestClock.adjust("40 seconds")
        assert.lengthOf(asked, 4)
        yield* Fiber.interrupt(first.fiber)
        yield* Fiber.interrupt(second.fiber)
        yield* TestClock.adjust("5 minutes")
        assert.lengthOf(asked, 4)
      })))

  it.scoped("keeps within the weight limit of the venue", () =>
    test({ ...steady, venue: { ...Venue.futures, weightPerMinute: 100 } }, (feed, asked) =>
      Effect.gen(function*() {
        yield* collect(feed.openInterest(Array.from({ length: 50 }, (_, i) => `S${i}`), { every: "1 second" }))
        yield* TestClock.adjust("59 seconds")
        assert.strictEqual(asked.length, 90)
      })))
})
