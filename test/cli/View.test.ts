// The README shows part of the program's output. Each of its lines must have the shape of a line that the program prints.
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import { readFileSync } from "node:fs"
import { ConnectionError, ConnectionEvent, FailureClass, Item, SessionError, SessionEvent } from "holdfast"
import type { MarketEvent } from "holdfast/market"
import * as View from "../../src/cli/View.ts"

const [, sample = ""] = /^Part of what `npm start` prints:\n\n```\n([^]*?)\n```/m.exec(readFileSync("README.md", "utf8")) ?? []

// Figures, durations and the number of events of each kind differ from run to run.
const shapeOf = (line: string) =>
  line
    .replace(/ {2}(?:no data|\d+ \w+(?:, \d+ \w+)*)$/, "  COUNTS")
    .replaceAll(/\d+(?:ms|s|m|h)(?: \d+(?:ms|s|m|h))*/g, "DURATION")
    .replaceAll(/\d+(?:\.\d+)?/g, "NUMBER")

const cause = new ConnectionError.ConnectionClosed({ code: 1006, reason: "", openFor: Duration.seconds(7), errno: "ECONNRESET" })
const some = Duration.millis(800)

// What the demo's first outage brings.
const happens: ReadonlyArray<ConnectionEvent.ConnectionEvent> = [
  ConnectionEvent.Dialling({ at: 0, attempt: 0 }),
  ConnectionEvent.Opened({ at: 0, epoch: 1, attempt: 0, protocol: "", took: some, outage: Option.none() }),
  ConnectionEvent.Lost({ at: 0, epoch: 1, cause, openFor: Duration.seconds(7), messages: 100, proven: true }),
  ConnectionEvent.Waiting({ at: 0, attempt: 1, cause, class: FailureClass.Retry(), delay: some, until: 800, retriesLeft: 9 }),
  ConnectionEvent.Dialling({ at: 0, attempt: 1 }),
  ConnectionEvent.Opened({ at: 0, epoch: 2, attempt: 1, protocol: "", took: some, outage: Option.some(some) }),
  ConnectionEvent.Gap({ at: 0, gap: Item.Gap({ epoch: 2, cause, downtime: some, dropped: 0 }) })
]

const printed = (): ReadonlyArray<string> => {
  let text = ""
  const view = View.human((more) => {
    text += more
  }, { canRedraw: false, hasColours: false, label: "demo" })
  view.market({ source: "binance", symbol: "BTCUSDT", type: "trade", data: { p: "65000.01" }, timestamp: 0, via: "ws" })
  for (const event of happens) {
    view.happened({ _tag: "Connection", connection: "", event })
    view.tick(0)
  }
  view.happened({ _tag: "Repaired", at: 0, stream: "btcusdt@trade", events: 8 })
  return text.trimEnd().split("\n")
}

it("the gap of a connection is not shown: its feed repairs it, or tells what is missing", () => {
  assert.isFalse(printed().some((line) => line.includes("may be missing")))
})

it("a refusal that is not final says when the topic is asked for again", () => {
  let text = ""
  const view = View.human((more) => {
    text += more
  }, { canRedraw: false, hasColours: true })
  const error = new SessionError.SubscriptionRefused({ topic: "btcusdt@trade", reason: "busy" })
  for (const retry of [Option.some(Duration.seconds(2)), Option.none()]) {
    view.happened({ _tag: "Session", connection: "", event: SessionEvent.Refused({ at: 0, error, retry }) })
  }
  const refused = "The peer refused the subscription to btcusdt@trade: busy."
  const lines = text.trimEnd().split("\n").map((line) => line.slice(line.indexOf("\u001b")))
  assert.deepStrictEqual(lines, [
    `\u001b[33m${refused} The session asks again in 2s.\u001b[0m`,
    `\u001b[31m${refused}\u001b[0m`
  ])
})

it("a stream that has ended is told, and has no figures", () => {
  const written: Array<string> = []
  const write = (text: string) => written.push(text)
  const ended: MarketEvent.Ended = {
    source: "binance",
    symbol: "XYZUSDT",
    type: "ended",
    data: { stream: "xyzusdt@trade", error: new SessionError.SubscriptionRefused({ topic: "xyzusdt@trade", reason: "delisted" }) },
    timestamp: 0,
    via: "ws"
  }
  const view = View.human(write, { canRedraw: false, hasColours: false })
  view.market(ended)
  view.tick(0)
  View.json("binance", write).market(ended)
  const message = "The peer refused the subscription to xyzusdt@trade: delisted."
  assert.deepStrictEqual(written, [
    `00:00:00  xyzusdt@trade has ended, and the others go on. ${message}\n`,
    "00:00:00  dialling  no data\n",
    `${JSON.stringify({ ...ended, data: { stream: "xyzusdt@trade", error: { error: "SubscriptionRefused", message } } })}\n`
  ])
})

it("the README's sample of the output has the shapes of lines that the program prints", () => {
  const shapes = new Set(printed().map(shapeOf))
  const lines = sample.split("\n")
  assert.isAbove(lines.length, 5)
  for (const line of lines) assert.include([...shapes], shapeOf(line))
})

it("what is quiet shows gaps and ended streams alone", () => {
  const written: Array<string> = []
  const write = (text: string) => written.push(text)
  for (const view of [View.human(write, { canRedraw: true, hasColours: false, isQuiet: true }), View.json("demo", write, true)]) {
    view.begin(0, "Watching.", "MADE UP")
    for (const event of happens) view.happened({ _tag: "Connection", connection: "", event })
    view.market({ source: "binance", symbol: "BTCUSDT", type: "trade", data: { p: "65000.01" }, timestamp: 0, via: "ws" })
    view.tick(0)
  }
  // JSON has the market events, too.
  assert.deepStrictEqual(written, [
    `${JSON.stringify({ source: "binance", symbol: "BTCUSDT", type: "trade", data: { p: "65000.01" }, timestamp: 0, via: "ws" })}\n`
  ])
})

it("on a terminal, sentences are broken between words, and the status is cut", () => {
  let text = ""
  const view = View.human((more) => {
    text += more
  }, { canRedraw: true, hasColours: false, size: () => ({ columns: 40, rows: 24 }) })
  view.begin(0, "Watching btcusdt@kline_1m, btcusdt@trade at demo.", undefined)
  for (const symbol of ["BTCUSDT", "ETHUSDT", "SOLUSDT"]) {
    view.market({ source: "binance", symbol, type: "trade", data: { p: "65000.01" }, timestamp: 0, via: "ws" })
  }
  for (const event of happens) view.happened({ _tag: "Connection", connection: "", event })
  view.tick(0)
  const lines = text.split("\n")
  for (const line of lines) assert.isBelow(line.length, 40)
  assert.include(lines, "Watching btcusdt@kline_1m,")
  assert.strictEqual(lines.at(-1), "connected  BTCUSDT 65000.01  +2  +1")
})
