// `holdfast serve` as a process.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { Exchange } from "holdfast/binance/exchange"
import { ask, until } from "../observe/served.ts"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

const start = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, ["--import", "tsx", main, "serve", ...args], {
        env: { PATH: process.env["PATH"], ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      const written = { out: "", err: "" }
      child.stdout.on("data", (chunk: Buffer) => {
        written.out += chunk.toString()
      })
      child.stderr.on("data", (chunk: Buffer) => {
        written.err += chunk.toString()
      })
      const exit = new Promise<number | null>((resolve) => child.on("close", resolve))
      return { child, written, exit: Effect.promise(() => exit) }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

const Line = Schema.parseJson(Schema.Struct({ message: Schema.String, logLevel: Schema.String }))

describe("holdfast serve", () => {
  it.scopedLive("reads streams, answers, logs JSON to standard error, and ends when it is told to", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 20 })
      const { child, exit, written } = yield* start(["BTCUSDT@trade", "--port", "0", "--json", "--books", "btcusdt", "--ws", exchange.wsUrl])
      yield* until(Effect.sync(() => written.err), (text) => text.includes("Serving btcusdt@trade of custom at http://127.0.0.1:"))
      const port = Number(/127\.0\.0\.1:(\d+)\./.exec(written.err)?.[1])
      yield* until(ask(port, "GET", "/readyz"), ({ status }) => status === 200)
      const { body } = yield* ask(port, "GET", "/metrics")
      assert.match(body, /^market_streams\{market_kind="trade",market_source="binance",status="live"\} 1$/m)
      assert.match(body, /^market_books\{state="synced"\} 1$/m)
      child.kill("SIGTERM")
      assert.strictEqual(yield* exit, 0)
      assert.strictEqual(written.out, "")
      for (const line of written.err.trim().split("\n")) Schema.decodeSync(Line)(line)
    }), 90_000)

  it.scopedLive("lets other machines in only with a token, and never shows it", () =>
    Effect.gen(function*() {
      const refused = yield* start(["--host", "0.0.0.0", "--port", "0"])
      const short = yield* start(["--host", "0.0.0.0", "--port", "0"], { HOLDFAST_TOKEN: "tooshort" })
      const open = yield* start(["--host", "0.0.0.0", "--port", "0", "--token", "a-token-of-my-own-1234"])
      assert.notStrictEqual(yield* refused.exit, 0)
      assert.include(refused.written.err, "--host 0.0.0.0 lets other machines in, and there is no token. Set HOLDFAST_TOKEN, or give --token.")
      assert.notStrictEqual(yield* short.exit, 0)
      assert.include(short.written.err, "The token must have 16 characters or more")
      assert.notInclude(short.written.err, "tooshort")
      yield* until(Effect.sync(() => open.written.err), (text) => text.includes("Serving "))
      const port = Number(/0\.0\.0\.0:(\d+)\./.exec(open.written.err)?.[1])
      assert.strictEqual((yield* ask(port, "GET", "/metrics", { host: "feeds.example" })).status, 401)
      assert.strictEqual((yield* ask(port, "GET", "/metrics", { host: "feeds.example", authorization: "Bearer a-token-of-my-own-1234" })).status, 200)
      assert.notInclude(open.written.err, "a-token-of-my-own")
    }), 90_000)
})
