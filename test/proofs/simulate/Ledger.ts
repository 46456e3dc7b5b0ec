/** What has happened at a venue on the stream of one symbol, event by event, and what REST has of it. */
import type { SymbolKind } from "./SymbolsPlan.ts"

/** An event. Ids may begin anew, so that an event is known by its id and its time. */
export interface Entry {
  readonly index: number
  /** The id, or the first moment of the candle. */
  readonly id: number
  readonly at: number
}

/** A candle of a minute in which something was traded. */
export interface Candle {
  readonly opens: number
  firstTrade: number
  lastTrade: number
  trades: number
}

export interface Ledger {
  readonly symbol: string
  readonly stream: string
  readonly kind: SymbolKind
  /** All events, in order. Of candles: those that are closed. Of a ticker: what was said. */
  readonly entries: ReadonlyArray<Entry>
  /** The event with this id and time. */
  readonly find: (id: number, at: number) => Entry | undefined
  /** Makes a trade, and returns the message that tells of it, if the kind has one for each. */
  readonly trade: (at: number) => string | undefined
  /** The message at the end of a candle or of the second of a ticker: undefined if nothing was traded. */
  readonly close: (at: number) => string | undefined
  /** The message of the latest event, said again. */
  readonly again: (at: number) => string | undefined
  /** A message with an id that is none. Undefined: the kind has no ids. */
  readonly rogue: (id: number, at: number) => string | undefined
  readonly latestId: () => number
  /** From now on, ids go on from this one. REST forgets the older ones if they begin anew. */
  readonly goOnFrom: (id: number) => void
  /** What REST has: the items of a page. */
  readonly page: (path: string, query: URLSearchParams, asOf: number) => ReadonlyArray<unknown>
}

const minute = 60_000

const keyOf = (id: number, at: number) => `${id} at ${at}`

export const make = (symbol: string, kind: SymbolKind): Ledger => {
  const stream = `${symbol.toLowerCase()}@${kind}`
  const entries: Array<Entry> = []
  const byKey = new Map<string, Entry>()
  // Ids that begin anew are far lower, as those of a venue that was emptied are: they do not reach the old ones within a run.
  let nextId = 100_001
  // The trades since ids began, of all kinds: their ids and times.
  let trades: Array<{ readonly id: number; readonly at: number }> = []
  // The index of the first event since ids began.
  let era = 0
  let candle: Candle | undefined
  let hasNews = false

  const add = (id: number, at: number) => {
    const entry: Entry = { index: entries.length, id, at }
    entries.push(entry)
    byKey.set(keyOf(id, at), entry)
  }

  const say = (data: object) => JSON.stringify({ stream, data })

  const tradeMessage = (id: number, T: number, E: number) =>
    kind === "aggTrade"
      ? say({ e: "aggTrade", E, s: symbol, a: id, p: "1", q: "1", f: id, l: id, T, m: true, M: true })
      : say({ e: "trade", E, s: symbol, t: id, p: "1", q: "1", T, m: true, M: true })

  const candleMessage = ({ firstTrade, lastTrade, opens, trades }: Candle, E: number, x: boolean) => {
    const n = String(trades)
    const k = { t: opens, T: opens + minute - 1, s: symbol, i: "1m", f: firstTrade, L: lastTrade, o: "1", c: "1", h: "1", l: "1", v: n, n: trades, x, q: n, V: n, Q: n, B: "0" }
    return say({ e: "kline", E, s: symbol, k })
  }

  const restCandle = ({ opens, trades }: Candle) => {
    const n = String(trades)
    return [opens, "1", "1", "1", "1", n, opens + minute - 1, n, trades, n, n, "0"]
  }

  const candles: Array<Candle> = []

  return {
    symbol,
    stream,
    kind,
    entries,
    find: (id, at) => byKey.get(keyOf(id, at)),
    latestId: () => trades.at(-1)?.id ?? nextId - 1,
    trade: (at) => {
      const id = nextId++
      trades.push({ id, at })
      hasNews = true
      if (kind === "kline_1m") {
        candle ??= { opens: at - (at % minute), firstTrade: id, lastTrade: id, trades: 0 }
        candle.lastTrade = id
        candle.trades++
        return candleMessage(candle, at, false)
      }
      if (kind === "miniTicker") return undefined
      add(id, at)
      return tradeMessage(id, at, at)
    },
    close: (at) => {
      if (kind === "miniTicker") {
        if (!hasNews) return undefined
        hasNews = false
        add(at, at)
        return say({ e: "24hrMiniTicker", E: at, s: symbol, c: "1", o: "1", h: "1", l: "1", v: "1", q: "1" })
      }
      if (candle === undefined || at < candle.opens + minute) return undefined
      const closed = candle
      candle = undefined
      candles.push(closed)
      add(closed.opens, closed.opens)
      return candleMessage(closed, at, true)
    },
    again: (at) => {
      const latest = entries.at(-1)
      return latest === undefined || (kind !== "trade" && kind !== "aggTrade") ? undefined : tradeMessage(latest.id, latest.at, at)
    },
    rogue: (id, at) => kind === "trade" || kind === "aggTrade" ? tradeMessage(id, at, at) : undefined,
    goOnFrom: (id) => {
      if (id < nextId) {
        trades = []
        era = entries.length
      }
      nextId = id
    },
    page: (path, query, asOf) => {
      const limit = Number(query.get("limit") ?? 500)
      if (path.endsWith("/klines")) {
        const [from, to] = [Number(query.get("startTime")), Number(query.get("endTime"))]
        const all = candle === undefined ? candles : [...candles, candle]
        return all.filter(({ opens }) => opens >= from && opens <= to && opens <= asOf).slice(0, limit).map(restCandle)
      }
      const from = query.get("fromId")
      const known = entries.slice(era).filter(({ at }) => at <= asOf)
      const found = from === null ? known.slice(-limit) : known.filter(({ id }) => id >= Number(from)).slice(0, limit)
      return found.map(({ at, id }) =>
        path.endsWith("/aggTrades")
          ? { a: id, p: "1", q: "1", f: id, l: id, T: at, m: true, M: true }
          : { id, price: "1", qty: "1", quoteQty: "1", time: at, isBuyerMaker: true, isBestMatch: true })
    }
  }
}
