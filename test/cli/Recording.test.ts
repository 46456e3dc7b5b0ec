import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Recording from "../../src/cli/Recording.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const limits = { size: 1_000_000, every: Duration.hours(1) }
const line = (type: string, data: object) => `${JSON.stringify({ source: "binance", symbol: "BTCUSDT", type, data })}\n`

describe("a recording", () => {
  const hour = 3_600_000
  const candle = (i: string, t: number, length: number) => line("kline", { k: { t, T: t + length - 1, i, x: true } })

  it.scoped("goes on with candles of each time zone where these had stopped", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "candles.ndjson")
      const ends = {
        "btcusdt@kline_1d": 24 * hour,
        "btcusdt@kline_1d@+00:00": 24 * hour,
        "btcusdt@kline_1d@+08:00": 40 * hour,
        "btcusdt@kline_1d@-05:00": 29 * hour,
        "btcusdt@kline_1h": 52 * hour,
        "btcusdt@kline_1h@+05:30": 50.5 * hour,
        "btcusdt@kline_1w@+08:00": 80 * 24 * hour - 8 * hour
      }
      const lines = [
        candle("1d", 0, 24 * hour),
        candle("1d", 5 * hour, 24 * hour),
        candle("1d", 16 * hour, 24 * hour),
        candle("1h", 51 * hour, hour),
        candle("1h", 49.5 * hour, hour),
        candle("1w", 73 * 24 * hour - 8 * hour, 7 * 24 * hour)
      ]
      writeFileSync(path, lines.join(""))
      const recording = yield* Recording.open(path, Object.keys(ends), limits)
      assert.deepStrictEqual(
        Object.keys(ends).map((stream) => [stream, (recording.last(stream) ?? 0) + 1]),
        Object.entries(ends)
      )
      assert.isUndefined(recording.last("btcusdt@kline_1w"))
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("goes on from the ids that came last, which may be lower than those before", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      writeFileSync(path, [900, 901, 3, 4].map((t) => line("trade", { t })).join(""))
      assert.strictEqual((yield* Recording.open(path, ["btcusdt@trade"], limits)).last("btcusdt@trade"), 4)
    }).pipe(Effect.provide(NodeContext.layer)))

  for (const content of ["my notes", "one line\nand another", "[1, 2]\n", `{"name": "x"`]) {
    it.scoped(`leaves a file of other content as it is: ${JSON.stringify(content)}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "notes.txt")
        writeFileSync(path, content)
        const { message } = yield* Effect.flip(Recording.open(path, ["btcusdt@trade"], limits))
        assert.strictEqual(
          message,
          `The recording ${path} cannot be read or written: it has other content. Give a path that can be written with --out.`
        )
        assert.strictEqual(readFileSync(path, "utf8"), content)
      }).pipe(Effect.provide(NodeContext.layer)))
  }

  for (const torn of ["{", `{"source":"binance","symb`]) {
    it.scoped(`cuts off a torn line, even if the file has no other: ${torn}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        writeFileSync(path, torn)
        yield* Recording.open(path, ["btcusdt@trade"], limits)
        assert.strictEqual(readFileSync(path, "utf8"), "")
      }).pipe(Effect.provide(NodeContext.layer)))
  }

  it.scoped("rotates the file that a link leads to", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      mkdirSync(join(dir, "disk"))
      writeFileSync(join(dir, "disk", "trades.ndjson"), "")
      symlinkSync(join(dir, "disk", "trades.ndjson"), join(dir, "link.ndjson"))
      const recording = yield* Recording.open(join(dir, "link.ndjson"), ["btcusdt@trade"], { ...limits, size: 1 })
      yield* Effect.forEach([line("trade", { t: 1 }), line("trade", { t: 2 })], recording.write)
      assert.deepStrictEqual(readdirSync(dir).sort(), ["disk", "link.ndjson"])
      assert.strictEqual(readdirSync(join(dir, "disk")).length, 2)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("is rotated at its own age, and not at that of the program", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const path = join(dir, "trades.ndjson")
      writeFileSync(path, line("trade", { t: 1 }))
      yield* TestClock.setTime(Math.ceil(statSync(path).birthtimeMs) + 2 * hour)
      const recording = yield* Recording.open(path, ["btcusdt@trade"], limits)
      yield* recording.write(line("trade", { t: 2 }))
      assert.strictEqual(readdirSync(dir).length, 2)
    }).pipe(Effect.provide(NodeContext.layer)))

  it.scoped("keeps every file that it was rotated into, however quickly they follow", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const path = join(dir, "trades.ndjson")
      const recording = yield* Recording.open(path, ["btcusdt@trade"], { ...limits, size: 1 })
      const written = Array.from({ length: 20 }, (_, t) => line("trade", { t }))
      yield* Effect.forEach(written, recording.write)
      const files = readdirSync(dir).filter((file) => file !== "trades.ndjson").sort()
      // They stand in their order, and the last is what a restart goes on from.
      assert.strictEqual([...files, "trades.ndjson"].map((file) => readFileSync(join(dir, file), "utf8")).join(""), written.join(""))
      rmSync(path)
      assert.strictEqual((yield* Recording.open(path, ["btcusdt@trade"], limits)).last("btcusdt@trade"), 18)
    }).pipe(Effect.provide(NodeContext.layer)))
})
