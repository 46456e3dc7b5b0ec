// https://github.com/sieblyio/binance: the WebsocketClient of its README, with the option `wsUrl`, which its types
// have.
import { WebsocketClient } from "binance"
import type { Contestant } from "./contestant.ts"
import { idOf, said, versionIn } from "./contestant.ts"

const quiet = { trace: () => undefined, info: () => undefined, error: () => undefined }

export const contestant: Contestant = {
  name: "binance",
  version: versionIn("../node_modules/binance/package.json"),
  configuration: "`new WebsocketClient({ wsUrl })` (an option of its types), `subscribe(\"btcusdt@trade\", \"main\")`, raw `message` events; defaults otherwise (heartbeat on)",
  limit: undefined,
  start: async ({ symbol, ws }, reader) => {
    const client = new WebsocketClient({ wsUrl: ws }, quiet)
    client.on("message", (event) => {
      const id = idOf(event)
      if (id !== undefined) reader.trade(id)
    })
    client.on("reconnecting", () => {
      reader.notice("\"reconnecting\" event")
    })
    client.on("reconnected", () => {
      reader.notice("\"reconnected\" event")
    })
    client.on("exception", (event) => {
      reader.notice(`"exception" event: ${said(event)}`)
    })
    await client.subscribe(`${symbol.toLowerCase()}@trade`, "main")
    return { revive: undefined }
  }
}
