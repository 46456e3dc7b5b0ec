/** Meridian as a subject of the wholeness tests: its messages, and the feed of its adapter. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { MarketEvent, MarketFeed } from "holdfast/market"
import * as Meridian from "./Meridian.ts"
import * as Payloads from "./Payloads.ts"
import * as Streams from "./Streams.ts"
import type { Seen, Subject } from "../wholeness.ts"
import type * as Server from "../world/Server.ts"
import * as Truth from "../world/Truth.ts"

const market = "BTC/USD"

// The ids of trades are ten apart, and the ids of updates three.
const firstTrade = 4_321
const tradeId = (n: number) => String((firstTrade + n) * 10)
const firstUpdate = 7_000
const seqOf = (n: number) => firstUpdate + 3 * n
const updateOf = (seq: number) => Math.ceil((seq - firstUpdate) / 3)

// ---------------------------------------------------------------------------------------------------------------------
// The wire

const topics = {
  trades: "trades:BTC-USD",
  candles: "candles.1:BTC-USD",
  updates: "book:BTC-USD",
  quotes: "top:BTC-USD",
  notices: "news:BTC-USD"
}

const seconds = (millis: number) => millis / 1_000

const tradeOf = ({ at, n, price, quantity }: Truth.Trade) => ({ market, id: tradeId(n), price, size: quantity, time: seconds(at) })

const candleOf = ({ close, high, isClosed, low, n, open, trades, volume }: Truth.Candle, at: number) => ({
  market,
  opens: seconds(Truth.candleOpensAt(n)),
  seconds: seconds(Truth.candleLength),
  ohlc: [open, high, low, close],
  volume,
  trades,
  final: isClosed,
  time: seconds(at)
})

// The documented checksum: `7` and the characters of the ten best levels, each a digit to the base 31, modulo 1,000,003.
const sumOf = ({ asks, bids }: Truth.Book) => {
  let sum = 7n
  for (const byte of Buffer.from([...bids.slice(0, 10), ...asks.slice(0, 10)].join(";"))) sum = 31n * sum + BigInt(byte)
  return Number(sum % 1_000_003n)
}

const bookOf = (n: number, at: number) => {
  const book = Truth.book(n)
  return { market, prev: null, seq: seqOf(n), bid: book.bids, ask: book.asks, sum: sumOf(book), time: seconds(at) }
}

const payloadOf = (fact: Truth.Fact, at: number): object => {
  switch (fact.channel) {
    case "trades":
      return tradeOf(fact)
    case "candles":
      return candleOf(fact, at)
    case "updates":
      return { ...bookOf(fact.n, at), prev: seqOf(fact.n - 1), bid: fact.bids, ask: fact.asks }
    case "quotes":
      return { market, seq: seqOf(fact.n), bid: fact.bid, ask: fact.ask, time: seconds(at) }
    case "notices":
      return { market, headline: fact.n }
  }
}

const Request = Schema.parseJson(Schema.Struct({
  op: Schema.String,
  channels: Schema.optionalWith(Schema.Array(Schema.String), { default: () => [] }),
  req: Schema.Number
}))

const tradesPerPage = 50
const candlesPerPage = 3
const newestFirst = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => to - i)

const rest: Server.Wire["rest"] = ({ pathname, searchParams }, { latest, oldest }) => {
  const param = (name: string) => Number(searchParams.get(name))
  switch (pathname) {
    case "/markets/BTC-USD":
      return { status: 200, body: { market } }
    case "/markets/BTC-USD/trades": {
      const end = Math.min(param("before") / 10 - firstTrade, latest + 1)
      const page = newestFirst(Math.max(oldest, end - tradesPerPage), end - 1)
      return { status: 200, body: { trades: page.map((n) => tradeOf(Truth.trade(n))), oldest: tradeId(oldest) } }
    }
    case "/markets/BTC-USD/candles": {
      const numberAt = (at: number) => (at * 1_000 - Truth.openedAt) / Truth.candleLength
      const whole = Math.ceil(oldest / (Truth.candleLength / Truth.tick))
      const first = Math.max(whole, Math.ceil(numberAt(param("from"))))
      const cursor = searchParams.get("cursor") ?? ""
      const last = cursor === "" ? Math.min(Math.floor(numberAt(param("to"))), Truth.candleOf(latest)) : Number(cursor)
      const page = newestFirst(Math.max(first, last - candlesPerPage + 1), last)
      return {
        status: 200,
        body: {
          candles: page.map((n) => candleOf(Truth.candle(n, latest), Truth.timeOf(latest))),
          next: last - candlesPerPage >= first ? String(last - candlesPerPage) : null
        }
      }
    }
    default:
      return { status: 404, body: "no such market" }
  }
}

const wire: Server.Wire = {
  topics,
  request: (message) => {
    const { channels, op, req } = Schema.decodeUnknownSync(Request)(message)
    return {
      subscribe: op === "join" ? channels : [],
      unsubscribe: op === "leave" ? channels : [],
      accepted: JSON.stringify({ op: "ack", req }),
      refused: JSON.stringify({ op: "nak", req, why: "no such channel" })
    }
  },
  message: (fact, at, before) => JSON.stringify([topics[fact.channel], before, payloadOf(fact, at)]),
  greeting: (topic, n, before) =>
    topic === topics.updates ? JSON.stringify([topic, before, bookOf(n, Truth.timeOf(n))]) : undefined,
  farewell: JSON.stringify({ op: "bye", in: 30 }),
  invalid: [
    JSON.stringify([topics.trades, 1, { market, id: "123", price: "1", size: "1", time: 1 }]),
    JSON.stringify([topics.trades, 1, { ...tradeOf(Truth.trade(1)), market: "ETH/USD" }]),
    `["trades:BTC-USD",1,{"market":`,
    "busy"
  ],
  rest,
  rejection: { status: 404, body: { reason: "no such market" } }
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
  Effect.gen(function*() {
    const { candles, trades, venue } = yield* Meridian.make({ ws: "ws://meridian.test", rest: "http://meridian.test" })
    const feed = yield* MarketFeed.make(venue, options)
    return {
      stream: (channel, after) => {
        const name = topics[channel]
        switch (channel) {
          case "trades":
            return feed.streamOf(trades, { name, after: after === undefined ? undefined : firstTrade + after }).pipe(
              Stream.map((event) => {
                if (event.type === "gap") return gap(event, (number) => number - firstTrade)
                const { price, size, time } = event.data
                const n = Payloads.numberOf(event.data) - firstTrade
                return seen({ channel, n, at: Payloads.millis(time), price, quantity: size }, event)
              })
            )
          case "candles":
            return feed.streamOf(candles, { name, after: after === undefined ? undefined : Truth.candleOpensAt(after + 1) - 1 }).pipe(
              Stream.map((event) => {
                if (event.type === "gap") return gap(event, candleAt)
                const { final, ohlc: [open, high, low, close], opens, trades, volume } = event.data
                const n = candleAt(Payloads.millis(opens))
                return seen({ channel, n, open, high, low, close, volume, trades, isClosed: final }, event)
              })
            )
          case "updates": {
            // The book that comes first is no update.
            const updates = Stream.filter(feed.streamOf(Streams.book, name), (event) => event.type === "gap" || event.data.prev !== null)
            return Stream.map(updates, (event) => {
              if (event.type === "gap") return gap(event, updateOf)
              const { ask, bid, seq, time } = event.data
              return seen({ channel, n: updateOf(seq), at: Payloads.millis(time), bids: bid, asks: ask }, event)
            })
          }
          case "quotes":
            return Stream.map(feed.streamOf(Streams.top, name), (event) => {
              if (event.type === "gap") return gap(event, updateOf)
              const { ask, bid, seq } = event.data
              return seen({ channel, n: updateOf(seq), bid, ask }, event)
            })
          case "notices":
            return Stream.map(feed.stream(name), (event) => {
              if (MarketEvent.isGap(event)) return gap(event, (n) => n)
              return seen({ channel, n: "headline" in event.data ? Number(event.data.headline) : -1 }, event)
            })
        }
      },
      orderBook: feed.orderBook(market),
      updateOf,
      rotate: feed.rotate,
      events: feed.events
    }
  })

export const meridian: Subject = { name: "Meridian", wire, connect }
