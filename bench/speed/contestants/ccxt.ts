// ccxt's client for Binance, with a fixed market, so that it does not request the list of markets.
import ccxt from "ccxt"

type Binance = InstanceType<typeof ccxt.pro.binance>

export const exchange = async (port: number): Promise<Binance> => {
  const binance = new ccxt.pro.binance({ newUpdates: true })
  binance.setMarkets([{
    id: "BTCUSDT",
    lowercaseId: "btcusdt",
    symbol: "BTC/USDT",
    base: "BTC",
    quote: "USDT",
    baseId: "BTC",
    quoteId: "USDT",
    active: true,
    type: "spot",
    spot: true,
    margin: false,
    swap: false,
    future: false,
    option: false,
    contract: false,
    precision: { amount: 0.00001, price: 0.01 },
    limits: {},
    info: {}
  }])
  // ccxt recognises the spot market by "/stream" in the URL, but expects messages without an envelope.
  binance.urls["api"] = {
    ...binance.urls["api"],
    public: `http://127.0.0.1:${port}/api/v3`,
    ws: { spot: `ws://127.0.0.1:${port}/stream/ws` }
  }
  // Without TLS, ccxt needs an agent.
  await binance.loadHttpProxyAgent()
  return binance
}
