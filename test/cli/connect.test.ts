// `holdfast connect` against a server that knows no protocol: what is sent, what is printed, and when it ends.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { WebSocket } from "ws"
import { WebSocketServer } from "ws"

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url))

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

interface Options {
  /** The program is interrupted (Ctrl-C) once it has printed this. */
  readonly until?: string
  readonly env?: Readonly<Record<string, string>>
}

// Runs the program to its end, with this text as its standard input.
const run = (args: ReadonlyArray<string>, input: string | undefined, { env = {}, until }: Options = {}) =>
  Effect.async<Ran>((resume) => {
    const child = spawn(process.execPath, ["--import", "tsx", main, "connect", ...args], {
      env: { PATH: process.env["PATH"], WEBSOCKET_INITIAL_DELAY: "0.1", ...env },
      stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"]
    })
    let out = ""
    let err = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      const before = out
      out += chunk.toString()
      if (until !== undefined && !before.includes(until) && out.includes(until)) child.kill("SIGINT")
    })
    child.stderr?.on("data", (chunk: Buffer) => {
      err += chunk.toString()
    })
    child.on("close", (code) => {
      resume(Effect.succeed({ code, out, err }))
    })
    child.stdin?.end(input)
    return Effect.sync(() => child.kill("SIGKILL"))
  })

// The headers of an upgrade request.
type Upgrade = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

// `onOpen` gets each socket and its number, from 1.
const server = (onOpen: (socket: WebSocket, number: number) => void) =>
  Effect.acquireRelease(
    Effect.async<{ readonly url: string; readonly wss: WebSocketServer; readonly upgrades: Array<Upgrade> }>((resume) => {
      const upgrades: Array<Upgrade> = []
      const wss = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: (protocols) => [...protocols].at(-1) ?? false })
      wss.on("connection", (socket, { headers }) => {
        upgrades.push(headers)
        onOpen(socket, upgrades.length)
      })
      wss.on("listening", () => {
        const address = wss.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ url: `ws://127.0.0.1:${port}/feed?token=hidden`, wss, upgrades }))
      })
    }),
    ({ wss }) =>
      Effect.sync(() => {
        for (const client of wss.clients) client.terminate()
        wss.close()
      })
  )

const echo = (socket: WebSocket) => {
  socket.on("message", (data, isBinary) => {
    socket.send(data, { binary: isBinary })
  })
}

const within = { timeout: 60_000 }

describe("connect", () => {
  it.scopedLive("sends the lines of standard input, prints the answers alone on standard output, and ends after it", () =>
    Effect.gen(function*() {
      const { upgrades, url } = yield* server(echo)
      const { code, err, out } = yield* run([url, "--header", "x-token: abc", "--protocol", "one", "--protocol", "two"], "hello\n\nwörld")
      assert.deepStrictEqual([code, out], [0, "hello\n\nwörld\n"])
      assert.match(err, /^Connecting to ws:\/\/127\.0\.0\.1:\d+\/…\. Ctrl-C ends it\.\n[^]*Ran for [^]*3 messages received, 3 sent; 0 gaps\.\n$/)
      assert.notInclude(err, "hidden")
      assert.deepStrictEqual([upgrades[0]?.["x-token"], upgrades[0]?.["sec-websocket-protocol"]], ["abc", "one,two"])
      assert.lengthOf(upgrades, 1)
    }), within)

  it.scopedLive("subscribes on every open, and shows where messages may be missing, in their place", () =>
    Effect.gen(function*() {
      const received: Array<string> = []
      const { url } = yield* server((socket, number) => {
        socket.on("message", (data) => {
          received.push(Buffer.isBuffer(data) ? data.toString() : "")
          if (received.length === 2) {
            socket.send("first")
            socket.send(Buffer.from([0, 255]))
            socket.terminate()
          } else if (number === 2 && received.length === 4) socket.send("second")
        })
      })
      const { code, err, out } = yield* run([url, "--subscribe", "a", "--subscribe", "b", "--quiet", "--json"], undefined, { until: "second" })
      assert.deepStrictEqual([code, err], [0, ""])
      assert.deepStrictEqual(received, ["a", "b", "a", "b"])
      const shown = out.trim().split("\n").map((line) => line.replace(/,"timestamp":\d+\}/, "}").replace(/"downtime":[\d.]+/, `"downtime":0`))
      assert.deepStrictEqual(shown.map((line) => line.slice(0, 26)), [
        `{"type":"text","data":"first"}`.slice(0, 26),
        `{"type":"binary","data":"AP8="}`.slice(0, 26),
        `{"type":"gap","cause":{"error"`.slice(0, 26),
        `{"type":"text","data":"second"}`.slice(0, 26)
      ])
    }), within)

  it.scopedLive("sends a line that it read while no connection was open, when one opens", () =>
    Effect.gen(function*() {
      const { url, wss } = yield* server(echo)
      // The first upgrades are refused.
      let refused = 0
      wss.options.verifyClient = (_: unknown, answer: (isAllowed: boolean, status?: number) => void) => {
        answer(++refused > 2, 503)
      }
      const { code, out } = yield* run([url, "--quiet"], "early\n")
      assert.deepStrictEqual([code, out, refused], [0, "early\n", 3])
    }), within)

  // Without these rules, it would end a second after its start.
  for (const [when, args, input] of [["without a line of standard input", [], undefined], ["with --keep-open", ["--keep-open"], "one\n"]] as const) {
    it.scopedLive(`stays ${when}`, () =>
      Effect.gen(function*() {
        let ticks = 0
        const { url } = yield* server((socket) => {
          const timer = setInterval(() => {
            ticks++
            socket.send("tick")
          }, 500)
          socket.on("close", () => {
            clearInterval(timer)
          })
        })
        const { code, err } = yield* run([url, "--quiet", ...args], input, { until: "tick\n".repeat(6) })
        assert.deepStrictEqual([code, err], [0, ""])
        assert.isAtLeast(ticks, 6)
      }), within)
  }

  it.scopedLive("exits with 1 if it gives up, and says why", () =>
    Effect.gen(function*() {
      const { code, err, out } = yield* run(["ws://127.0.0.1:1", "--quiet"], "lost\n", { env: { WEBSOCKET_MAX_RETRIES: "1" } })
      assert.deepStrictEqual([code, out], [1, ""])
      assert.match(err, /^Gave up after 1 retry .*ECONNREFUSED.*\n$/)
    }), within)
})
