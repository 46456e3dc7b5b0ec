/** Binance as a subject of the wholeness tests: its combined messages, and its feed. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import type { Seen, Subject } from "../market/wholeness.ts"
import type * as Server from "../market/world/Server.ts"
import * as Truth from "../market/world/Truth.ts"

const symbol = "BTCUSDT"

// The ids of trades grow by one, and an update has two ids.
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
  notices: "btcusdt@notice"
}

const closesAt = (candle: number) => Truth.candleOpensAt(candle + 1) - 1

const dataOf = (fact: Truth.Fact, E: number): object => {
  const s = symbol
  switch (fact.channel) {
    case "trades":
      return { e: "trade", E, s, t: tradeId(fact.n), p: fact.price, q: fact.quantity, T: fact.at, m: true }
    case "candles":
      return {
        e: "kline",
        E,
        s,
        k: {
          t: Truth.candleOpensAt(fact.n),
          T: closesAt(fact.n),
          s,
          i: "1s",
          f: 0,
          L: 0,
          o: fact.open,
          c: fact.close,
          h: fact.high,
          l: fact.low,
          v: fact.volume,
          n: fact.trades,
          x: fact.isClosed,
          q: "0",
          V: "0",
          Q: "0"
        }
      }
    case "updates":
      return { e: "depthUpdate", E, s, ...updateIds(fact.n), b: fact.bids, a: fact.asks }
    case "quotes":
      return { u: updateIds(fact.n).u, s, b: fact.bid[0], B: fact.bid[1], a: fact.ask[0], A: fact.ask[1] }
    case "notices":
      return { e: "notice", E, s, t: fact.n }
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
  message: (fact, at) => JSON.stringify({ stream: topics[fact.channel], data: dataOf(fact, at) }),
  farewell: JSON.stringify({ stream: "!serverShutdown", data: { e: "serverShutdown", E: 1 } }),
  invalid: [
    JSON.stringify({ stream: topics.trades, data: { e: "trade", E: 1, s: symbol, t: "1" } }),
    `{"stream":"btcusdt@trade","data":{"e":"trade","E":`,
    "busy"
  ],
  rest,
  rejection: { status: 400, body: { code: -1121, msg: "Invalid symbol." } }
}

// ---------------------------------------------------------------------------------------------------------------------
// The client

const seen = (fact: Truth.Fact, { via }: { readonly via: "ws" | "rest" | "fill" }): Seen => ({ _tag: "Fact", fact, via })

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
            return Stream.map(feed.raw(topics.notices, {}, { unchecked: true }), (event) => {
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
