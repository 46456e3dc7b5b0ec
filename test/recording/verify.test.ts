import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { readFileSync, renameSync, writeFileSync } from "node:fs"
import { gzipSync } from "node:zlib"
import { join } from "node:path"
import { series } from "../../src/binance/internal/recordedSeries.ts"
import type { Report } from "../../src/internal/recording/verify.ts"
import { inOrder } from "../../src/internal/recording/names.ts"
import * as Verify from "../../src/internal/recording/verify.ts"
import { isClean, Verifier } from "../../src/internal/recording/verify.ts"
import type { MarketEvent } from "holdfast/market"
import { event, filesOf, folder, linesOf, provideFiles, record, trade, trades, unnumbered, verify } from "./files.ts"

type Files = ReadonlyArray<ReadonlyArray<string>>

const check = (files: Files): Report => {
  const verifier = new Verifier(series)
  for (const [i, lines] of files.entries()) {
    verifier.begin(`file ${i}`)
    for (const line of lines) verifier.line(line)
    verifier.end("", false)
  }
  return verifier.report
}

/** A change to the lines of all files, by two draws. Undefined if it would change nothing. */
type Change = (lines: ReadonlyArray<string>, a: number, b: number) => ReadonlyArray<string> | undefined

const changes: Readonly<Record<string, Change>> = {
  "is removed": (lines, a) => lines.filter((_, i) => i !== a % lines.length),
  "is doubled": (lines, a) => lines.flatMap((line, i) => i === a % lines.length ? [line, line] : [line]),
  "is altered": (lines, a, b) =>
    lines.map((line, i) => {
      if (i !== a % lines.length) return line
      const at = b % line.length
      return `${line.slice(0, at)}${line[at] === "7" ? "8" : "7"}${line.slice(at + 1)}`
    }),
  "loses a character": (lines, a, b) =>
    lines.map((line, i) => i === a % lines.length ? line.slice(0, b % line.length) + line.slice((b % line.length) + 1) : line),
  "is moved": (lines, a, b) => {
    const from = a % lines.length
    const to = b % lines.length
    const others = lines.filter((_, i) => i !== from)
    return from === to ? undefined : [...others.slice(0, to), lines[from] ?? "", ...others.slice(to)]
  }
}

describe("verifying a recording", () => {
  const recorded = Effect.gen(function*() {
    const path = join(yield* folder, "trades.ndjson")
    yield* record(path, [trades(1, 5), [...trades(6, 8), event("depth", { U: 1, u: 9 })], trades(9, 12)], { limits: { size: 500, every: Duration.hours(1) } })
    yield* record(path, [trades(13, 15)])
    return filesOf(path).map(linesOf)
  }).pipe(provideFiles)

  for (const [name, change] of Object.entries(changes)) {
    it.scoped(`finds when a line ${name}`, () =>
      Effect.map(recorded, (files) => {
        assert.isAbove(files.length, 2)
        assert.isTrue(isClean(check(files)))
        const lengths = files.map(({ length }) => length)
        FastCheck.assert(
          FastCheck.property(FastCheck.nat(), FastCheck.nat(), (a, b) => {
            const changed = change(files.flat(), a, b)
            if (changed === undefined) return
            // What was the last line of a file still is in the next one, or in the same.
            let at = 0
            const cut = lengths.map((length, i) => changed.slice(at, i === lengths.length - 1 ? undefined : at += length))
            assert.isFalse(isClean(check(cut)))
          }),
          { numRuns: 1_000 }
        )
      }))
  }

  it.scoped("finds when the end of a file is cut off at the end of any line", () =>
    Effect.map(recorded, (files) => {
      for (const [i, lines] of files.entries()) {
        for (let length = 0; length < lines.length; length++) {
          const cut = files.map((each, j) => i === j ? lines.slice(0, length) : each)
          // The last file had been closed before, and then was continued.
          const wasClosed = i === files.length - 1 && (lines[length - 1] ?? "").includes(`"type":"end"`)
          assert.strictEqual(isClean(check(cut)), wasClosed, `${i}, ${length}`)
        }
      }
    }))

  it.scoped("finds a line of another recording, even if its number and its event are the same", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const paths = ["a.ndjson", "b.ndjson"].map((name) => join(dir, name))
      for (const [i, path] of paths.entries()) yield* record(path, [[event("trade", { t: 6, q: String(i) }), ...trades(7, 9)]])
      const [one = [], other = []] = paths.map(linesOf)
      assert.isTrue(isClean(check([one])))
      for (let i = 2; i < one.length; i++) assert.isFalse(isClean(check([one.map((line, j) => i === j ? other[i] ?? "" : line)])))
    }).pipe(provideFiles))

  it.scoped("says where a line was altered", () =>
    Effect.map(recorded, (files) => {
      const altered = files.map((lines, i) => i === 1 ? lines.map((line) => line.replace(`"t":6,`, `"t":9,`)) : lines)
      const { problems } = check(altered)
      assert.deepStrictEqual(problems[0], {
        file: "file 1",
        at: 2,
        message: "Line 9 is not as it was written, or the one before it is not."
      })
    }))

  it.scoped("knows a file that a recorder has not closed from one whose end was cut off", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 3)])
      const text = readFileSync(path, "utf8")
      writeFileSync(path, text.slice(0, text.lastIndexOf(`{"source":"holdfast"`) + 5))
      const { problems } = yield* verify(path)
      assert.deepStrictEqual(problems.map(({ at, message }) => [at, message]), [[5, "It is torn: it has no end."]])
      // The lock of a recorder that was killed.
      writeFileSync(`${path}.lock`, "")
      assert.isTrue(isClean(yield* verify(path)))
    }).pipe(provideFiles))

  for (
    const [name, events, expected] of [
      ["a trade that comes twice", [trade(1), trade(2), trade(2), trade(3)], { repeated: 1 }],
      ["a trade that comes late", [trade(1), trade(3), trade(2)], { outOfOrder: 1, undeclared: 1 }],
      ["trades that are missing", [trade(1), trade(5)], { undeclared: 1 }],
      ["trades that are missing, as a gap says", [trade(1), event("gap", { stream: "btcusdt@trade", from: 2, to: 4 }), trade(5)], { gaps: 1 }],
      ["ids that begin anew, as a gap says", [trade(9), event("gap", { stream: "btcusdt@trade", from: 10 }), trade(1)], { gaps: 1 }]
    ] satisfies ReadonlyArray<readonly [string, ReadonlyArray<MarketEvent.MarketEvent>, object]>
  ) {
    for (const text of [true, false]) {
      it.scoped(`counts ${name}${text ? ", in a recording of version 0.1.0 too" : ""}`, () =>
        Effect.gen(function*() {
          const path = join(yield* folder, "trades.ndjson")
          if (text) writeFileSync(path, unnumbered(events))
          else yield* record(path, [events])
          const report = yield* verify(path)
          assert.deepStrictEqual(report.problems, [])
          const { gaps, outOfOrder, repeated, undeclared } = report.series.get("BTCUSDT trade") ?? {}
          const counted: object = { gaps, outOfOrder, repeated, undeclared }
          assert.deepStrictEqual(counted, { ...{ gaps: 0, outOfOrder: 0, repeated: 0, undeclared: 0 }, ...expected })
          assert.strictEqual(isClean(report), "gaps" in expected)
        }).pipe(provideFiles))
    }
  }

  it.scoped("counts updates of a book and candles that are missing", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "all.ndjson")
      const candle = (t: number, x: boolean) => event("kline", { k: { t, T: t + 59_999, i: "1m", x } })
      yield* record(path, [[
        event("depth", { U: 1, u: 5 }),
        event("depth", { U: 6, u: 8 }),
        event("depth", { U: 10, u: 12 }),
        event("depth", { U: 40, u: 44, pu: 12 }),
        candle(0, false),
        candle(0, true),
        candle(60_000, false),
        candle(180_000, false)
      ]], { streams: ["btcusdt@depth", "btcusdt@kline_1m"] })
      const report = yield* verify(path)
      assert.deepStrictEqual([...report.series].map(([name, { undeclared }]) => [name, undeclared]), [
        ["BTCUSDT depth", 1],
        ["BTCUSDT kline 1m 0", 1]
      ])
    }).pipe(provideFiles))

  it.scoped("reads a file once that a crash has left in both forms", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 2), trades(3, 4)], { limits: { size: 1, every: Duration.hours(1) } })
      const [first = ""] = filesOf(path)
      writeFileSync(`${first}.gz`, gzipSync(readFileSync(first)))
      const [files = []] = inOrder([`${first}.gz`, ...filesOf(path)])
      assert.deepStrictEqual(files, filesOf(path).filter((file) => !file.endsWith(".gz")))
      assert.isTrue(isClean(yield* Verify.verify(files, series)))
    }).pipe(provideFiles))

  it.scoped("does not judge the order of events that two streams had in common", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "depth.ndjson")
      const updates = [event("depth", { U: 1, u: 5 }), event("depth", { U: 6, u: 9 }), event("depth", { U: 1, u: 9 }), event("depth", { U: 20, u: 22 })]
      yield* record(path, [updates], { streams: ["btcusdt@depth", "btcusdt@depth@100ms"] })
      const report = yield* verify(path)
      assert.isTrue(isClean(report))
      assert.deepInclude(report.series.get("BTCUSDT depth"), { from: 1, to: 22, count: 4, isShared: true })
      yield* record(join(path, "..", "one.ndjson"), [updates], { streams: ["btcusdt@depth", "ethusdt@depth"] })
      assert.isFalse(isClean(yield* verify(join(path, "..", "one.ndjson"))))
    }).pipe(provideFiles))

  it.scoped("says one thing of a file of another kind", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "notes.ndjson")
      writeFileSync(path, "one\ntwo\nthree\n")
      assert.deepStrictEqual((yield* verify(path)).problems, [{ file: path, at: 1, message: "The file is no recording." }])
      writeFileSync(path, Buffer.alloc(65 * 1024 * 1024, "x"))
      assert.include(String(yield* Effect.flip(verify(path))), "it has a line that is longer than 64 MiB")
    }).pipe(provideFiles))

  it.scoped("reads a line that is longer than any part of the file that is read at once", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [[trade(1), event("news", { text: "é".repeat(1_000_000) }), trade(2)]])
      const report = yield* verify(path)
      assert.deepStrictEqual([report.lines, report.problems], [5, []])
    }).pipe(provideFiles))

  it.scoped("reads compressed files, and says when one is broken", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 2), trades(3, 4)], { limits: { size: 1, every: Duration.hours(1) } })
      const [first = ""] = filesOf(path)
      const whole = gzipSync(readFileSync(first))
      writeFileSync(`${first}.gz`, whole)
      renameSync(first, `${first}.old`)
      assert.isTrue(isClean(yield* verify(path)))
      writeFileSync(`${first}.gz`, whole.subarray(0, whole.length - 20))
      assert.include(String(yield* Effect.flip(verify(path))), "it cannot be decompressed")
      // Two compressed files that were put together are one.
      const half = Math.floor(readFileSync(`${first}.old`).length / 2)
      const halves = [readFileSync(`${first}.old`).subarray(0, half), readFileSync(`${first}.old`).subarray(half)]
      writeFileSync(`${first}.gz`, Buffer.concat(halves.map((part) => gzipSync(part))))
      assert.isTrue(isClean(yield* verify(path)))
      writeFileSync(`${first}.gz`, Buffer.concat([whole, Buffer.from("my notes")]))
      assert.include(String(yield* Effect.flip(verify(path))), "it cannot be decompressed")
    }).pipe(provideFiles))
})
