// Block trades: rare events of the spot market, which the venue serves from an id on with an API key.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, combined, connection } from "../utils/venue.ts"

const { open, reset, send, wait } = TestTransport

const blockTrade = (t: number) =>
  send(combined("btcusdt@blockTrade", { e: "blockTrade", E: t, s: "BTCUSDT", t, p: "1", q: "1", T: t, m: true }))

// What the reader sees in two minutes: ids, with an `r` if REST brought them, and the causes of gaps.
const seenIn = (dials: ReadonlyArray<TestTransport.Dial>, stored: ReadonlyArray<number> | "wants a key", from: BinanceFeed.After = {}) => {
  const asked: Array<string> = []
  return Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({
      venue: Venue.spot,
      connection,
      ...(stored === "wants a key" ? {} : { rest: { apiKey: Redacted.make("key") } })
    })
    const seen: Array<string> = []
    yield* Effect.forkScoped(Stream.runForEach(feed.blockTrades("BTCUSDT", from), (event) =>
      Effect.sync(() => {
        seen.push(
          event.type === "gap"
            ? `${event.data.from ?? "?"} to ${event.data.to ?? "?"}: ${event.data.cause.message}`
            : `${event.data.t}${event.via === "rest" ? "r" : ""}`
        )
      })))
    yield* TestClock.adjust("2 minutes")
    return { asked, seen }
  }).pipe(
    Effect.scoped,
    Effect.provide(TestTransport.layer(dials)),
    Effect.provide(answers(({ pathname, searchParams }) => {
      if (!pathname.endsWith("/historicalBlockTrades")) return {}
      asked.push(searchParams.toString())
      return stored === "wants a key"
        ? { code: -2014, msg: "API-key format invalid." }
        : stored.filter((id) => id >= Number(searchParams.get("fromId")))
          .map((id) => ({ id, price: "1", qty: "1", quoteQty: "1", time: id, isBuyerMaker: true }))
    }, stored === "wants a key" ? 401 : 200))
  )
}

const lostAfter = (t: number) => open(acknowledge, wait("10 seconds"), blockTrade(t), wait("1 second"), reset)
const quiet = open(acknowledge)

describe("block trades", () => {
  it.effect("that a lost connection missed are fetched although no other follows", () =>
    Effect.gen(function*() {
      const { asked, seen } = yield* seenIn([lostAfter(7), quiet], [6, 7, 8, 10])
      assert.deepStrictEqual(seen, ["7", "8r", "10r"])
      assert.deepStrictEqual(asked, ["symbol=BTCUSDT&fromId=7&limit=1000"])
    }))

  it.effect("that were missed are fetched when the next one shows it, each once", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn([lostAfter(7), open(acknowledge, blockTrade(10))], [7, 8, 9, 10])
      assert.deepStrictEqual(seen.map((each) => each.replace("r", "")), ["7", "8", "9", "10"])
    }))

  it.effect("cost no request while nothing was lost", () =>
    Effect.gen(function*() {
      const { asked, seen } = yield* seenIn([open(acknowledge, wait("10 seconds"), blockTrade(7), wait("1 minute"), blockTrade(8))], [7, 8])
      assert.deepStrictEqual([seen, asked], [["7", "8"], []])
    }))

  it.effect("are a gap without an API key, once the next one shows that they are missing", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn([lostAfter(7), open(acknowledge, wait("10 seconds"), blockTrade(10))], "wants a key")
      assert.deepStrictEqual(seen, [
        "7",
        "8 to 9: The venue refused the request historicalBlockTrades with status 401: the venue serves block trades only with a valid " +
        "API key, which the option apiKey of rest gives.",
        "10"
      ])
    }))

  it.effect("may be missing where a connection was lost before the first one", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn([open(acknowledge, wait("10 seconds"), reset), open(acknowledge, wait("10 seconds"), blockTrade(7))], [7])
      assert.strictEqual(seen.length, 2)
      assert.match(seen[0] ?? "", /^\? to \?: .*No event had come before, whose id would tell where to fetch from\.$/)
      assert.strictEqual(seen[1], "7")
    }))

  it.effect("are resumed after an id", () =>
    Effect.gen(function*() {
      const { seen } = yield* seenIn([quiet], [7, 8, 9], { after: 7 })
      assert.deepStrictEqual(seen, ["8r", "9r"])
    }))

  it("have a position", () => {
    const event = { source: "binance", symbol: "BTCUSDT", type: "blockTrade", timestamp: 1, via: "ws" } as const
    assert.strictEqual(MarketEvent.positionOf({ ...event, data: { t: 7 } }), 7)
  })
})
