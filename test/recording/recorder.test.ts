import { assert, describe, it } from "@effect/vitest"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { execFileSync } from "node:child_process"
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from "node:fs"
import { hostname } from "node:os"
import { basename, join } from "node:path"
import { isClean } from "../../src/internal/recording/verify.ts"
import { event, filesOf, folder, linesOf, open, provideFiles, record, trade, trades, unnumbered, verify } from "./files.ts"

const hour = 3_600_000
const limits = { size: 1_000_000_000, every: Duration.hours(1) }
const eachAlone = { limits: { ...limits, size: 1 } }

const typesOf = (file: string) => linesOf(file).map((line) => /"type":"(\w+)"/.exec(line)?.[1])
const tradesOf = (path: string) =>
  filesOf(path).flatMap(linesOf).flatMap((line) => /"type":"trade","data":\{"t":(\d+)/.exec(line)?.[1] ?? []).map(Number)

describe("a recording", () => {
  it.scoped("says what it is, and how each run of it began and ended", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 2)])
      yield* record(path, [trades(3, 3)], { streams: ["btcusdt@trade", "ethusdt@trade"], venue: "paper" })
      assert.deepStrictEqual(typesOf(path), ["header", "trade", "trade", "end", "header", "trade", "end"])
      assert.match(
        readFileSync(path, "utf8"),
        /^\{"source":"holdfast","symbol":"","type":"header","data":\{"version":1,"venue":"demo","after":"00000000","streams":\["btcusdt@trade"\],"positions":\{\}\},"timestamp":\d+,"line":1,"sum":"[\da-f]{8}"\}\n/
      )
      assert.include(linesOf(path)[4], `"venue":"paper"`)
      assert.include(linesOf(path)[4], `"positions":{"BTCUSDT trade":2}`)
      const report = yield* verify(path)
      assert.deepStrictEqual([report.lines, report.problems], [7, []])
      assert.deepStrictEqual(report.series.get("BTCUSDT trade"), {
        from: 1,
        to: 3,
        count: 3,
        repeated: 0,
        outOfOrder: 0,
        undeclared: 0,
        gaps: 0,
        isShared: false
      })
    }).pipe(provideFiles))

  it.scoped("continues each stream where it had stopped", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "all.ndjson")
      const streams = ["btcusdt@trade", "ethusdt@aggTrade", "btcusdt@depth@100ms", "btcusdt@kline_1m", "btcusdt@ticker", "xyzusdt@trade"]
      const candle = (t: number, x: boolean) => event("kline", { k: { t, T: t + 59_999, i: "1m", x } })
      yield* record(path, [[
        ...trades(900, 901),
        // A venue that begins its ids anew.
        trade(3),
        event("aggTrade", { a: 70 }, "ETHUSDT"),
        event("depth", { U: 10, u: 15 }),
        candle(60_000, true),
        candle(120_000, false),
        event("gap", { stream: "btcusdt@depth@100ms", from: 16, to: 20, cause: {} }),
        event("ticker", { c: "1" })
      ]], { streams })
      const { isUncertain, last } = yield* open(path, { streams: [...streams, "newusdt@trade"] })
      assert.deepStrictEqual(streams.map(last), [3, 70, 20, 119_999, undefined, undefined])
      // It was recorded and had no event: there may have been some since.
      assert.deepStrictEqual([...streams, "newusdt@trade"].filter(isUncertain), ["btcusdt@ticker", "xyzusdt@trade"])
    }).pipe(provideFiles))

  it.scoped("tells the candles of each time zone apart", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "candles.ndjson")
      const candle = (i: string, t: number, length: number) => event("kline", { k: { t, T: t + length - 1, i, x: true } })
      const ends = {
        "btcusdt@kline_1d": 24 * hour,
        "btcusdt@kline_1d@+00:00": 24 * hour,
        "btcusdt@kline_1d@+08:00": 40 * hour,
        "btcusdt@kline_1d@-05:00": 29 * hour,
        "btcusdt@kline_1h": 52 * hour,
        "btcusdt@kline_1h@+05:30": 50.5 * hour,
        "btcusdt@kline_1w@+08:00": 80 * 24 * hour - 8 * hour
      }
      const candles = [
        candle("1d", 0, 24 * hour),
        candle("1d", 5 * hour, 24 * hour),
        candle("1d", 16 * hour, 24 * hour),
        candle("1h", 51 * hour, hour),
        candle("1h", 49.5 * hour, hour),
        candle("1w", 73 * 24 * hour - 8 * hour, 7 * 24 * hour)
      ]
      yield* record(path, [candles])
      const recorder = yield* open(path, { streams: Object.keys(ends) })
      assert.deepStrictEqual(
        Object.keys(ends).map((stream) => [stream, (recorder.last(stream) ?? 0) + 1]),
        Object.entries(ends)
      )
      assert.isUndefined(recorder.last("btcusdt@kline_1w"))
    }).pipe(provideFiles))

  for (const wasKilled of [false, true]) {
    it.scoped(`reads no more of a large file than of a small one to continue it${wasKilled ? ", even after a crash" : ""}`, () =>
      Effect.gen(function*() {
        const fs = yield* FileSystem.FileSystem
        const dir = yield* folder
        let bytes = 0
        const counting: FileSystem.FileSystem = {
          ...fs,
          open: (file, options) =>
            Effect.map(fs.open(file, options), (opened): FileSystem.File =>
              new Proxy(opened, {
                get: (target, name): unknown =>
                  name === "read"
                    ? (buffer: Uint8Array) => Effect.tap(target.read(buffer), (count) => Effect.sync(() => {
                      bytes += Number(count)
                    }))
                    : Reflect.get(target, name)
              }))
        }
        const readOf = (thousands: number) =>
          Effect.gen(function*() {
            const path = join(dir, `${thousands}.ndjson`)
            const batches = Array.from({ length: thousands }, (_, i) => trades(i * 1_000, i * 1_000 + 999))
            yield* record(path, [[trade(7, "ETHUSDT")], ...batches])
            // A recorder that was killed has written no last line.
            if (wasKilled) truncateSync(path, readFileSync(path, "utf8").lastIndexOf(`{"source":"holdfast"`))
            bytes = 0
            const { last } = yield* Effect.provideService(
              open(path, { streams: ["btcusdt@trade", "ethusdt@trade"] }),
              FileSystem.FileSystem,
              counting
            )
            assert.deepStrictEqual([last("btcusdt@trade"), last("ethusdt@trade")], [thousands * 1_000 - 1, 7])
            return { bytes, size: statSync(path).size }
          })
        for (const thousands of [20, 60]) {
          const { bytes, size } = yield* readOf(thousands)
          assert.isAbove(size, 115_000 * thousands)
          // A quarter of a MiB of its beginning, and the same and then 1 MiB of its end.
          assert.isBelow(bytes, 2_200_000)
        }
      }).pipe(provideFiles))
  }

  for (
    const [name, content] of [
      ["a text", "my notes"],
      ["a text of several lines", "one line\nand another"],
      ["a text with an end", "my notes\n"],
      ["JSON", "[1, 2]\n"],
      ["JSON without an end", `{"name": "x"`],
      ["JSON that begins alike", `{"source":"x"}`],
      ["JSON that begins alike, on several lines", `{"source":"x",\n"symbol":1}\n`],
      ["zeros", "\0".repeat(5_000)],
      ["a recording with another last line", `${unnumbered([trade(1)])}%%%\n`],
      ["a recording with other line ends", `${unnumbered([trade(1)])}\r\n`],
      ["a recording, and after it a text without an end", `${unnumbered([trade(1)])}my notes`],
      ["a recording, and after it JSON without an end", `${unnumbered([trade(1)])}{"name": "x"`],
      ["a recording after a byte order mark", `\uFEFF${unnumbered([trade(1)])}`]
    ] as const
  ) {
    it.scoped(`leaves a file of other content as it is: ${name}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "notes.txt")
        writeFileSync(path, content)
        const { message } = yield* Effect.flip(Effect.scoped(open(path)))
        assert.match(message, /^The recording .*notes.txt cannot be read or written: (?:its?|what) .*\. Give a path that can be written with --out\.$/)
        assert.strictEqual(readFileSync(path, "utf8"), content)
        assert.deepStrictEqual(readdirSync(join(path, "..")), ["notes.txt"])
      }).pipe(provideFiles))
  }

  for (
    const [name, change] of [
      ["its first line", (text: string) => text.replace(`"venue":"demo"`, `"venue":"live"`)],
      ["its last line", (text: string) => text.replace(/"type":"end"/, `"type":"ena"`)],
      ["its line ends", (text: string) => text.replaceAll("\n", "\r\n")],
      ["its first line, so that it has no checksum", (text: string) => text.replace(/"sum":"\w+"/, `"sum":"?"`)],
      ["a text after its last line", (text: string) => `${text}my notes`],
      ["a line that somebody has added", (text: string) => `${text}${unnumbered([trade(4)])}`],
      ["a line that is not the last any more", (text: string) => `${text.split("\n").slice(0, 3).join("\n")}\n${text.split("\n")[4] ?? ""}\n`],
      ["its version", (text: string) => text.replace(`"version":1`, `"version":2`)]
    ] as const
  ) {
    it.scoped(`leaves a recording as it is that somebody has changed: ${name}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        yield* record(path, [trades(1, 3)])
        const changed = change(readFileSync(path, "utf8"))
        writeFileSync(path, changed)
        assert.strictEqual((yield* Effect.flip(Effect.scoped(open(path))))._tag, "RecordingFailed")
        assert.strictEqual(readFileSync(path, "utf8"), changed)
      }).pipe(provideFiles))
  }

  it.scoped("is continued from every byte at which a crash may have cut it", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 2)])
      const whole = readFileSync(path)
      for (let length = 0; length < whole.length; length++) {
        writeFileSync(path, whole.subarray(0, length))
        const past = yield* Effect.scoped(Effect.map(open(path), ({ last }) => last("btcusdt@trade") ?? 0))
        const kept = whole.subarray(0, length).toString().split("\n").slice(0, -1)
        assert.strictEqual(past, kept.filter((line) => line.includes(`"type":"trade"`)).length)
        assert.isTrue(isClean(yield* verify(path)), `cut at ${length}`)
        assert.deepStrictEqual(linesOf(path).slice(0, kept.length), kept)
      }
    }).pipe(provideFiles))

  it.scoped("is continued when a power failure has left zeros, or half a letter, at its end", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 2)])
      const whole = readFileSync(path, "utf8")
      for (const torn of ["\0".repeat(3_000), `{"source":"binance","sym${"\0".repeat(3_000)}`, Buffer.from(`{"source":"binance","symbol":"币`).subarray(0, -1)]) {
        appendFileSync(path, torn)
        yield* record(path, [])
        assert.isTrue(readFileSync(path, "utf8").startsWith(whole))
        assert.isTrue(isClean(yield* verify(path)))
      }
    }).pipe(provideFiles))

  for (
    const [name, make, reason] of [
      ["a folder", (path: string) => {
        mkdirSync(path)
      }, "it is a folder"],
      ["a pipe", (path: string) => {
        execFileSync("mkfifo", [path])
      }, "it is not a regular file"],
      ["a link to a device", (path: string) => {
        symlinkSync("/dev/null", path)
      }, "it is not a regular file"]
    ] as const
  ) {
    it.scoped(`is no file of another type, and leaves that without a lock: ${name}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        make(path)
        const fs = yield* FileSystem.FileSystem
        const written: Array<string> = []
        const watched: FileSystem.FileSystem = {
          ...fs,
          writeFileString: (file, ...rest) => Effect.zipRight(Effect.sync(() => written.push(file)), fs.writeFileString(file, ...rest))
        }
        const { message } = yield* Effect.flip(Effect.provideService(open(path), FileSystem.FileSystem, watched))
        assert.include(message, reason)
        assert.deepStrictEqual(written, [])
      }).pipe(provideFiles))
  }

  for (const torn of ["{", `{"source":"binance","symb`, `{"source":"binance","symbol":"BTCUSDT","type":"trade","data":{"t":1`]) {
    it.scoped(`cuts off a torn line, even if the file has no other: ${torn}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        writeFileSync(path, torn)
        yield* record(path, [])
        assert.deepStrictEqual(typesOf(path), ["header", "end"])
      }).pipe(provideFiles))
  }

  it.scoped("of version 0.1.0 goes on in a new file, and keeps the old one", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      const old = unnumbered([event("aggTrade", { a: 5 }), ...trades(1, 10)])
      writeFileSync(path, `${old}{"source":"bin`)
      const streams = ["btcusdt@trade", "btcusdt@aggTrade", "ethusdt@trade", "btcusdt@forceOrder"]
      const { isUncertain, last } = yield* open(path, { streams })
      assert.deepStrictEqual(streams.map(last), [10, 5, undefined, undefined])
      // Nothing shows whether forced orders are missing. Trades of ETHUSDT were never recorded.
      assert.deepStrictEqual(streams.filter(isUncertain), ["btcusdt@forceOrder"])
      const [kept = "", current = ""] = filesOf(path)
      assert.strictEqual(readFileSync(kept, "utf8"), old)
      assert.deepStrictEqual([basename(current), ...typesOf(current)], ["trades.ndjson", "header"])
    }).pipe(provideFiles))

  it.scoped("of version 0.1.0 goes on from the events that came last, whatever the names of its files say", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const timed = (t: number, E: number) => ({ ...trade(t), data: { t, E } })
      // The clock went back between the two.
      writeFileSync(join(dir, "trades.2026-01-01T12-00-00.000Z.ndjson"), unnumbered([timed(1, 100), timed(2, 200)]))
      writeFileSync(join(dir, "trades.2026-01-01T11-30-00.000Z.ndjson"), unnumbered([timed(3, 300), timed(4, 400)]))
      assert.strictEqual((yield* open(join(dir, "trades.ndjson"))).last("btcusdt@trade"), 4)
    }).pipe(provideFiles))

  it.scoped("of version 0.1.0 is not searched without end: what is not found is uncertain", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      const line = unnumbered([trade(1_000)])
      const block = line.repeat(Math.ceil((8 * 1024 * 1024) / line.length))
      for (let i = 0; i < 9; i++) appendFileSync(path, block)
      const { isUncertain, last } = yield* open(path, { streams: ["btcusdt@trade", "ethusdt@trade"] })
      assert.deepStrictEqual([last("btcusdt@trade"), isUncertain("btcusdt@trade")], [1_000, false])
      assert.deepStrictEqual([last("ethusdt@trade"), isUncertain("ethusdt@trade")], [undefined, true])
    }).pipe(provideFiles))
})

describe("the rotation of a recording", () => {
  it.scoped("keeps every file, and the chain goes through all of them", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, trades(1, 20).map((each) => [each]), eachAlone)
      const files = filesOf(path)
      assert.strictEqual(files.length, 21)
      assert.deepStrictEqual(tradesOf(path), trades(1, 20).map((_, i) => i + 1))
      assert.isTrue(isClean(yield* verify(path)))
      // A file that is gone is missed.
      rmSync(files[7] ?? "")
      const { problems } = yield* verify(path)
      assert.deepStrictEqual(problems.map(({ file, message }) => [file, message]), [
        [files[8], "Lines 21 to 23 are missing before line 24."]
      ])
    }).pipe(provideFiles))

  it.scoped("gives names that sort right when the clock goes back", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* TestClock.setTime(1_000 * hour)
      yield* record(path, [trades(1, 1), trades(2, 2)], eachAlone)
      yield* TestClock.setTime(900 * hour)
      yield* record(path, [trades(3, 3), trades(4, 4)], eachAlone)
      assert.deepStrictEqual(tradesOf(path), [1, 2, 3, 4])
      assert.isTrue(isClean(yield* verify(path)))
    }).pipe(provideFiles))

  it.scoped("leaves what a restart goes on from, even without the current file", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 1), trades(2, 2)], eachAlone)
      rmSync(path)
      const { last, write } = yield* open(path)
      assert.strictEqual(last("btcusdt@trade"), 1)
      yield* write(trades(2, 2))
    }).pipe(provideFiles))

  it.scoped("happens at the age of the file, and not at that of the program", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 1)])
      yield* TestClock.adjust("50 minutes")
      yield* record(path, [trades(2, 2)])
      assert.strictEqual(filesOf(path).length, 1)
      yield* TestClock.adjust("11 minutes")
      yield* record(path, [trades(3, 3)])
      assert.strictEqual(filesOf(path).length, 2)
    }).pipe(provideFiles))

  it.scoped("renames the file that a link leads to", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      mkdirSync(join(dir, "disk"))
      writeFileSync(join(dir, "disk", "trades.ndjson"), "")
      symlinkSync(join(dir, "disk", "trades.ndjson"), join(dir, "link.ndjson"))
      yield* record(join(dir, "link.ndjson"), [trades(1, 1), trades(2, 2)], eachAlone)
      assert.deepStrictEqual(readdirSync(dir).sort(), ["disk", "link.ndjson"])
      assert.strictEqual(readdirSync(join(dir, "disk")).length, 3)
    }).pipe(provideFiles))

  it.scoped("goes through a link to a file that is not there yet", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      mkdirSync(join(dir, "disk"))
      symlinkSync(join("disk", "trades.ndjson"), join(dir, "link.ndjson"))
      yield* record(join(dir, "link.ndjson"), [trades(1, 1), trades(2, 2)], eachAlone)
      assert.deepStrictEqual(readdirSync(dir).sort(), ["disk", "link.ndjson"])
      assert.strictEqual(readdirSync(join(dir, "disk")).length, 3)
    }).pipe(provideFiles))

  it.scoped("is not gone on from if somebody has changed its newest file", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 1), trades(2, 2)], eachAlone)
      const [, newest = ""] = filesOf(path)
      rmSync(path)
      writeFileSync(newest, readFileSync(newest, "utf8").replace(`"type":"end"`, `"type":"ena"`))
      const { message } = yield* Effect.flip(open(path))
      assert.include(message, `the newest of its files is ${basename(newest)}, and `)
      assert.isFalse(existsSync(path))
    }).pipe(provideFiles))

  it.scopedLive("compresses what was rotated, and what an earlier run had left", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 1), trades(2, 2)], eachAlone)
      const [first = ""] = filesOf(path)
      // What a crash leaves behind.
      writeFileSync(`${first}.gz.part`, "half")
      const { write } = yield* open(path, { ...eachAlone, gzip: true })
      yield* write(trades(3, 3))
      const isDone = Effect.sync(() => filesOf(path).filter((file) => file.endsWith(".ndjson")).length === 1)
      yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), isDone), { until: (done) => done })
      assert.strictEqual(filesOf(path).filter((file) => file.endsWith(".ndjson.gz")).length, filesOf(path).length - 1)
      assert.isTrue(isClean(yield* verify(path)))
      assert.isFalse(existsSync(`${first}.gz.part`))
    }).pipe(provideFiles))

  it.scopedLive("leaves what a restart goes on from, even if it is compressed", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      yield* record(path, [trades(1, 1), trades(2, 2)], eachAlone)
      yield* Effect.scoped(Effect.gen(function*() {
        yield* open(path, { gzip: true })
        const isDone = Effect.sync(() => filesOf(path).filter((file) => file.endsWith(".ndjson")).length === 1)
        yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), isDone), { until: (done) => done })
      }))
      rmSync(path)
      assert.strictEqual((yield* open(path)).last("btcusdt@trade"), 1)
      assert.isTrue(filesOf(path).every((file) => !file.endsWith(".part")))
    }).pipe(provideFiles))
})

describe("the file of a recording", () => {
  it.scoped("has one recorder at a time", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const path = join(dir, "trades.ndjson")
      yield* Effect.scoped(Effect.gen(function*() {
        const { write } = yield* open(path)
        symlinkSync(path, join(dir, "link.ndjson"))
        for (const other of [path, join(dir, "link.ndjson")]) {
          const { message } = yield* Effect.flip(open(other))
          assert.strictEqual(
            message,
            `Process ${process.pid} on ${hostname()} records to ${path} already. End it, or give another file with --out.`
          )
        }
        yield* write(trades(1, 1))
      }))
      rmSync(join(dir, "link.ndjson"))
      yield* record(path, [trades(2, 2)])
      assert.deepStrictEqual(tradesOf(path), [1, 2])
      assert.isFalse(existsSync(`${path}.lock`))
    }).pipe(provideFiles))

  it.scoped("has one recorder, even if another looks while the lock is being written", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      const fs = yield* FileSystem.FileSystem
      const written = yield* Deferred.make<undefined>()
      const slow: FileSystem.FileSystem = {
        ...fs,
        writeFileString: (file, text, options) =>
          fs.writeFileString(file, "", options).pipe(
            Effect.zipRight(Deferred.await(written)),
            Effect.zipRight(fs.writeFileString(file, text))
          )
      }
      const first = yield* Effect.fork(Effect.either(Effect.provideService(open(path), FileSystem.FileSystem, slow)))
      const hasBegun = Effect.sync(() => readdirSync(join(path, "..")).length > 0)
      yield* Effect.repeat(Effect.zipRight(Effect.yieldNow(), hasBegun), { until: (begun) => begun })
      const second = yield* Effect.either(open(path))
      yield* Deferred.succeed(written, undefined)
      assert.deepStrictEqual([second._tag, (yield* Fiber.join(first))._tag].sort(), ["Left", "Right"])
    }).pipe(provideFiles))

  it.scoped("is not opened when its lock cannot be read, or a process on another machine takes it over", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      mkdirSync(`${path}.lock`)
      assert.include((yield* Effect.flip(Effect.scoped(open(path)))).message, "it is a folder")
      rmSync(`${path}.lock`, { recursive: true })
      writeFileSync(`${path}.lock`, "")
      writeFileSync(`${path}.lock.takeover`, JSON.stringify({ pid: 1, host: "elsewhere.invalid", started: "" }))
      assert.include((yield* Effect.flip(Effect.scoped(open(path)))).message, `If it runs no more, remove ${path}.lock.takeover.`)
    }).pipe(provideFiles))

  it.scoped("is taken over, even if a process has ended while it took it over", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "trades.ndjson")
      const ended = JSON.stringify({ pid: 2 ** 30, host: hostname(), started: "" })
      writeFileSync(`${path}.lock`, ended)
      writeFileSync(`${path}.lock.takeover`, ended)
      yield* Effect.scoped(open(path))
      assert.deepStrictEqual(readdirSync(join(path, "..")), ["trades.ndjson"])
    }).pipe(provideFiles))

  for (
    const [name, lock, isTaken] of [
      ["a process that has ended", { pid: 2 ** 30, host: hostname(), started: "" }, true],
      ["another process of that number", { pid: process.ppid, host: hostname(), started: "1" }, true],
      ["a process that runs", { pid: process.ppid, host: hostname(), started: "" }, false],
      ["a process on another machine", { pid: 2 ** 30, host: "elsewhere.invalid", started: "" }, false],
      ["nobody: a crash has torn it", undefined, true]
    ] as const
  ) {
    it.scoped(`${isTaken ? "is taken over from" : "is not taken from"} ${name}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        writeFileSync(`${path}.lock`, lock === undefined ? "" : JSON.stringify(lock))
        const opened = yield* Effect.either(Effect.scoped(open(path)))
        assert.strictEqual(opened._tag, isTaken ? "Right" : "Left")
        assert.deepStrictEqual(readdirSync(join(path, "..")), isTaken ? ["trades.ndjson"] : ["trades.ndjson.lock"])
      }).pipe(provideFiles))
  }

  for (
    const [name, act] of [
      ["moved", (path: string) => {
        renameSync(path, join(path, "..", "trades.0.ndjson"))
      }],
      ["moved, with an empty one in its stead", (path: string) => {
        renameSync(path, join(path, "..", "trades.0.ndjson"))
        writeFileSync(path, "")
      }]
    ] as const
  ) {
    it.scoped(`may be ${name}: the recording goes on in a new one`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        yield* Effect.scoped(Effect.gen(function*() {
          const { write } = yield* open(path)
          yield* write(trades(1, 1))
          act(path)
          yield* write(trades(2, 2))
        }))
        assert.deepStrictEqual(filesOf(path).map(typesOf), [["header", "trade", "end"], ["header", "trade", "end"]])
        assert.isTrue(isClean(yield* verify(path)))
      }).pipe(provideFiles))
  }

  for (
    const [name, act] of [
      ["removed", (path: string) => {
        rmSync(path)
      }],
      ["emptied", (path: string) => {
        truncateSync(path, 0)
      }]
    ] as const
  ) {
    it.scoped(`may be ${name}: the recording goes on in a new one`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        yield* Effect.scoped(Effect.gen(function*() {
          const { write } = yield* open(path)
          yield* write(trades(1, 1))
          act(path)
          yield* write(trades(2, 2))
        }))
        assert.deepStrictEqual(typesOf(path), ["header", "trade", "end"])
        assert.deepStrictEqual((yield* verify(path)).problems, [])
        assert.strictEqual((yield* open(path)).last("btcusdt@trade"), 2)
      }).pipe(provideFiles))
  }

  for (
    const [name, act] of [
      ["another file takes its stead", (path: string) => {
        rmSync(path)
        writeFileSync(path, "my notes\n")
      }],
      ["another program writes to it", (path: string) => {
        appendFileSync(path, "my notes\n")
      }]
    ] as const
  ) {
    it.scoped(`ends the recording when ${name}`, () =>
      Effect.gen(function*() {
        const path = join(yield* folder, "trades.ndjson")
        yield* Effect.scoped(Effect.gen(function*() {
          const { write } = yield* open(path)
          yield* write(trades(1, 1))
          act(path)
          assert.match((yield* Effect.flip(write(trades(2, 2)))).message, /another (file|program) has/)
        }))
        assert.isTrue(readFileSync(path, "utf8").endsWith("my notes\n"))
      }).pipe(provideFiles))
  }
})
