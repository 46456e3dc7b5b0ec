// https://github.com/binance/binance-connector-js, clients/spot: the streams sample of its README, with the option
// `wsURL`.
import { Spot } from "@binance/spot"
import type { Contestant } from "./contestant.ts"
import { idOf, said, versionIn } from "./contestant.ts"

export const contestant: Contestant = {
  name: "@binance/spot",
  version: versionIn("../node_modules/@binance/spot/package.json"),
  configuration: "`new Spot({ configurationWebsocketStreams: { wsURL } })`, `connect()`, `connection.trade({ symbol })`; defaults otherwise; an `error` listener; its README asks for Node 22.12 or later",
  limit: undefined,
  start: async ({ symbol, ws }, reader) => {
    const client = new Spot({ configurationWebsocketStreams: { wsURL: ws } })
    const connection = await client.websocketStreams.connect()
    connection.on("error", (error) => {
      reader.notice(`"error" event: ${said(error)}`)
    })
    connection.on("close", (code) => {
      reader.notice(`"close" event: code ${String(code)}`)
    })
    connection.trade({ symbol }).on("message", (event) => {
      const id = idOf({ e: event.e, t: Number(event.t) })
      if (id !== undefined) reader.trade(id)
    })
    return { revive: undefined }
  }
}
