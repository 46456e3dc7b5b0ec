import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { MarketEvent, OrderBook, Payloads } from "holdfast/binance"

const diff = (facts: Partial<OrderBook.Diff>): OrderBook.Diff => ({
  e: "depthUpdate",
  E: 0,
  s: "ABC",
  U: 1,
  u: 1,
  b: [],
  a: [],
  ...facts
})

const snapshot = {
  lastUpdateId: 10,
  bids: [["1.00", "5"], ["0.90", "4"]],
  asks: [["1.10", "6"], ["1.20", "7"]]
} as const

describe("a book", () => {
  it("applies updates that begin at or before the next id, and none twice", () => {
    const book = OrderBook.makeBook(snapshot, 100)
    assert.strictEqual(book.apply(diff({ U: 8, u: 10, b: [["1.00", "1"]] })), "ignored")
    assert.strictEqual(book.apply(diff({ U: 9, u: 12, b: [["1.00", "2"], ["0.95", "3"]], a: [["1.10", "0"]] })), "applied")
    assert.deepStrictEqual(book.top(5), {
      lastUpdateId: 12,
      bids: [["1.00", "2"], ["0.95", "3"], ["0.90", "4"]],
      asks: [["1.20", "7"]]
    })
    assert.strictEqual(book.quantityAt("bids", "0.950"), "3")
    assert.strictEqual(book.quantityAt("asks", "1.10"), "0")
  })

  it("reports a missing update, and an update that crosses the book", () => {
    assert.strictEqual(OrderBook.makeBook(snapshot, 100).apply(diff({ U: 12, u: 13 })), "gap")
    assert.strictEqual(OrderBook.makeBook(snapshot, 100).apply(diff({ U: 11, u: 11, b: [["1.15", "1"]] })), "crossed")
  })

  it("applies updates of futures by `pu`", () => {
    const book = OrderBook.makeBook(snapshot, 100)
    assert.strictEqual(book.apply(diff({ U: 8, u: 14, pu: 7 })), "applied")
    assert.strictEqual(book.apply(diff({ U: 20, u: 25, pu: 14 })), "applied")
    // Another connection's updates have other bounds.
    assert.strictEqual(book.apply(diff({ U: 22, u: 30, pu: 21 })), "applied")
    assert.strictEqual(book.apply(diff({ U: 40, u: 50, pu: 35 })), "gap")
  })

  it("shows no levels beyond the depth of its snapshot", () => {
    const book = OrderBook.makeBook(snapshot, 2)
    book.apply(diff({ U: 11, u: 11, b: [["0.50", "9"], ["0.95", "1"]] }))
    assert.deepStrictEqual(book.top(10).bids, [["1.00", "5"], ["0.95", "1"], ["0.90", "4"]])
    assert.strictEqual(book.known("bids"), 3)
    assert.strictEqual(book.quantityAt("bids", "0.90"), "4")
    assert.strictEqual(book.quantityAt("bids", "0.91"), "0")
    assert.strictEqual(book.quantityAt("bids", "0.80"), undefined)
    assert.strictEqual(book.quantityAt("bids", "0.50"), "9")
    assert.strictEqual(book.quantityAt("asks", "1.21"), undefined)
  })

  it("forgets the worst levels when they never end, and knows nothing beyond those that it keeps", () => {
    for (const limit of [2, 100]) {
      const book = OrderBook.makeBook(snapshot, limit)
      for (let u = 11; u < 111; u++) {
        const from = 0.5 - u / 1_000
        const b = Array.from({ length: 500 }, (_, i): OrderBook.Level => [(from + i / 1e6).toFixed(6), "1"])
        assert.strictEqual(book.apply(diff({ U: u, u, b })), "applied")
      }
      const { bids } = book.top(Number.POSITIVE_INFINITY)
      assert.isAtMost(bids.length, 10_000)
      assert.deepStrictEqual(bids[0], ["1.00", "5"])
      assert.isTrue(book.isPartial("bids"))
      // A snapshot of two levels says nothing beyond them. A whole one is known as far as its levels are kept.
      assert.strictEqual(book.horizon().bids, limit === 2 ? "0.90" : bids.at(-1)?.[0])
      assert.strictEqual(book.quantityAt("bids", "0.400010"), undefined)
      assert.strictEqual(book.horizon().asks, limit === 2 ? "1.20" : undefined)
    }
  })

  it("applies an update of half a million levels, and a snapshot that is far deeper than requested", () => {
    const levels = Array.from({ length: 500_000 }, (_, i): OrderBook.Level => [(0.9 - i / 1e6).toFixed(6), "1"])
    const book = OrderBook.makeBook(snapshot, 100)
    assert.strictEqual(book.apply(diff({ U: 11, u: 11, b: levels })), "applied")
    assert.isAtMost(book.known("bids"), 10_000)
    assert.deepStrictEqual(book.top(2).bids, [["1.00", "5"], ["0.900000", "1"]])
    const deep = OrderBook.makeBook({ ...snapshot, bids: levels }, 100)
    assert.isAtMost(deep.known("bids"), 10_000)
    assert.deepStrictEqual(deep.top(1).bids, [["0.900000", "1"]])
  })

  it("is not upset by prices far away, prices that are no numbers, and prices that are said twice", () => {
    const book = OrderBook.makeBook({ ...snapshot, bids: [["0.90", "4"], ["nothing", "1"], ["1.00", "5"], ["1.0", "6"]] }, 100)
    assert.deepStrictEqual(book.top(5).bids, [["1.0", "6"], ["0.90", "4"]])
    const far = "9".repeat(400)
    book.apply(diff({ U: 11, u: 11, b: [["0.00000001", "1"], ["nothing", "1"]], a: [[far, "1"], ["1.10", "0"]] }))
    assert.deepStrictEqual(book.top(5).bids.map(([price]) => price), ["1.0", "0.90", "0.00000001"])
    assert.deepStrictEqual(book.top(5).asks, [["1.20", "7"], [far, "1"]])
    assert.strictEqual(book.apply(diff({ U: 12, u: 12, b: [[far, "1"]] })), "crossed")
  })

  it("keeps each side in order under all changes", () => {
    const price = FastCheck.integer({ min: 1, max: 40 }).map((ticks) => (ticks / 100).toFixed(2))
    const level = FastCheck.tuple(price, FastCheck.integer({ min: 0, max: 3 }).map(String))
    FastCheck.assert(FastCheck.property(FastCheck.array(level), FastCheck.constantFrom<OrderBook.Side>("bids", "asks"), (levels, side) => {
      const ladder = OrderBook.makeLadder(side, [])
      const model = new Map<string, string>()
      for (const [at, quantity] of levels) {
        ladder.set([at, quantity])
        if (quantity === "0") model.delete(at)
        else model.set(at, quantity)
      }
      const sign = side === "bids" ? -1 : 1
      const expected = [...model].sort(([a], [b]) => sign * (Number(a) - Number(b)))
      assert.deepStrictEqual(ladder.top(100), expected)
      assert.deepStrictEqual(ladder.best(), expected[0])
      assert.deepStrictEqual(ladder.top(2), expected.slice(0, 2))
    }))
  })
})

// Messages and answers of Binance, captured on 2021-10-12.
const folder = fileURLToPath(new URL("../fixtures/binance-spot-2021-10-12/", import.meta.url))

const Captured = Schema.parseJson(Schema.Struct({ frame: Schema.String }))
const Answer = Schema.parseJson(Schema.Struct({ request: Schema.String, body: Payloads.PartialDepth }))

const lines = (file: string) => readFileSync(`${folder}${file}`, "utf8").split("\n").filter((line) => line !== "")

describe("captured books", () => {
  const captured = () => {
    const diffs = lines("ws.ndjson").flatMap((line) =>
      Either.getOrThrow(MarketEvent.decode(Schema.decodeUnknownSync(Captured)(line).frame, 0))
        .filter(({ type }) => type === "depth")
        .map(({ data }) => Schema.decodeUnknownSync(Payloads.Depth)(data))
    )
    return lines("rest.ndjson").map((line) => {
      const { body, request } = Schema.decodeUnknownSync(Answer)(line)
      const symbol = new URL(request, "http://localhost").searchParams.get("symbol") ?? ""
      return { symbol, snapshot: body, diffs: diffs.filter(({ s }) => s === symbol) }
    })
  }

  it("continue their snapshots without a gap", () => {
    const books = captured()
    assert.strictEqual(books.length, 4)
    for (const { diffs, snapshot } of books) {
      const book = OrderBook.makeBook(snapshot, 1_000)
      const outcomes = diffs.map(book.apply)
      assert.isAbove(outcomes.filter((outcome) => outcome === "applied").length, 0)
      assert.isTrue(outcomes.every((outcome) => outcome === "applied" || outcome === "ignored"))
      assert.strictEqual(book.lastUpdateId(), diffs.at(-1)?.u)
    }
  })

  it("report a gap for each update that is missing in the middle", () => {
    for (const { diffs, snapshot } of captured()) {
      const used = diffs.filter(({ u }) => u > snapshot.lastUpdateId)
      for (let without = 0; without < used.length - 1; without++) {
        const book = OrderBook.makeBook(snapshot, 1_000)
        const outcomes = used.filter((_, i) => i !== without).map(book.apply)
        assert.strictEqual(outcomes.indexOf("gap"), without)
      }
    }
  })
})
