import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Connection, ConnectionEvent } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { MarketEvent } from "holdfast/binance"
import { Exchange, Fault, Replay } from "holdfast/binance/exchange"

// Messages that Binance sent on 2021-10-12.
const capture = fileURLToPath(new URL("../fixtures/binance-spot-2021-10-12/ws.ndjson", import.meta.url))

describe("captured messages", () => {
  it.scopedLive("all arrive once, in order and decoded, though the socket is cut three times", () =>
    Effect.gen(function*() {
      const messages = yield* Replay.parse(readFileSync(capture, "utf8"))
      assert.strictEqual(messages.length, 265)
      const streams = new Set(messages.map(({ message }) => /"stream":"([^"]+)"/.exec(message)?.[1] ?? ""))
      const exchange = yield* Exchange.make({
        replay: {
          messages,
          cuts: [
            { after: 50, fault: Fault.Close({ code: 1001, reason: "going away" }) },
            { after: 120, fault: Fault.Drop() },
            { after: 200, fault: Fault.Close({ code: 1012, reason: "restart" }) }
          ]
        }
      })
      const connection = yield* Connection.make({
        url: `${exchange.wsUrl}/stream?streams=${[...streams].join("/")}`,
        reconnect: { initialDelay: "10 millis", maxRetries: 10 }
      }).pipe(Effect.provide(NodeTransport.layer))

      const arrived = [...(yield* Stream.runCollect(Stream.take(connection.messages, messages.length)))]
      assert.deepStrictEqual(arrived, messages.map(({ message }) => message))

      const events = yield* Effect.forEach(arrived, (message) => MarketEvent.decode(message, 0))
      assert.deepStrictEqual(events.map(({ length }) => length), messages.map(() => 1))
      const kinds = new Set(events.flat().map(({ type }) => type))
      assert.deepStrictEqual([...kinds].sort(), ["aggTrade", "bookTicker", "depth", "kline"])
      assert.isTrue(events.flat().every(({ data, symbol }) => JSON.stringify(data).includes(symbol)))

      const lost = yield* connection.events.pipe(Stream.filter(ConnectionEvent.$is("Lost")), Stream.take(3), Stream.runCollect)
      assert.deepStrictEqual([...lost].map(({ cause }) => "code" in cause ? cause.code : 0), [1001, 1006, 1012])
      assert.strictEqual((yield* exchange.stats).replayed, messages.length)
    }))
})
