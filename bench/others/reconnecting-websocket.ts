// https://github.com/pladaria/reconnecting-websocket, configured as its README shows for Node, otherwise with defaults.
import * as module from "reconnecting-websocket"
import WS from "ws"
import type { Contestant } from "./contestant.ts"
import { said, tradeIn, versionIn } from "./contestant.ts"

// The types declare a default export; in the CommonJS build the module itself is the class.
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
      reader.notice(`"error" event: ${said(event)}`)
    })
    socket.addEventListener("close", (event) => {
      reader.notice(`"close" event: ${said(event)}`)
    })
    return {
      revive: () => {
        socket.reconnect()
      }
    }
  }
}
