import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { appendFileSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"
import type { MarketEvent } from "holdfast/binance"
import { Recording } from "holdfast/binance"
import { event, filesOf, folder, provideFiles, record, unnumbered } from "../recording/files.ts"

const trade = (t: number, s = "BTCUSDT") =>
  event("trade", { e: "trade", E: 1_700_000_000_000 + t, s, t, p: "1.5", q: "2", T: 1_700_000_000_000 + t, m: false }, s)
const gap = event("gap", {
  stream: "btcusdt@trade",
  from: 3,
  to: 4,
  cause: { error: "HistoryPruned", message: "The venue no longer has the missing events." }
})

const idsOf = (events: Iterable<MarketEvent.Trade | MarketEvent.Gap>) =>
  [...events].map(({ data }) => "t" in data ? data.t : `${data.from}-${data.to} ${data.cause._tag}`)

describe("the streams of a recording", () => {
  it.scoped("have every event and gap once, over all files", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [[trade(1), trade(2), trade(9, "ETHUSDT")], [gap], [trade(5)]], { limits: { size: 1, every: Duration.hours(1) } })
      const [first = ""] = filesOf(path)
      writeFileSync(`${first}.gz`, gzipSync(readFileSync(first)))
      rmSync(first)
      // What a recorder is still writing.
      appendFileSync(path, `{"source":"bin`)
      const { raw, trades } = Recording.make([...filesOf(path)].reverse())
      assert.deepStrictEqual(idsOf(yield* Stream.runCollect(trades("btcusdt"))), [1, 2, "3-4 HistoryPruned", 5])
      assert.deepStrictEqual(idsOf(yield* Stream.runCollect(trades(["BTCUSDT", "ETHUSDT"]))), [1, 2, 9, "3-4 HistoryPruned", 5])
      assert.strictEqual((yield* Stream.runCollect(raw)).length, 5)
    }).pipe(provideFiles))

  it.scoped("have mark prices, liquidations and block trades, of streams of all symbols too", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "futures.ndjson")
      const mark = (s: string) => event("markPrice", { e: "markPriceUpdate", E: 1, s, p: "1", P: "1", r: "", T: 0 }, s)
      const order = { S: "SELL", o: "LIMIT", f: "IOC", q: "1", p: "2", ap: "2", X: "FILLED", l: "1", z: "1", T: 1 }
      const liquidation = (s: string) => event("forceOrder", { e: "forceOrder", E: 1, o: { s, ...order } }, s)
      const block = event("blockTrade", { e: "blockTrade", E: 1, s: "BTCUSDT", t: 7, p: "1", q: "1", T: 1, m: true })
      const cause = { error: "NotRepairable", message: "The missing events cannot be fetched. The connection was lost." }
      const ofAll = event("gap", { stream: "!forceOrder@arr", cause }, "")
      yield* record(path, [[mark("BTCUSDT"), mark("ETHUSDT"), liquidation("BTCUSDT"), ofAll, liquidation("ETHUSDT"), block]])
      const { blockTrades, forceOrder, markPrice } = Recording.make(path)
      const typesOf = (events: Iterable<MarketEvent.MarketEvent>) => [...events].map(({ symbol, type }) => `${symbol} ${type}`)
      assert.deepStrictEqual(typesOf(yield* Stream.runCollect(markPrice("ethusdt"))), ["ETHUSDT markPrice"])
      assert.deepStrictEqual(typesOf(yield* Stream.runCollect(forceOrder("BTCUSDT"))), ["BTCUSDT forceOrder", " gap"])
      assert.deepStrictEqual(typesOf(yield* Stream.runCollect(blockTrades("BTCUSDT"))), ["BTCUSDT blockTrade"])
    }).pipe(provideFiles))

  it.scoped("fail at a block trade without its id", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "blocks.ndjson")
      writeFileSync(path, unnumbered([event("blockTrade", { e: "blockTrade", E: 1, s: "BTCUSDT" })]))
      const { message } = yield* Effect.flip(Stream.runDrain(Recording.make(path).blockTrades("BTCUSDT")))
      assert.strictEqual(message, `The recording ${path} cannot be read in line 1: it is no market event.`)
    }).pipe(provideFiles))

  it.scoped("of version 0.1.0 have the same", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      writeFileSync(path, unnumbered([trade(1), gap, trade(5)]))
      assert.deepStrictEqual(idsOf(yield* Stream.runCollect(Recording.make(path).trades("BTCUSDT"))), [1, "3-4 HistoryPruned", 5])
    }).pipe(provideFiles))

  for (const [name, line] of [["of another kind", "%%%\n"], ["without its price", unnumbered([event("trade", { e: "trade", t: 1 })])]] as const) {
    it.scoped(`fail at a line ${name}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        writeFileSync(path, `${unnumbered([trade(1)])}${line}`)
        const { message } = yield* Effect.flip(Stream.runDrain(Recording.make(path).trades("BTCUSDT")))
        assert.strictEqual(message, `The recording ${path} cannot be read in line 2: it is no market event.`)
      }).pipe(provideFiles))
  }

  it.effect("fail where there is no file", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(Stream.runDrain(Recording.make("/nowhere/trades.ndjson").raw))
      assert.strictEqual(message, "The recording /nowhere/trades.ndjson cannot be read: there is no such file or folder.")
    }).pipe(provideFiles))
})
