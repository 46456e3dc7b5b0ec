// Answers REST from a recording while it is replayed: the trades, aggregate trades and candles that have been played so far.
import * as Schema from "effect/Schema"
import type { MarketEvent } from "../binance/MarketEvent.ts"
import * as Payloads from "../binance/Payloads.ts"
import { lowerBound } from "../internal/feed/binarySearch.ts"

/** An event, and the number of messages that have been played when it has. */
export interface Played {
  readonly event: MarketEvent
  readonly at: number
}

interface Item {
  /** The id of a trade, or the first moment of a candle. */
  readonly key: number
  /** The key of the one after it. */
  readonly next: number
  readonly at: number
  readonly answer: unknown
}

const isTrade = Schema.is(Payloads.Trade)
const isAggTrade = Schema.is(Payloads.AggTrade)
const isKline = Schema.is(Payloads.Kline)

const tradeOf = ({ T, m, p, q, t }: typeof Payloads.Trade.Type) =>
  ({ id: t, price: p, qty: q, quoteQty: (Number(p) * Number(q)).toFixed(8), time: T, isBuyerMaker: m, isBestMatch: true })

const candleOf = ({ T, V, Q, c, h, l, n, o, q, t, v }: (typeof Payloads.Kline.Type)["k"]) => [t, o, h, l, c, v, T, q, n, V, Q, "0"]

// The list that an event belongs to, and its entry there.
const entryOf = ({ at, event: { data, symbol } }: Played): readonly [list: string, item: Item] | undefined => {
  if (isTrade(data)) return [`trades ${symbol}`, { key: data.t, next: data.t + 1, at, answer: tradeOf(data) }]
  if (isAggTrade(data)) {
    const { T, a, f, l, m, p, q } = data
    return [`aggTrades ${symbol}`, { key: a, next: a + 1, at, answer: { a, p, q, f, l, T, m, M: true } }]
  }
  return isKline(data) ? [`klines ${symbol} ${data.k.i}`, { key: data.k.t, next: data.k.T + 1, at, answer: candleOf(data.k) }] : undefined
}

const keyOf = ({ key }: Item) => key

const lists: Readonly<Record<string, (query: URLSearchParams) => string>> = {
  "/api/v3/trades": (query) => `trades ${query.get("symbol") ?? ""}`,
  "/api/v3/historicalTrades": (query) => `trades ${query.get("symbol") ?? ""}`,
  "/api/v3/aggTrades": (query) => `aggTrades ${query.get("symbol") ?? ""}`,
  "/api/v3/klines": (query) => `klines ${query.get("symbol") ?? ""} ${query.get("interval") ?? ""}`
}

const numberIn = (query: URLSearchParams, name: string): number | undefined => {
  const text = query.get(name)
  return text === null || !/^\d+$/.test(text) ? undefined : Number(text)
}

// The part after the last missing range. A venue that had what is before it and what is after it would say that there was nothing
// between them.
const contiguous = (items: ReadonlyArray<Item>): ReadonlyArray<Item> =>
  items.slice(Math.max(0, items.findLastIndex(({ key }, i) => i > 0 && items[i - 1]?.next !== key)))

// The last trade of each symbol shows a feed whether it misses events.
const tickerOf = (symbol: string, trades: ReadonlyArray<Item>, played: number) => {
  const last = trades.findLast(({ at }) => at <= played)
  return { symbol, lastPrice: "0", closeTime: 0, lastId: last?.key ?? -1 }
}

/** Answers a request, when so many messages have been played. Undefined for what no recording has. */
export const make = (all: ReadonlyArray<Played>) => {
  const items = new Map<string, Array<Item>>()
  for (const played of all) {
    const [list, item] = entryOf(played) ?? []
    if (list === undefined || item === undefined) continue
    const before = items.get(list)
    if (before === undefined) items.set(list, [item])
    else before.push(item)
  }
  const symbols = new Set(all.map(({ event: { symbol } }) => symbol).filter((symbol) => symbol !== ""))
  return (path: string, query: URLSearchParams, played: number): unknown => {
    if (path === "/api/v3/ticker/24hr") {
      const tickers = [...symbols].map((symbol) => tickerOf(symbol, items.get(`trades ${symbol}`) ?? [], played))
      const asked = query.get("symbol")
      return asked === null ? tickers : tickers.find(({ symbol }) => symbol === asked)
    }
    const list = lists[path]?.(query)
    if (list === undefined) return undefined
    const limit = Math.min(numberIn(query, "limit") ?? 500, 1_000)
    // What is being played counts too. Of a candle, the latest state counts.
    const received = (items.get(list) ?? []).filter(({ at }) => at <= played + 1).map((item) => [item.key, item] as const)
    const known = contiguous([...new Map(received).values()].sort((a, b) => a.key - b.key))
    const from = numberIn(query, "fromId") ?? numberIn(query, "startTime")
    const end = lowerBound(known, keyOf, (numberIn(query, "endTime") ?? Number.MAX_SAFE_INTEGER - 1) + 1)
    const begin = from === undefined ? Math.max(0, end - limit) : lowerBound(known, keyOf, from)
    return known.slice(begin, Math.min(end, begin + limit)).map(({ answer }) => answer)
  }
}
