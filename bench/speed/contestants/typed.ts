// Reads the id and the price of each trade.
import { createRequire } from "node:module"
import type ReconnectingWebSocket from "reconnecting-websocket"
import { consumed, main, meter, subscribe } from "./child.ts"

const read = (id: number, price: string) => {
  consumed.ids += id
  consumed.bytes += price.length
}

// The type that a hand-written handler assumes, without validation.
interface Message {
  readonly data?: { readonly t: number; readonly p: string }
}
const parse: (text: string) => Message = JSON.parse

main({
  "ws": async (task) => {
    const { WebSocket } = await import("ws")
    const { done, tick } = meter(task)
    const ws = new WebSocket(`ws://127.0.0.1:${task.port}/stream`)
    ws.on("open", () => {
      ws.send(subscribe("btcusdt@trade"))
    })
    ws.on("message", (bytes: Buffer) => {
      const { data } = parse(bytes.toString())
      if (data !== undefined) read(data.t, data.p)
      tick(1)
    })
    return done
  },
  "holdfast": async (task) => {
    const { Effect, Stream, feed, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.flatMap(feed(task.port), (feed) =>
      Stream.runForEachChunk(feed.trades("BTCUSDT"), (chunk) => {
        for (const event of chunk) {
          if (event.type === "gap") throw new Error("The feed reported a gap, but the load has none.")
          read(event.data.t, event.data.p)
        }
        tick(chunk.length)
        return Effect.void
      })))
    return done
  },
  "holdfast, listening": async (task) => {
    const { Effect, feed, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.flatMap(feed(task.port), (feed) =>
      feed.trades("BTCUSDT").listen((events) => {
        for (const event of events) {
          if (event.type === "gap") throw new Error("The feed reported a gap, but the load has none.")
          read(event.data.t, event.data.p)
        }
        tick(events.length)
      })))
    return done
  },
  "holdfast, an effect a batch": async (task) => {
    const { Effect, Stream, feed, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.flatMap(feed(task.port), (feed) =>
      Stream.runForEachChunk(feed.trades("BTCUSDT"), (chunk) =>
        Effect.sync(() => {
          for (const event of chunk) {
            if (event.type === "gap") throw new Error("The feed reported a gap, but the load has none.")
            read(event.data.t, event.data.p)
          }
          tick(chunk.length)
        }))))
    return done
  },
  "holdfast, one by one": async (task) => {
    const { Effect, Stream, feed, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.flatMap(feed(task.port), (feed) =>
      Stream.runForEach(feed.trades("BTCUSDT"), (event) =>
        Effect.sync(() => {
          if (event.type === "gap") throw new Error("The feed reported a gap, but the load has none.")
          read(event.data.t, event.data.p)
          tick(1)
        }))))
    return done
  },
  "reconnecting-websocket": async (task) => {
    const { WebSocket } = await import("ws")
    // The types declare a default export; in Node the module itself is the class.
    const require: (id: string) => typeof ReconnectingWebSocket.default = createRequire(import.meta.url)
    const Client = require("reconnecting-websocket")
    const { done, tick } = meter(task)
    const ws = new Client(`ws://127.0.0.1:${task.port}/stream`, [], { WebSocket })
    ws.addEventListener("open", () => {
      ws.send(subscribe("btcusdt@trade"))
    })
    ws.addEventListener("message", ({ data: text }: { readonly data: string }) => {
      const { data } = parse(text)
      if (data !== undefined) read(data.t, data.p)
      tick(1)
    })
    return done
  },
  "binance": async (task) => {
    const { WebsocketClient } = await import("binance")
    const { done, tick } = meter(task)
    const client = new WebsocketClient({ wsUrl: `ws://127.0.0.1:${task.port}/stream`, beautify: false }, quiet)
    client.on("message", (event) => {
      if ("t" in event && "p" in event) read(event.t, String(event.p))
      tick(1)
    })
    await client.subscribe(["btcusdt@trade"], "main")
    return done
  },
  "binance, beautified": async (task) => {
    const { WebsocketClient } = await import("binance")
    const { done, tick } = meter(task)
    const client = new WebsocketClient({ wsUrl: `ws://127.0.0.1:${task.port}/stream`, beautify: true }, quiet)
    client.on("formattedMessage", (event) => {
      if ("tradeId" in event && "price" in event) read(event.tradeId, String(event.price))
      tick(1)
    })
    await client.subscribe(["btcusdt@trade"], "main")
    return done
  },
  "@binance/spot": async (task) => {
    const [{ Spot }, { ConfigurationWebsocketStreams }] = await Promise.all([
      import("@binance/spot"),
      import("@binance/common")
    ])
    const Configuration: new(options: { readonly wsURL: string }) => InstanceType<typeof ConfigurationWebsocketStreams> =
      ConfigurationWebsocketStreams
    const { done, tick } = meter(task)
    const client = new Spot({
      configurationWebsocketStreams: new Configuration({ wsURL: `ws://127.0.0.1:${task.port}` })
    })
    const connection = await client.websocketStreams.connect()
    connection.trade({ symbol: "BTCUSDT" }).on("message", ({ p, t }) => {
      read(Number(t), p ?? "")
      tick(1)
    })
    return done
  },
  "ccxt pro": async (task) => {
    const { exchange } = await import("./ccxt.ts")
    const { done, tick } = meter(task)
    const binance = await exchange(task.port)
    const watch = async () => {
      let last = 0
      for (;;) {
        // There may be several new trades: the ids say how many.
        const trades = await binance.watchTrades("BTC/USDT")
        const newest = trades.at(-1)
        const id = Number(newest?.id)
        read(id, String(newest?.price))
        tick(last === 0 ? 1 : id - last)
        last = id
      }
    }
    void watch()
    return done
  }
})

const quiet = { trace: () => undefined, info: () => undefined, error: () => undefined }
