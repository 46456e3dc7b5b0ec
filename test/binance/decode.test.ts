import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { MarketEvent, Protocol } from "holdfast/binance"
import { collectGarbage } from "../proofs/fuzz/garbage.ts"

const trade = { e: "trade", E: 1, s: "BTCUSDT", t: 7, p: "1.0", q: "2.0", T: 1, m: true }
const combined = (data: unknown, stream = "btcusdt@trade") => JSON.stringify({ stream, data })
const text = new TextEncoder()

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

const Combined = Schema.decodeSync(Schema.parseJson(Schema.Struct({ data: Schema.Unknown })))

const isInvalid = (message: string | Uint8Array) => {
  const decoded = MarketEvent.decode(message, 0)
  assert(Either.isLeft(decoded))
  return decoded.left
}

describe("a message", () => {
  it("that is nested too deeply to be stringified is invalid, and no defect", () => {
    for (const depth of [100, 5_000, 100_000]) {
      isInvalid(nested(depth))
      isInvalid(`{"stream":"btcusdt@trade","data":${nested(depth)}}`)
      isInvalid(combined(trade).replace(`"t":7`, `"t":${nested(depth)}`))
      isInvalid(combined(trade).replace(`"t":7`, `"t":${`{"a":`.repeat(depth)}1${"}".repeat(depth)}`))
    }
  })

  it("with an unknown field that is nested too deeply is invalid", () => {
    const deep = combined({ ...trade, M: 1 }).replace(`"M":1`, `"M":${nested(5_000)}`)
    assert.match(isInvalid(deep).message, /nested too deeply/)
    const noDeeper = combined({ ...trade, M: 1 }).replace(`"M":1`, `"M":${nested(400)}`)
    const brackets = combined({ ...trade, M: `\\"${"[".repeat(5_000)}` })
    for (const message of [noDeeper, brackets]) {
      const events = Either.getOrThrow(MarketEvent.decode(message, 0))
      assert.strictEqual(JSON.stringify(events[0]?.data), JSON.stringify(Combined(message).data))
    }
  })

  it("that is invalid has a short reason and excerpt, however long it is", () => {
    const long = "x".repeat(100_000)
    for (const message of [long, combined({ ...trade, t: long }), combined({ ...trade, p: long }), combined({ ...trade, [long]: 1, t: null })]) {
      const { excerpt, reason } = isInvalid(message)
      assert.isAtMost(excerpt.length, 120)
      assert.isAtMost(reason.length, 300)
    }
  })

  it("that is invalid is not kept in memory by its error", () => {
    const heap = () => {
      collectGarbage()
      return process.memoryUsage().heapUsed
    }
    const size = 100_000
    const count = 200
    const before = heap()
    const errors = Array.from({ length: count }, (_, i) => [
      isInvalid(`${i}${"x".repeat(size)}`),
      isInvalid(combined({ ...trade, t: `${i}${"y".repeat(size)}` }))
    ])
    const grown = heap() - before
    assert.strictEqual(errors.length, count)
    assert.isBelow(grown, size * count / 10)
  })

  it("keeps unknown fields unchanged, whatever their names", () => {
    const data: unknown = JSON.parse(
      `{"e":"trade","E":1,"s":"BTCUSDT","t":7,"p":"1.0","q":"2.0","T":1,"m":true,"__proto__":{"X":5},"constructor":1,"Z":[1]}`
    )
    const [event] = Either.getOrThrow(MarketEvent.decode(`{"stream":"btcusdt@trade","data":${JSON.stringify(data)}}`, 0))
    assert(event !== undefined)
    assert.strictEqual(Object.getPrototypeOf(event.data), Object.prototype)
    assert.deepStrictEqual(Object.entries(event.data), Object.entries(data ?? {}))
  })

  it("of another symbol than its stream's is invalid", () => {
    assert.match(isInvalid(combined({ ...trade, s: "ETHUSDT" })).message, /ETHUSDT/)
  })

  it("with a list where one event is due is invalid, and a stream of all symbols has lists", () => {
    isInvalid(combined([trade]))
    isInvalid(combined([]))
    const mini = { e: "24hrMiniTicker", E: 1, s: "BTCUSDT", c: "1", o: "1", h: "1", l: "1", v: "1", q: "1" }
    const all = Either.getOrThrow(MarketEvent.decode(combined([mini, { ...mini, s: "ETHUSDT" }], "!miniTicker@arr"), 0))
    assert.deepStrictEqual(all.map(({ symbol }) => symbol), ["BTCUSDT", "ETHUSDT"])
  })

  it("of a liquidation is about the symbol of its order", () => {
    const o = { s: "BTCUSDT", S: "SELL", o: "LIMIT", f: "IOC", q: "1", p: "1", ap: "1", X: "FILLED", l: "1", z: "1", T: 1 }
    const liquidation = combined({ e: "forceOrder", E: 1, o }, "!forceOrder@arr")
    assert.deepStrictEqual(Either.getOrThrow(MarketEvent.decode(liquidation, 0)).map(({ symbol, timestamp }) => [symbol, timestamp]), [["BTCUSDT", 1]])
  })

  it("of bytes is decoded as text is, and is invalid if it is not UTF-8", () => {
    const broken = text.encode(combined({ ...trade, Z: "?" }))
    broken[broken.indexOf(0x3f)] = 0xff
    isInvalid(broken)
    assert.isTrue(Either.isRight(MarketEvent.decode(text.encode(combined(trade)), 0)))
    assert.strictEqual(Protocol.parse(text.encode(`{"result":null,"id":1}`))._tag, "Acknowledged")
  })
})

describe("the position of an event", () => {
  const event = (type: string, data: object): MarketEvent.MarketEvent => ({ source: "binance", symbol: "BTCUSDT", type, data, timestamp: 0, via: "ws" })
  const cases: ReadonlyArray<readonly [name: string, event: MarketEvent.MarketEvent, position: number | undefined]> = [
    ["a trade", event("trade", { t: 7 }), 7],
    ["an aggregate trade", event("aggTrade", { a: 8 }), 8],
    ["a closed candle", event("kline", { k: { t: 60, T: 119, x: true } }), 119],
    ["a candle that forms", event("kline", { k: { t: 60, T: 119, x: false } }), 59],
    ["a gap between trades", event("gap", { stream: "btcusdt@trade", from: 1, to: 9 }), 9],
    ["a gap without an end", event("gap", { stream: "btcusdt@trade", from: 1, to: undefined }), undefined],
    ["an update of a book", event("depth", { U: 4, u: 7 }), 7],
    ["a gap in a book", event("gap", { stream: "btcusdt@depth", from: 1, to: 9 }), 9],
    ["a gap of a stream of states", event("gap", { stream: "btcusdt@ticker", from: 1, to: 9 }), undefined],
    ["a ticker", event("ticker", { t: 1, a: 1, u: 1 }), undefined]
  ]
  for (const [name, from, position] of cases) {
    it(`is known of ${name}`, () => {
      assert.strictEqual(MarketEvent.positionOf(from), position)
    })
  }
})
