// ccxt's own client of Binance, with a market of its own so that it need not ask for any.
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
  // It tells the spot market by "/stream" in the address; on its connections frames come without a wrapper.
  binance.urls["api"] = {
    ...binance.urls["api"],
    public: `http://127.0.0.1:${port}/api/v3`,
    ws: { spot: `ws://127.0.0.1:${port}/stream/ws` }
  }
  // Without TLS it asks for an agent of its own.
  await binance.loadHttpProxyAgent()
  return binance
}
