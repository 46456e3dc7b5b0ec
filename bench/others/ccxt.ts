// https://docs.ccxt.com: `watchTrades` in a loop that continues after an error, as in the samples of its manual.
import ccxt from "ccxt"
import type { Contestant } from "./contestant.ts"
import { said, versionIn } from "./contestant.ts"

export const contestant: Contestant = {
  name: "ccxt pro",
  version: versionIn("../node_modules/ccxt/package.json"),
  configuration: "`new ccxt.pro.binance()` with its `urls` on loopback, only spot markets loaded, and `loadHttpProxyAgent()`, which it asks for where a URL is `ws://`; `watchTrades` in a loop that goes on after an error; defaults otherwise",
  limit: undefined,
  start: async ({ rest, symbol, ws }, reader) => {
    const exchange = new ccxt.pro.binance({
      options: { fetchMarkets: { types: ["spot"] } },
      urls: { api: { public: `${rest}/api/v3`, ws: { spot: `${ws}/ws` } } }
    })
    await exchange.loadHttpProxyAgent()
    await exchange.loadMarkets()
    const market = exchange.market(symbol)
    const watch = async () => {
      for (;;) {
        try {
          for (const trade of await exchange.watchTrades(market.symbol)) reader.trade(Number(trade.id))
        } catch (error) {
          reader.notice(`watchTrades rejected: ${said(error)}`)
        }
      }
    }
    void watch()
    return { revive: undefined }
  }
}
