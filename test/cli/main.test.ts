import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { Exchange } from "holdfast/binance/exchange"
import { isClean } from "../../src/internal/recording/verify.ts"
import { event, provideFiles, record, trades, verify } from "../recording/files.ts"
import * as HttpProxy from "../utils/HttpProxy.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

// Runs the program to its end, and interrupts it (Ctrl-C) once it has printed this.
const run = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  interruptAt?: string,
  signals: ReadonlyArray<NodeJS.Signals> = ["SIGINT"]
) =>
  Effect.async<Ran>((resume) => {
    const child = spawn(process.execPath, ["--import", "tsx", main, ...args], {
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let out = ""
    let err = ""
    child.stdout.on("data", (chunk: Buffer) => {
      const before = out
      out += chunk.toString()
      if (interruptAt !== undefined && !before.includes(interruptAt) && out.includes(interruptAt)) {
        // Signals that come at the same time count as one.
        for (const [i, signal] of signals.entries()) setTimeout(() => child.kill(signal), 10 * i)
      }
    })
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk.toString()
    })
    child.on("close", (code) => {
      resume(Effect.succeed({ code, out, err }))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const Line = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
const lines = (out: string) => Effect.forEach(out.trim().split("\n"), (line) => Schema.decode(Line)(line))

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "holdfast-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

// A port that nobody listens on.
const freePort = Effect.async<number>((resume) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => {
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    })
  })
})

const within = { timeout: 60_000 }

describe("the program", () => {
  it.scopedLive("streams the demo as JSON, one object a line, through a connection that breaks and heals", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* run(["--json", "--for", "10s"])
      assert.deepStrictEqual([code, err], [0, ""])
      const all = yield* lines(out)
      const market = all.filter((line) => "source" in line)
      assert.deepStrictEqual([...new Set(market.map(({ type }) => type))].sort(), ["kline", "ticker", "trade"])
      for (const event of market) {
        assert.deepStrictEqual(Object.keys(event), ["source", "symbol", "type", "data", "timestamp", "via"])
        assert.strictEqual(event["symbol"], "BTCUSDT")
      }
      const ids = market.flatMap(({ data, type }) =>
        type === "trade" ? [Schema.decodeUnknownSync(Schema.Struct({ t: Schema.Number }))(data).t] : []
      )
      assert.deepStrictEqual(ids, ids.map((_, i) => (ids[0] ?? 0) + i))
      const told = new Set(["Dialling", "Opened", "Lost", "Waiting", "Gap", "Repaired", "Summary"])
      // The market is no real one, which its first line says.
      assert.deepStrictEqual([all[0]?.["event"], all[0]?.["connection"]], ["MadeUp", "demo"])
      const connection = all.flatMap((line) => "connection" in line && told.has(String(line["event"])) ? [line["event"]] : [])
      // A candle that closed during the outage is repaired beside the trades, and a repair may come in parts.
      assert.deepStrictEqual(connection.filter((event, i) => event !== "Repaired" || connection[i - 1] !== "Repaired"), [
        "Dialling",
        "Opened",
        "Lost",
        "Waiting",
        "Dialling",
        "Opened",
        "Gap",
        "Repaired",
        "Summary"
      ])
    }), within)

  it.scopedLive("names the settings file of a value that is not allowed", () =>
    Effect.gen(function*() {
      const file = join(yield* temporary, "settings.json")
      writeFileSync(file, `{"trading_mode": "mars"}`)
      const { code, err } = yield* run([], { HOLDFAST_CONFIG: file })
      assert.strictEqual(code, 2)
      assert.strictEqual(err, `TRADING_MODE: Expected one of demo, spot, testnet, us, futures, coin-m, but received "mars" (in ${file}).\n`)
    }), within)

  it.scopedLive("logs to standard error, and prints only what was asked for", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const file = join(folder, "settings.json")
      writeFileSync(file, `{"websocket_max_retrys": 3}`)
      const { code, err, out } = yield* run(["--json", "--for", "10s"], { LOG_LEVEL: "info", HOLDFAST_CONFIG: file })
      assert.strictEqual(code, 0)
      assert.include(err, "websocket_max_retrys")
      assert.include(err, "Connected")
      const opened = (yield* lines(out)).filter(({ event }) => event === "Opened")
      assert.isAbove(opened.length, 1)
      // Times are in milliseconds, wherever they are.
      assert.deepStrictEqual([...new Set(opened.map(({ outage }) => typeof outage))].sort(), ["number", "object"])
    }), within)

  it.scopedLive("goes on with the recording of a market that is there no more by a gap", () =>
    Effect.gen(function*() {
      const out = join(yield* temporary, "trades.ndjson")
      const record = run(["record", "btcusdt@trade", "--out", out, "--for", "3s"])
      assert.strictEqual((yield* record).code, 0)
      const before = readFileSync(out, "utf8").split("\n").length
      assert.strictEqual((yield* record).code, 0)
      const after = readFileSync(out, "utf8").trim().split("\n").slice(before - 1)
      assert.include(after[0], `"type":"header"`)
      assert.include(after[1], `"type":"gap"`)
      assert.isAbove(after.length, 5)
    }), within)

  it.scopedLive("watches the streams it is told to, at the venue it is told to", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make()
      const { code, out } = yield* run(
        ["--json", "--for", "4s", "--ws", exchange.wsUrl, "--stream", "ethusdt@bookTicker", "-s", "solusdt@miniTicker"]
      )
      assert.strictEqual(code, 0)
      const market = (yield* lines(out)).filter((line) => "source" in line)
      assert.deepStrictEqual([...new Set(market.map(({ symbol }) => symbol))].sort(), ["ETHUSDT", "SOLUSDT"])
    }), within)

  it.scopedLive("refuses to record a stream that the venue does not have, and leaves no file", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const { code, err, out } = yield* run(["record", "btcusdt@trade", "btcusdt@trad", "--out", join(folder, "trades.ndjson"), "--for", "20s"])
      assert.deepStrictEqual([code, out], [2, ""])
      assert.strictEqual(
        err,
        "There is no stream btcusdt@trad: the venue has no kind trad. Did you mean btcusdt@trade? --unchecked asks for it all the same.\n"
      )
      assert.deepStrictEqual(readdirSync(folder), [])
    }), within)

  it.scopedLive("ends with an error where it records only a symbol that the venue does not list, and leaves no file", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const { code, err } = yield* run(["record", "nopeusdt@trade", "--out", join(folder, "trades.ndjson"), "--for", "20s"], { LOG_LEVEL: "off" })
      assert.deepStrictEqual([code, err], [1, "There is no stream nopeusdt@trade: the venue does not list the symbol NOPEUSDT.\n"])
      assert.deepStrictEqual(readdirSync(folder), [])
    }), within)

  it.scopedLive("goes on without a symbol that the venue does not list, and ends where there is no other", () =>
    Effect.gen(function*() {
      const several = yield* run(["watch", "nopeusdt@trade", "btcusdt@trade", "--json", "--for", "8s"], { LOG_LEVEL: "off" })
      assert.deepStrictEqual([several.code, several.err], [0, ""])
      const market = (yield* lines(several.out)).filter((line) => "source" in line)
      const ended = market.findIndex(({ type }) => type === "ended")
      assert.deepStrictEqual(market[ended]?.["symbol"], "NOPEUSDT")
      assert.isTrue(market.slice(ended + 1).some(({ type }) => type === "trade"))

      const { code, err } = yield* run(["watch", "nopeusdt@trade", "--for", "20s"], { LOG_LEVEL: "off" })
      assert.deepStrictEqual([code, err], [1, "There is no stream nopeusdt@trade: the venue does not list the symbol NOPEUSDT.\n"])
    }), within)

  it.scopedLive("shows an order book", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make()
      const { code, out } = yield* run(["book", "btcusdt", "--levels", "3", "--json", "--for", "3s", "--ws", exchange.wsUrl])
      assert.strictEqual(code, 0)
      const books = (yield* lines(out)).filter(({ type }) => type === "book")
      assert.isAbove(books.length, 0)
      const Book = Schema.Struct({ bids: Schema.Array(Schema.Unknown), asks: Schema.Array(Schema.Unknown) })
      for (const { data } of books) {
        const { asks, bids } = Schema.decodeUnknownSync(Book)(data)
        assert.deepStrictEqual([asks.length, bids.length], [3, 3])
      }
    }), within)

  it.scopedLive("counts no market events in the summary of an order book", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make()
      const book = ["book", "btcusdt", "--for", "2s", "--ws", exchange.wsUrl]
      const last = (yield* lines((yield* run([...book, "--json"])).out)).at(-1) ?? {}
      assert.deepStrictEqual(
        Object.keys(last),
        ["connection", "event", "timestamp", "elapsed", "connected", "outages", "longestOutage", "invalid", "causes"]
      )
      assert.match((yield* run(book)).out, /Ran for .*\n0 outages; 0 invalid messages skipped\.\n$/)
    }), within)

  it.scopedLive("records, and after a crash goes on where it had stopped, with what it missed", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 50 })
      const folder = yield* temporary
      const out = join(folder, "trades.ndjson")
      // Another recording beside it, which has come further.
      writeFileSync(join(folder, "trades.other.ndjson"), `{"source":"binance","symbol":"BTCUSDT","type":"trade","data":{"t":9000000}}\n`)
      const record = (...more: ReadonlyArray<string>) =>
        run(["record", "btcusdt@trade", "--out", out, "--for", "3s", "--ws", exchange.wsUrl, ...more])
      assert.strictEqual((yield* record()).code, 0)
      // What a crash leaves behind.
      appendFileSync(out, `{"source":"binance","symbol":"BTC`)
      assert.strictEqual((yield* record("--rotate-every", "1s")).code, 0)
      assert.strictEqual((yield* record()).code, 0)

      const files = readdirSync(folder).filter((file) => !file.includes("other")).sort()
      assert.isAbove(files.length, 1)
      const text = files.map((file) => readFileSync(join(folder, file), "utf8"))
      assert.isTrue(text.every((content) => content.endsWith("\n")))
      const Trade = Schema.parseJson(Schema.Struct({ type: Schema.Literal("trade"), data: Schema.Struct({ t: Schema.Number }) }))
      const ids = text.join("").split("\n").flatMap((line) => {
        const trade = Schema.decodeUnknownOption(Trade)(line)
        return Option.isSome(trade) ? [trade.value.data.t] : []
      })
      assert.isAbove(ids.length, 100)
      assert.deepStrictEqual(ids, ids.map((_, i) => (ids[0] ?? 0) + i))
    }), within)

  it.scopedLive("records whole data, however often and whenever it is killed", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 100 })
      const out = join(yield* temporary, "trades.ndjson")
      const args = ["record", "btcusdt@trade", "btcusdt@depth@100ms", "--out", out, "--ws", exchange.wsUrl, "--rotate-every", "1s"]
      for (const moment of ["connected  BTCUSDT", "Recording", "connected in", "connected  BTCUSDT", "connected in"]) {
        assert.isNull((yield* run(args, {}, moment, ["SIGKILL"])).code)
      }
      assert.strictEqual((yield* run([...args, "--for", "2s"])).code, 0)
      const report = yield* verify(out).pipe(provideFiles)
      assert.deepStrictEqual(report.problems, [])
      assert.isTrue(isClean(report))
      const { count = 0, from = 0, gaps, to = 0 } = report.series.get("BTCUSDT trade") ?? {}
      assert.deepStrictEqual([count, gaps], [to - from + 1, 0])
      // Updates of books cannot be fetched: each restart has its gap.
      assert.isAbove(report.series.get("BTCUSDT depth")?.gaps ?? 0, 1)
    }), within)

  it.scopedLive("goes on recording when nobody reads its status any more", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 100 })
      const out = join(yield* temporary, "trades.ndjson")
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, ["--import", "tsx", main, "record", "btcusdt@trade", "--out", out, "--ws", exchange.wsUrl], {
            stdio: ["ignore", "pipe", "ignore"]
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const ended = Effect.async<number | null>((resume) => {
        child.on("exit", (code) => {
          resume(Effect.succeed(code))
        })
      })
      const size = Effect.sync(() => existsSync(out) ? statSync(out).size : 0)
      const grows = (to: number) => Effect.repeat(Effect.delay(size, "50 millis"), { until: (bytes) => bytes > to })
      yield* grows(5_000)
      child.stdout.destroy()
      // Its status comes once a second: several have found no reader.
      yield* Effect.raceFirst(grows((yield* size) + 60_000), Effect.flatMap(ended, () => Effect.dieMessage("It ended.")))
      child.kill("SIGINT")
      assert.strictEqual(yield* ended, 0)
      assert.isTrue(isClean(yield* verify(out).pipe(provideFiles)))
    }), within)

  it.scopedLive("records to standard output, and shows its status on standard error", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 50 })
      const folder = yield* temporary
      const { code, err, out } = yield* run(["record", "btcusdt@trade", "--out", "-", "--for", "3s", "--ws", exchange.wsUrl])
      assert.strictEqual(code, 0)
      assert.match(err, /^Recording btcusdt@trade at custom to standard output\. Ctrl-C ends it\.\n[^]*\nRan for /)
      writeFileSync(join(folder, "trades.ndjson"), out)
      const report = yield* verify(join(folder, "trades.ndjson")).pipe(provideFiles)
      assert.deepStrictEqual([report.problems, isClean(report)], [[], true])
      assert.isAbove(report.series.get("BTCUSDT trade")?.count ?? 0, 50)
      assert.deepStrictEqual(readdirSync(folder), ["trades.ndjson"])
    }), within)

  it.scopedLive("verifies a recording, and exits with 1 when it is not whole", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "trades.ndjson")
      yield* record(path, [trades(1, 3)]).pipe(provideFiles)
      const whole = yield* run(["verify", path])
      assert.deepStrictEqual([whole.code, whole.err], [0, ""])
      assert.strictEqual(
        whole.out,
        `${path}: 5 lines, whole\n` +
          "  BTCUSDT trade: 1 to 3, 3 events, 0 repeated, 0 out of order, 0 undeclared gaps, 0 declared gaps\n"
      )
      writeFileSync(path, readFileSync(path, "utf8").replace(`"t":2`, `"t":7`))
      const damaged = yield* run(["verify", path, "--json"])
      assert.strictEqual(damaged.code, 1)
      const [facts = {}] = yield* lines(damaged.out)
      assert.deepStrictEqual([facts["isWhole"], facts["lines"]], [false, 5])
      assert.strictEqual(damaged.err, `Not whole: ${path}. Fetch what is missing from an archive of the venue.\n`)
      assert.strictEqual((yield* run(["verify", "/nowhere/a.ndjson"])).err, "/nowhere/a.ndjson cannot be read: there is no such file or folder.\n")
    }), within)

  it.scopedLive("serves a recording again: who watches it reads what was recorded, and ends with it", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const out = join(folder, "all.ndjson")
      const exchange = yield* Exchange.make({ tradesPerSecond: 50 })
      const streams = ["btcusdt@trade", "btcusdt@depth@100ms"]
      assert.strictEqual((yield* run(["record", ...streams, "--out", out, "--for", "3s", "--ws", exchange.wsUrl])).code, 0)
      const port = yield* freePort
      const replaying = yield* Effect.fork(run(["replay", out, "--speed", "max", "--port", String(port)]))
      const watched = yield* run(["watch", ...streams, "--json", "--for", "8s", "--ws", `ws://127.0.0.1:${port}`])
      const { code, out: said } = yield* Fiber.join(replaying)
      assert.strictEqual(code, 0)
      assert.match(said, /^Serving \d+ events at ws:/)
      const dataOf = (text: string) =>
        text.trim().split("\n").flatMap((line) => /"type":"(?:trade|depth)","data":(\{.*\}),"timestamp"/.exec(line)?.[1] ?? [])
      const recorded = dataOf(readFileSync(out, "utf8"))
      assert.isAbove(recorded.length, 50)
      assert.deepStrictEqual(dataOf(watched.out).sort(), [...recorded].sort())
    }), within)

  it.scopedLive("shows what a recording that it serves lacks as gaps, and what comes after them", () =>
    Effect.gen(function*() {
      const path = join(yield* temporary, "all.ndjson")
      const trade = (t: number) => event("trade", { e: "trade", E: t, s: "BTCUSDT", t, p: "1.5", q: "2", T: t, m: false })
      const candle = (t: number) =>
        event("kline", {
          e: "kline",
          E: t,
          s: "BTCUSDT",
          k: { t, T: t + 59_999, s: "BTCUSDT", i: "1m", f: 1, L: 2, o: "1", c: "1", h: "1", l: "1", v: "1", n: 2, x: true, q: "1", V: "1", Q: "1" }
        })
      const missing = event("gap", { stream: "btcusdt@trade", from: 3, to: 7, cause: { error: "HistoryPruned", message: "" } })
      yield* record(path, [[trade(1), trade(2), candle(0), candle(60_000), missing, trade(8), candle(240_000), trade(9), candle(300_000)]], {
        streams: ["btcusdt@trade", "btcusdt@kline_1m"]
      }).pipe(provideFiles)
      const port = yield* freePort
      const replaying = yield* Effect.fork(run(["replay", path, "--speed", "max", "--port", String(port)]))
      const { out } = yield* run(["watch", "btcusdt@trade", "btcusdt@kline_1m", "--json", "--for", "8s", "--ws", `ws://127.0.0.1:${port}`])
      assert.strictEqual((yield* Fiber.join(replaying)).code, 0)
      const Data = Schema.Struct({
        t: Schema.optional(Schema.Number),
        k: Schema.optional(Schema.Struct({ t: Schema.Number })),
        from: Schema.optional(Schema.Number),
        to: Schema.optional(Schema.Number)
      })
      const seen = (yield* lines(out)).flatMap(({ data, symbol, type }) => {
        if (symbol !== "BTCUSDT") return []
        const { from = 0, k, t = k?.t, to = 0 } = Schema.decodeUnknownSync(Data)(data)
        return [{ of: type === "gap" ? (to < 60_000 ? "trade" : "kline") : type, what: t ?? `${from} to ${to}` }]
      })
      const of = (type: string) => seen.flatMap((each) => each.of === type ? [each.what] : [])
      assert.deepStrictEqual(of("trade"), [1, 2, "3 to 7", 8, 9])
      assert.deepStrictEqual(of("kline"), [0, 60_000, "120000 to 239999", 240_000, 300_000])
    }), within)

  it.scopedLive("ends when nobody reads a recording on standard output any more", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 50 })
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, ["--import", "tsx", main, "record", "btcusdt@trade", "--out", "-", "--ws", exchange.wsUrl], {
            stdio: ["ignore", "pipe", "ignore"]
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      const code = yield* Effect.async<number | null>((resume) => {
        child.on("exit", (code) => {
          resume(Effect.succeed(code))
        })
        child.stdout.once("data", () => {
          child.stdout.destroy()
        })
      })
      assert.strictEqual(code, 0)
    }), within)

  it.scopedLive("ends when it is interrupted, even if nobody reads the recording on standard output", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 2_000 })
      const child = yield* Effect.acquireRelease(
        Effect.sync(() =>
          spawn(process.execPath, ["--import", "tsx", main, "record", "btcusdt@trade", "--out", "-", "--ws", exchange.wsUrl], {
            stdio: ["ignore", "pipe", "pipe"]
          })
        ),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      let out = 0
      // Reads a part, and then nothing more.
      yield* Effect.async<void>((resume) => {
        child.stdout.on("data", (chunk: Buffer) => {
          out += chunk.length
          if (out < 10_000) return
          child.stdout.pause()
          resume(Effect.void)
        })
      })
      // The pipe holds some hundreds of them.
      const { sent } = yield* exchange.stats
      yield* Effect.repeat(Effect.delay(exchange.stats, "500 millis"), { until: (stats) => stats.sent > sent + 800 })
      const ended = Effect.async<number | null>((resume) => {
        child.on("exit", (code) => {
          resume(Effect.succeed(code))
        })
        child.kill("SIGINT")
      })
      assert.strictEqual(yield* ended, 0)
    }), within)

  it.scopedLive("tells people what goes on, and sums it up when it is interrupted", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* run([], {}, "connected  BTCUSDT")
      assert.deepStrictEqual([code, err], [0, ""])
      assert.match(out, /^MADE-UP MARKET: .*\nWatching /)
      assert.match(out, /connected in /)
      assert.match(out, /\d\d:\d\d:\d\d {2}demo: connected {2}BTCUSDT \d+\.\d\d/)
      assert.match(out, /Ran for .*\n0 outages; \d+ market events?; 0 gaps; 0 invalid messages skipped\./)
    }), within)

  it.scopedLive("ends at once when it is interrupted while it waits to dial, and exits with 1 since it never connected", () =>
    Effect.gen(function*() {
      const { code, out } = yield* run(["--ws", "ws://127.0.0.1:1"], { WEBSOCKET_INITIAL_DELAY: "3600", WEBSOCKET_MAX_DELAY: "3600" }, "next dial at")
      assert.strictEqual(code, 1)
      assert.match(out, /Ran for .*\n/)
    }), within)

  it.scopedLive("says that it never connected in the time that --for gave it, and exits with 1", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* run(["--ws", "ws://127.0.0.1:1", "--for", "2s"])
      assert.strictEqual(code, 1)
      assert.match(out, /^Ran for 2s[^,]*, never connected\.$/m)
      assert.strictEqual(err, "No connection opened within 2s. Check the address and the network.\n")
    }), within)

  it.scopedLive("says why it gives up, and exits with 1", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["--ws", "ws://127.0.0.1:1"], { WEBSOCKET_MAX_RETRIES: "0" })
      assert.strictEqual(code, 1)
      assert.match(err, /^Gave up after 0 retries in \d+ms; the last failure: The dial failed with ECONNREFUSED: .*\n$/)
    }), within)

  it.scopedLive("dials through a proxy, and says when that refuses", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make()
      const proxy = yield* HttpProxy.make()
      const args = ["--json", "--for", "3s", "--ws", exchange.wsUrl]
      const HTTP_PROXY = `http://127.0.0.1:${proxy.port}`
      const { code, out } = yield* run(args, { WEBSOCKET_PROXY: "environment", HTTP_PROXY })
      assert.strictEqual(code, 0)
      assert.isTrue((yield* lines(out)).some((line) => "source" in line))
      assert.deepStrictEqual(proxy.asked, [new URL(exchange.wsUrl).host])

      const refusing = yield* HttpProxy.make({ answer: "407 No\r\n\r\n" })
      const refused = yield* run(args, {
        WEBSOCKET_PROXY: `http://me:hidden@127.0.0.1:${refusing.port}`,
        WEBSOCKET_MAX_RETRIES: "0",
        LOG_LEVEL: "all"
      })
      assert.strictEqual(refused.code, 1)
      assert.include(refused.err, "Check the user and the password in the URL of the proxy.")
      assert.notInclude(refused.out + refused.err, "hidden")

      const wrong = yield* run(args, { WEBSOCKET_PROXY: "gopher://me:hidden@127.0.0.1" })
      assert.strictEqual(wrong.code, 2)
      assert.include(wrong.err, "WEBSOCKET_PROXY")
      assert.notInclude(wrong.out + wrong.err, "hidden")
    }), within)

  it.scopedLive("says what to check when it may not dial again, and exits with 1", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["--ws", "ws://127.0.0.1:1"], { WEBSOCKET_RECONNECTION_ENABLED: "no" })
      assert.strictEqual(code, 1)
      assert.match(err, /^The dial failed with ECONNREFUSED: .* Check the address and the network\.\n$/)
    }), within)

  it.scopedLive("ends with its summary when its terminal is closed, which sends SIGHUP more than once", () =>
    Effect.gen(function*() {
      const { code, out } = yield* run([], {}, "connected  BTCUSDT", ["SIGHUP", "SIGHUP"])
      assert.strictEqual(code, 0)
      assert.match(out, /Ran for .*\n/)
    }), within)

  for (
    const [variables, sentence] of [
      [
        { WEBSOCKET_JITTER_FACTOR: "2" },
        `WEBSOCKET_JITTER_FACTOR: Expected a number from 0 to 1, but received "2".`
      ],
      [{ TRADING_MODE: "mars" }, `TRADING_MODE: Expected one of demo, spot, testnet, us, futures, coin-m, but received "mars".`],
      [
        { LOG_LEVEL: "loud" },
        `LOG_LEVEL: Expected one of all, trace, debug, info, warn, error, fatal, off, but received "loud".`
      ],
      [
        { HOLDFAST_CONFIG: "nowhere.json" },
        `HOLDFAST_CONFIG: "nowhere.json" cannot be read: there is no such file or folder.`
      ],
      [{ HOLDFAST_CONFIG: "/" }, `HOLDFAST_CONFIG: "/" cannot be read: it is a folder.`],
      // Without the control character, which would colour the terminal.
      [{ TRADING_MODE: "\u001b[31mmars" }, `TRADING_MODE: Expected one of demo, spot, testnet, us, futures, coin-m, but received " [31mmars".`]
    ] as const
  ) {
    it.scopedLive(`says what is wrong with ${Object.entries(variables).join()}, and exits with 2`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* run([], variables), { code: 2, out: "", err: `${sentence}\n` })
      }), within)
  }

  for (
    const [args, sentence] of [
      [["--for", "soon"], `--for must be a duration, such as 20s, 5m or 1h, but is "soon".`],
      [["watch", "btcusdt@trade", "--jsno"], "holdfast watch has no option --jsno. Did you mean --json? holdfast watch --help lists its options."],
      [["--json", "watch", "btcusdt@trade"], "Options of a command come after it: holdfast watch --json."],
      [["-s", "nonsense"], `--stream must be a symbol and a kind, such as btcusdt@trade, but is "nonsense".`],
      [
        ["--ws", "ws://127.0.0.1:1", "--rest", "nonsense"],
        `--rest must be a URL such as http://127.0.0.1:9443, without a user or a query, but is "nonsense".`
      ],
      [
        ["--ws", "ws://me:secret@127.0.0.1:1/?key=secret"],
        `--ws must be a URL such as ws://127.0.0.1:9443, without a user or a query, but is "ws://…@127.0.0.1:1/…".`
      ],
      [
        ["--ws", "ws:/me:sec/ret?@127.0.0.1:1#secret"],
        `--ws must be a URL such as ws://127.0.0.1:9443, without a user or a query, but is "ws:/…".`
      ],
      [
        ["--rest", "http://127.0.0.1:1"],
        "--rest gives the REST interface of the venue that --ws names, and --ws is missing. Give --ws too."
      ],
      [
        ["record", "btcusdt@trade", "--out", "/nowhere/trades.ndjson"],
        "The recording /nowhere/trades.ndjson cannot be read or written: there is no such file or folder. " +
        "Give a path that can be written with --out."
      ],
      [
        ["record", "btcusdt@trade", "--out", "/"],
        "The recording / cannot be read or written: it is a folder. Give a path that can be written with --out."
      ],
      [["--wizard"], "--wizard needs a terminal. Give the options instead."]
    ] as const
  ) {
    // A file that cannot be written to is no misuse.
    const expected = args[0] === "record" ? 1 : 2
    it.scopedLive(`says what is wrong with ${args.join(" ")}, and exits with ${expected}`, () =>
      Effect.gen(function*() {
        const { code, err, out } = yield* run([...args, ...(args[0] === "--for" ? [] : ["--for", "3s"])])
        assert.deepStrictEqual({ code, out, err }, { code: expected, out: "", err: `${sentence}\n` })
      }), within)
  }

  it.scopedLive("takes an empty variable for none", () =>
    Effect.gen(function*() {
      const { code, err } = yield* run(["--for", "1s"], { TRADING_MODE: "", LOG_LEVEL: "", WEBSOCKET_MAX_RETRIES: "" })
      assert.deepStrictEqual([code, err], [0, ""])
    }), within)

  it.scopedLive("logs from the level that --log-level names, wherever it stands", () =>
    Effect.gen(function*() {
      for (const args of [["--log-level", "info", "watch"], ["watch", "--log-level=info", "btcusdt@trade"]]) {
        const { code, err } = yield* run([...args, "--for", "2s"], { LOG_LEVEL: "off" })
        assert.strictEqual(code, 0)
        assert.match(err, /level=INFO .*message=Connected server=127\.0\.0\.1:\d+/)
      }
    }), within)

  it.scopedLive("shows its version", () =>
    Effect.gen(function*() {
      for (const word of ["-v", "--version"]) assert.deepStrictEqual(yield* run([word]), { code: 0, out: "0.1.0\n", err: "" })
    }), within)

  it.scopedLive("shows help that says what each option takes, without colours", () =>
    Effect.gen(function*() {
      const { out: general } = yield* run(["--help"])
      assert.deepStrictEqual(yield* run(["help"]), { code: 0, out: general, err: "" })
      const { out } = yield* run(["help", "watch"])
      assert.deepStrictEqual(yield* run(["watch", "-h"]), { code: 0, out, err: "" })
      assert.match(out, /^ {2}holdfast watch \[options\] \[<stream>\.\.\.\]$/m)
      assert.match(out, /^EXAMPLES$/m)
      for (const text of [general, out]) {
        assert.match(text, /^ +--ws <url> +\S/m)
        assert.match(text, /^ +--for <duration> +\S/m)
        assert.match(text, /^ +--log-level <level> +\S/m)
        assert.notMatch(text, /user-defined|true or false|This setting/)
        assert.notInclude(text, "\u001b")
      }
    }), within)

  it.scopedLive("colours what it prints into a pipe only when it is forced to, and moves no cursor there", () =>
    Effect.gen(function*() {
      assert.notInclude((yield* run(["--for", "1s"])).out, "\u001b")
      const { out } = yield* run(["--for", "1s"], { FORCE_COLOR: "1" })
      assert.include(out, "\u001b[32mconnected in")
      assert.notInclude(out, "\u001b[2K")
    }), within)

  it.scopedLive("prints market events alone, one below the other, when it is to be quiet", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 20 })
      const { code, out } = yield* run(["watch", "btcusdt@trade", "--events", "--quiet", "--for", "3s", "--venue", exchange.wsUrl])
      assert.strictEqual(code, 0)
      const all = out.trim().split("\n")
      assert.isAbove(all.length, 10)
      for (const line of all) assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} {2}BTCUSDT {5}trade {6} +[\d.]+ +[\d.]+ {2}(?:buy |sell) {2}\d+$/)
    }), within)

  it.scopedLive("finds symbols, and says what is near to one that a venue does not have", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make()
      assert.deepStrictEqual(yield* run(["symbols", "b", "--venue", exchange.restUrl]), { code: 0, out: "BNBUSDT\nBTCUSDT\n", err: "" })
      assert.deepStrictEqual(yield* run(["symbols", "btcusdc", "--venue", exchange.restUrl]), {
        code: 1,
        out: "",
        err: "The venue custom has no symbol that matches btcusdc. Did you mean BTCUSDT?\n"
      })
    }), within)

  it.scopedLive("checks a venue, and exits with 1 if something fails", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 20 })
      const well = yield* run(["doctor", "--json", "--venue", exchange.wsUrl])
      assert.deepStrictEqual([well.code, well.err], [0, ""])
      const outcomes = (yield* lines(well.out)).map(({ check, outcome }) => `${String(check)} ${String(outcome)}`)
      assert.deepStrictEqual(outcomes, [
        "settings ok",
        "proxy ok",
        "DNS skip",
        "TLS skip",
        "handshake ok",
        "ping ok",
        "subscribe ok",
        "data ok",
        "clock ok",
        "REST weight ok"
      ])

      const port = yield* freePort
      const ill = yield* run(["doctor", "--venue", `ws://127.0.0.1:${port}`])
      assert.deepStrictEqual([ill.code, ill.err], [1, "Not well: handshake, clock, REST weight.\n"])
      assert.match(ill.out, /^fail {2}handshake {4}The dial failed with ECONNREFUSED/m)
      assert.match(ill.out, /^ {19}-> Check the address/m)

      const wrong = yield* run(["doctor", "--json", "--venue", exchange.wsUrl], { WEBSOCKET_JITTER_FACTOR: "2" })
      assert.deepStrictEqual([wrong.code, wrong.err], [1, "Not well: settings.\n"])
    }), within)

  it.scopedLive("shows its settings, their sources, and no secret", () =>
    Effect.gen(function*() {
      const file = join(yield* temporary, "settings.json")
      writeFileSync(file, `{"websocket_max_retries": 3}`)
      const { code, err, out } = yield* run(["config", "--json", "--venue", "us", "--log-level", "error"], {
        HOLDFAST_CONFIG: file,
        BINANCE_API_KEY: "hidden-key",
        WEBSOCKET_MAX_DELAY: "20",
        WEBSOCKET_MAX_RETRYS: "1"
      })
      assert.deepStrictEqual([code, err], [0, "WEBSOCKET_MAX_RETRYS is no setting. Did you mean WEBSOCKET_MAX_RETRIES?\n"])
      const sources = new Map((yield* lines(out)).map(({ name, source, value }) => [name, `${String(value)} ${String(source)}`]))
      assert.strictEqual(sources.get("TRADING_MODE"), "us option")
      assert.strictEqual(sources.get("LOG_LEVEL"), "error option")
      assert.strictEqual(sources.get("WEBSOCKET_MAX_RETRIES"), "3 file")
      assert.strictEqual(sources.get("WEBSOCKET_MAX_DELAY"), "20 environment")
      assert.strictEqual(sources.get("WEBSOCKET_JITTER_FACTOR"), "0.25 default")
      assert.strictEqual(sources.get("BINANCE_API_KEY"), "(hidden) environment")
    }), within)

  it.scopedLive("runs the embedded exchange with faults by schedule, and connects to it through them", () =>
    Effect.gen(function*() {
      const port = yield* freePort
      const running = yield* Effect.fork(run(["exchange", "reset", "--every", "2s", "--port", String(port), "--json", "--for", "12s"]))
      const subscribe = `{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}`
      const { code, out } = yield* run([
        "connect",
        `ws://127.0.0.1:${port}/ws`,
        "--json",
        "--subscribe",
        subscribe
        // Until its second gap.
      ], { WEBSOCKET_INITIAL_DELAY: "0.2", WEBSOCKET_MAX_DELAY: "0.5", WEBSOCKET_MAX_RETRIES: "unlimited" }, `"epoch":3,"timestamp"`)
      assert.strictEqual(code, 0)
      const all = yield* lines(out)
      const kinds = all.flatMap(({ data, type }) => type === "gap" ? ["gap"] : data === `{"result":null,"id":1}` ? ["answer"] : [])
      // It subscribes on every open, and each loss is a gap in its place.
      assert.deepStrictEqual(kinds.slice(0, 3), ["answer", "gap", "answer"])
      assert.isTrue(all.some(({ data }) => String(data).includes(`"e":"trade"`)))

      const { code: ended, out: told } = yield* Fiber.join(running)
      assert.strictEqual(ended, 0)
      const [listening, ...later] = yield* lines(told)
      assert.deepStrictEqual([listening?.["event"], listening?.["port"], listening?.["faults"]], ["Listening", port, ["reset"]])
      assert.isAbove(later.filter(({ event, fault }) => event === "Fault" && fault === "reset").length, 2)
    }), within)
})
