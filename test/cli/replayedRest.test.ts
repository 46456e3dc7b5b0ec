import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as ReplayedRest from "../../src/cli/replayedRest.ts"
import { event } from "../recording/files.ts"

const trade = (t: number) => event("trade", { e: "trade", E: 1_000 + t, s: "BTCUSDT", t, p: "1.5", q: "2", T: 1_000 + t, m: false })
const aggTrade = (a: number) => event("aggTrade", { e: "aggTrade", E: 1_000, s: "BTCUSDT", a, p: "1.5", q: "2", f: a, l: a, T: 1_000, m: false })
const candle = (t: number, x: boolean, c = "1") =>
  event("kline", {
    e: "kline",
    E: t,
    s: "BTCUSDT",
    k: { t, T: t + 59_999, s: "BTCUSDT", i: "1m", f: 1, L: 2, o: "1", c, h: "1", l: "1", v: "1", n: 2, x, q: "1", V: "1", Q: "1" }
  })

const rest = ReplayedRest.make(
  [trade(1), trade(2), trade(20), trade(21), candle(0, false), candle(0, true, "2"), candle(60_000, false), candle(240_000, false), aggTrade(7)]
    .map((event, i) => ({ event, at: i + 1 }))
)
const ask = (path: string, query: Readonly<Record<string, string>>, played: number) =>
  rest(path, new URLSearchParams({ symbol: "BTCUSDT", ...query }), played)

const Trades = Schema.Array(Schema.Struct({ id: Schema.Number }))
const idsOf = (fromId: number, played: number, more: Readonly<Record<string, string>> = {}) =>
  Schema.decodeUnknownSync(Trades)(ask("/api/v3/historicalTrades", { fromId: String(fromId), ...more }, played)).map(({ id }) => id)

const Candles = Schema.Array(Schema.Array(Schema.Unknown))
const closesOf = (startTime: number, played: number) =>
  Schema.decodeUnknownSync(Candles)(ask("/api/v3/klines", { interval: "1m", startTime: String(startTime) }, played))
    .map(([t, , , , c]) => [t, c])

describe("REST of a recording that is replayed", () => {
  it("has what was played", () => {
    assert.deepStrictEqual(idsOf(1, 0), [1])
    assert.deepStrictEqual(idsOf(1, 1), [1, 2])
    assert.deepStrictEqual(idsOf(2, 1), [2])
    assert.deepStrictEqual(idsOf(1, 1, { limit: "1" }), [1])
    assert.deepStrictEqual(ask("/api/v3/aggTrades", { fromId: "7" }, 8), [{ a: 7, p: "1.5", q: "2", f: 7, l: 7, T: 1_000, m: false, M: true }])
    assert.deepStrictEqual(ask("/api/v3/aggTrades", { fromId: "7" }, 7), [])
  })

  it("has nothing from before a missing range, so that a feed declares a gap there", () => {
    assert.deepStrictEqual(idsOf(2, 9), [20, 21])
    assert.deepStrictEqual(closesOf(0, 9), [[240_000, "1"]])
  })

  it("has the latest state of each candle", () => {
    assert.deepStrictEqual(closesOf(0, 4), [[0, "1"]])
    assert.deepStrictEqual(closesOf(0, 6), [[0, "2"], [60_000, "1"]])
    assert.deepStrictEqual(closesOf(60_000, 6), [[60_000, "1"]])
  })

  it("has the last trade of each symbol, and leaves all else to the market", () => {
    assert.deepStrictEqual(ask("/api/v3/ticker/24hr", {}, 2), { symbol: "BTCUSDT", lastPrice: "0", closeTime: 0, lastId: 2 })
    assert.isUndefined(ask("/api/v3/depth", {}, 9))
    assert.isUndefined(ask("/api/v3/ticker/24hr", { symbol: "XYZUSDT" }, 9))
  })
})
