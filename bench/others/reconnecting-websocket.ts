// https://github.com/pladaria/reconnecting-websocket: the README's Node sample, defaults otherwise.
import * as module from "reconnecting-websocket"
import WS from "ws"
import type { Contestant } from "./contestant.ts"
import { said, tradeIn, versionIn } from "./contestant.ts"

// Its types promise a `default` that its CommonJS build does not have: there the class itself is the module.
const isClass = (value: unknown): value is typeof module.default.default => typeof value === "function"
const exported: unknown = module.default
if (!isClass(exported)) throw new Error("reconnecting-websocket does not export its class")
const ReconnectingWebSocket = exported

export const contestant: Contestant = {
  name: "reconnecting-websocket",
  version: versionIn("../node_modules/reconnecting-websocket/package.json"),
  configuration: "`new ReconnectingWebSocket(url, [], { WebSocket: WS })` as the README has it for Node; defaults otherwise; the stream in the URL",
  limit: "maxRetries",
  start: ({ maxRetries, symbol, ws }, reader) => {
    const socket = new ReconnectingWebSocket(`${ws}/stream?streams=${symbol.toLowerCase()}@trade`, [], {
      WebSocket: WS,
      ...(maxRetries === undefined ? {} : { maxRetries })
    })
    socket.addEventListener("message", ({ data }) => {
      const id = tradeIn(data)
      if (id !== undefined) reader.trade(id)
    })
    socket.addEventListener("error", (event) => {
      reader.told(`"error" event: ${said(event)}`)
    })
    socket.addEventListener("close", (event) => {
      reader.told(`"close" event: ${said(event)}`)
    })
    return {
      revive: () => {
        socket.reconnect()
      }
    }
  }
}
