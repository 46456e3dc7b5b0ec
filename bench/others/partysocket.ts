// https://github.com/cloudflare/partykit, packages/partysocket, configured as its README shows for Node, otherwise with
// defaults.
import { WebSocket as PartySocket } from "partysocket"
import WS from "ws"
import type { Contestant } from "./contestant.ts"
import { said, tradeIn, versionIn } from "./contestant.ts"

export const contestant: Contestant = {
  name: "partysocket",
  version: versionIn("../node_modules/partysocket/package.json"),
  configuration: "`new WebSocket(url, [], { WebSocket: WS })` as the README has it for Node; defaults otherwise; the stream in the URL",
  limit: "maxRetries",
  start: ({ maxRetries, symbol, ws }, reader) => {
    const socket = new PartySocket(`${ws}/stream?streams=${symbol.toLowerCase()}@trade`, [], {
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
