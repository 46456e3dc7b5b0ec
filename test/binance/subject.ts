/** Binance, as a subject of the tests of wholeness: its wire in combined frames, and its feed. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import type { Seen, Subject } from "../market/wholeness.ts"
import type * as Server from "../market/world/Server.ts"
import * as Truth from "../market/world/Truth.ts"

const symbol = "BTCUSDT"

// Trades are numbered by one; an update has two ids.
const firstTrade = 1_000
const tradeId = (n: number) => firstTrade + n
const firstUpdate = 500
const updateIds = (n: number) => ({ U: firstUpdate + 2 * n, u: firstUpdate + 2 * n + 1 })
const updateOf = (id: number) => Math.floor((id - firstUpdate) / 2)

// ---------------------------------------------------------------------------------------------------------------------
// The wire

const topics = {
  trades: "btcusdt@trade",
  candles: "btcusdt@kline_1s",
  updates: "btcusdt@depth@100ms",
  quotes: "btcusdt@bookTicker",
  notices: "btcusdt@blockTrade"
}

const closesAt = (candle: number) => Truth.candleOpensAt(candle + 1) - 1

const dataOf = (said: Truth.Said, E: number): object => {
  const s = symbol
  switch (said.channel) {
    case "trades":
      return { e: "trade", E, s, t: tradeId(said.n), p: said.price, q: said.quantity, T: said.at, m: true }
    case "candles":
      return {
        e: "kline",
        E,
        s,
        k: {
          t: Truth.candleOpensAt(said.n),
          T: closesAt(said.n),
          s,
          i: "1s",
          f: 0,
          L: 0,
          o: said.open,
          c: said.close,
          h: said.high,
          l: said.low,
          v: said.volume,
          n: said.trades,
          x: said.isClosed,
          q: "0",
          V: "0",
          Q: "0"
        }
      }
    case "updates":
      return { e: "depthUpdate", E, s, ...updateIds(said.n), b: said.bids, a: said.asks }
    case "quotes":
      return { u: updateIds(said.n).u, s, b: said.bid[0], B: said.bid[1], a: said.ask[0], A: said.ask[1] }
    case "notices":
      return { e: "blockTrade", E, s, t: said.n, p: "1", q: "1", T: E, m: true }
  }
}

const Control = Schema.parseJson(Schema.Struct({
  method: Schema.String,
  params: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] }),
  id: Schema.Number
}))

const pageOf = (first: number, last: number, limit: number) =>
  Array.from({ length: Math.max(0, Math.min(last - first + 1, limit)) }, (_, i) => first + i)

const rest: Server.Wire["rest"] = ({ pathname, searchParams }, { latest, oldest }) => {
  const param = (name: string) => Number(searchParams.get(name))
  switch (pathname) {
    case "/api/v3/historicalTrades": {
      const page = pageOf(Math.max(oldest, param("fromId") - firstTrade), latest, param("limit"))
      return {
        status: 200,
        body: page.map(Truth.trade).map(({ at, n, price, quantity }) => ({
          id: tradeId(n),
          price,
          qty: quantity,
          time: at,
          isBuyerMaker: true
        }))
      }
    }
    case "/api/v3/klines": {
      const first = Math.ceil((param("startTime") - Truth.openedAt) / Truth.candleLength)
      const last = Math.floor((param("endTime") - Truth.openedAt) / Truth.candleLength)
      const whole = Math.ceil(oldest / (Truth.candleLength / Truth.tick))
      const page = pageOf(Math.max(whole, first), Math.min(last, Truth.candleOf(latest)), param("limit"))
      return {
        status: 200,
        body: page.map((n) => Truth.candle(n, latest)).map(({ close, high, low, n, open, trades, volume }) =>
          [Truth.candleOpensAt(n), open, high, low, close, volume, closesAt(n), "0", trades, "0", "0", "0"]
        )
      }
    }
    case "/api/v3/depth": {
      const { asks, bids } = Truth.book(latest)
      const limit = param("limit")
      return { status: 200, body: { lastUpdateId: updateIds(latest).u, bids: bids.slice(0, limit), asks: asks.slice(0, limit) } }
    }
    default:
      return { status: 404, body: {} }
  }
}

const wire: Server.Wire = {
  topics,
  request: (message) => {
    const { id, method, params } = Schema.decodeUnknownSync(Control)(message)
    return {
      subscribe: method === "SUBSCRIBE" ? params : [],
      unsubscribe: method === "UNSUBSCRIBE" ? params : [],
      accepted: JSON.stringify({ result: null, id }),
      refused: JSON.stringify({ error: { code: 2, msg: "Invalid request" }, id })
    }
  },
  frame: (said, at) => JSON.stringify({ stream: topics[said.channel], data: dataOf(said, at) }),
  farewell: JSON.stringify({ stream: "!serverShutdown", data: { e: "serverShutdown", E: 1 } }),
  invalid: [
    JSON.stringify({ stream: topics.trades, data: { e: "trade", E: 1, s: symbol, t: "1" } }),
    `{"stream":"btcusdt@trade","data":{"e":"trade","E":`,
    "busy"
  ],
  rest
}

// ---------------------------------------------------------------------------------------------------------------------
// The client

const seen = (said: Truth.Said, { via }: { readonly via: "ws" | "rest" }): Seen => ({ _tag: "Said", said, via })

const gap = ({ data: { cause, from, to } }: MarketEvent.Gap, numberOf: (bound: number) => number): Seen => ({
  _tag: "Gap",
  from: from === undefined ? undefined : numberOf(from),
  to: to === undefined ? undefined : numberOf(to),
  cause: cause._tag
})

const candleAt = (at: number) => Math.floor((at - Truth.openedAt) / Truth.candleLength)

const connect: Subject["connect"] = (options) =>
  Effect.map(
    BinanceFeed.make({ venue: Venue.make({ ws: "ws://binance.test", rest: "http://binance.test" }), ...options }),
    (feed) => ({
      stream: (channel, after) => {
        switch (channel) {
          case "trades":
            return Stream.map(feed.trades(symbol, after === undefined ? {} : { after: tradeId(after) }), (event) => {
              if (event.type === "gap") return gap(event, (id) => id - firstTrade)
              const { T, p, q, t } = event.data
              return seen({ channel, n: t - firstTrade, at: T, price: p, quantity: q }, event)
            })
          case "candles":
            return Stream.map(feed.klines(symbol, "1s", after === undefined ? {} : { after: closesAt(after) }), (event) => {
              if (event.type === "gap") return gap(event, candleAt)
              const { c, h, l, n, o, t, v, x } = event.data.k
              return seen(
                { channel, n: candleAt(t), open: o, high: h, low: l, close: c, volume: v, trades: n, isClosed: x },
                event
              )
            })
          case "updates":
            return Stream.map(feed.depth(symbol), (event) => {
              if (event.type === "gap") return gap(event, updateOf)
              const { E, a, b, u } = event.data
              return seen({ channel, n: updateOf(u), at: E, bids: b, asks: a }, event)
            })
          case "quotes":
            return Stream.map(feed.bookTicker(symbol), (event) => {
              if (event.type === "gap") return gap(event, updateOf)
              const { A, B, a, b, u } = event.data
              return seen({ channel, n: updateOf(u), bid: [b, B], ask: [a, A] }, event)
            })
          case "notices":
            return Stream.map(feed.raw(topics.notices), (event) => {
              if (MarketEvent.isGap(event)) return gap(event, (n) => n)
              return seen({ channel, n: "t" in event.data ? Number(event.data.t) : -1 }, event)
            })
        }
      },
      orderBook: feed.orderBook(symbol),
      updateOf,
      rotate: feed.rotate,
      events: feed.events
    })
  )

export const binance: Subject = { name: "Binance", wire, connect }
