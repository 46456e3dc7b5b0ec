/**
 * A recording of one market of the embedded exchange: the messages of every stream in every step, and the market's state at
 * any moment. It is computed once and shared by all runs.
 */
import { Candles, Market, Payload, StreamName } from "holdfast/binance/exchange"
import type { History, OrderBook } from "holdfast/binance/exchange"
import { identity } from "effect/Function"
import * as Option from "effect/Option"
import { lowerBound } from "../../../src/internal/feed/binarySearch.ts"

export interface Message {
  readonly payload: object
  readonly text: string
}

/** A book at the end of a step, in ticks and lots. */
export interface BookState {
  readonly lastId: number
  readonly bids: ReadonlyArray<OrderBook.Level>
  readonly asks: ReadonlyArray<OrderBook.Level>
}

/** Which part of a market REST serves: as of a moment, and only so much history. */
export interface View {
  readonly asOf: () => number
  /** The most trades, aggregate trades and candles that are kept. */
  readonly kept: () => number
}

export interface Tape {
  readonly instrument: Market.Instrument
  readonly start: number
  /** The number of steps that are over at a time. */
  readonly stepsAt: (time: number) => number
  /** The messages of a stream in a step. The first step is 0. */
  readonly messagesOf: (stream: string, step: number) => ReadonlyArray<Message>
  /** The number of trades until a time, which is also the id of the last one. */
  readonly trades: (until: number) => number
  readonly aggTrades: (until: number) => number
  readonly tradeAt: (id: number) => Market.Trade | undefined
  readonly aggTradeAt: (id: number) => Market.AggTrade | undefined
  readonly candleAt: (interval: Candles.Interval, start: number) => Candles.Candle | undefined
  readonly diffAt: (lastId: number) => Message | undefined
  readonly bookAt: (time: number) => BookState
  readonly bookWith: (lastId: number) => BookState | undefined
  readonly view: (view: View) => Market.Market
}

// The whole book is stored once in so many steps.
const keyframeEvery = 200
// A notice comes once in so many steps.
const noticeEvery = 5
const statesKept = 2_000
export const intervals: ReadonlyArray<Candles.Interval> = ["1s", "1m"]
const kinds = ["trade", "aggTrade", "kline_1s", "kline_1m", "depth@100ms", "miniTicker", "bookTicker"]

const better = { bids: (a: number, b: number) => b - a, asks: (a: number, b: number) => a - b }
const sorted = (side: OrderBook.Side, levels: Iterable<OrderBook.Level>): ReadonlyArray<OrderBook.Level> =>
  [...levels].sort(([a], [b]) => better[side](a, b))

const historyOf = <A>(all: () => ReadonlyArray<A>, keyOf: (item: A) => number): History.History<A> => ({
  push: () => undefined,
  all,
  last: (count) => count <= 0 ? [] : all().slice(-count),
  from: (key, count) => {
    const items = all()
    const index = lowerBound(items, keyOf, key)
    return items.slice(index, index + count)
  },
  nextKey: () => 0
})

export const make = (instrument: Market.Instrument, seed: number, start: number): Tape => {
  const market = Market.make({ instrument, seed, start, tradesPerSecond: 2, history: 1_000_000 })
  const changes = market.book.collect()
  const lower = instrument.symbol.toLowerCase()
  const streams = kinds.map((kind) => `${lower}@${kind}`)
  const messages = new Map(streams.map((name) => [name, new Array<ReadonlyArray<Message>>()]))
  // A kind that the real exchange does not have. It cannot be fetched, and its ids show us what is missing.
  const notices = new Array<ReadonlyArray<Message>>()
  const trades: Array<Market.Trade> = []
  const aggTrades: Array<Market.AggTrade> = []
  const closed = new Map(intervals.map((interval) => [interval, new Array<Candles.Candle>()]))
  const byStart = new Map(intervals.map((interval) => [interval, new Map<number, Candles.Candle>()]))
  // At the end of each step.
  const counts: Array<{ readonly trades: number; readonly aggTrades: number }> = []
  const lastIds: Array<number> = []
  const diffs: Array<{ readonly bids: ReadonlyArray<OrderBook.Level>; readonly asks: ReadonlyArray<OrderBook.Level> }> = []
  const keyframes: Array<BookState> = []
  const diffMessages = new Map<number, Message>()

  const stateNow = (): BookState => ({
    lastId: market.book.lastId(),
    bids: market.book.levels("bids", Number.MAX_SAFE_INTEGER),
    asks: market.book.levels("asks", Number.MAX_SAFE_INTEGER)
  })
  const initial = stateNow()

  const advance = () => {
    const time = start + (counts.length + 1) * Market.stepMillis
    const [step] = market.advance(time)
    if (step === undefined) return
    for (const [name, perStep] of messages) {
      const stream = Option.getOrThrow(StreamName.parse(name))
      const payloads = Payload.ofStep(stream, market, step, "millisecond")
      perStep.push(payloads.map((payload) => ({ payload, text: JSON.stringify({ stream: name, data: payload }) })))
    }
    const nth = (counts.length + 1) / noticeEvery
    const notice = { e: "notice", E: time, s: instrument.symbol, t: nth }
    notices.push(Number.isInteger(nth)
      ? [{ payload: notice, text: JSON.stringify({ stream: `${lower}@notice`, data: notice }) }]
      : [])
    const diff = step.diff["100ms"]
    const message = messages.get(`${lower}@depth@100ms`)?.at(-1)?.[0]
    if (diff !== undefined && message !== undefined) diffMessages.set(diff.lastId, message)
    trades.push(...step.trades)
    aggTrades.push(...step.aggTrades)
    for (const candle of step.closed) {
      closed.get(candle.interval)?.push(candle)
      byStart.get(candle.interval)?.set(candle.start, candle)
    }
    const change = changes.take()
    diffs.push({ bids: change?.bids ?? [], asks: change?.asks ?? [] })
    counts.push({ trades: trades.length, aggTrades: aggTrades.length })
    lastIds.push(market.book.lastId())
    if (counts.length % keyframeEvery === 0) keyframes.push(stateNow())
  }

  const stepsAt = (time: number) => {
    const steps = Math.max(0, Math.floor((time - start) / Market.stepMillis))
    while (counts.length < steps) advance()
    return steps
  }

  // The book after so many steps. Recent results are kept: this run or the next is likely to need them again.
  const states = new Map<number, BookState>()
  const bookAfter = (steps: number): BookState => {
    const known = states.get(steps)
    if (known !== undefined) return known
    if (states.size >= statesKept) states.clear()
    const state = rebuild(steps)
    states.set(steps, state)
    return state
  }

  const rebuild = (steps: number): BookState => {
    const keyframe = Math.floor(steps / keyframeEvery)
    const from = keyframe === 0 ? initial : keyframes[keyframe - 1] ?? initial
    const sides = { bids: new Map(from.bids), asks: new Map(from.asks) }
    for (let i = keyframe * keyframeEvery; i < steps; i++) {
      for (const side of ["bids", "asks"] as const) {
        for (const [price, quantity] of diffs[i]?.[side] ?? []) {
          if (quantity === 0) sides[side].delete(price)
          else sides[side].set(price, quantity)
        }
      }
    }
    return {
      lastId: steps === 0 ? initial.lastId : lastIds[steps - 1] ?? 0,
      bids: sorted("bids", sides.bids),
      asks: sorted("asks", sides.asks)
    }
  }

  const bookWith = (lastId: number) => {
    if (lastId === initial.lastId) return initial
    const index = lowerBound(lastIds, identity, lastId)
    return lastIds[index] === lastId ? bookAfter(index + 1) : undefined
  }

  const tradesAt = (time: number) => counts[stepsAt(time) - 1]?.trades ?? 0
  const aggTradesAt = (time: number) => counts[stepsAt(time) - 1]?.aggTrades ?? 0

  const view = ({ asOf, kept }: View): Market.Market => {
    const latest = <A>(items: ReadonlyArray<A>, count: number) => items.slice(Math.max(0, count - kept()), count)
    const closedAt = (interval: Candles.Interval) => {
      const steps = stepsAt(asOf())
      const time = start + steps * Market.stepMillis
      const all = closed.get(interval) ?? []
      let count = all.length
      while ((all[count - 1]?.end ?? 0) > time) count--
      return latest(all, count)
    }
    const candle = (interval: Candles.Interval) => {
      const time = start + stepsAt(asOf()) * Market.stepMillis
      const count = tradesAt(asOf())
      const [begins] = Candles.bounds(interval, time)
      let first = count
      while ((trades[first - 1]?.time ?? 0) >= begins) first--
      const price = trades[first - 1]?.price ?? instrument.price
      return trades.slice(first, count).reduce(Candles.add, Candles.begin(interval, time, price))
    }
    const bookNow = () => bookAfter(stepsAt(asOf()))
    return {
      ...market,
      advance: () => [],
      trades: historyOf(() => latest(trades, tradesAt(asOf())), ({ id }) => id),
      aggTrades: historyOf(() => latest(aggTrades, aggTradesAt(asOf())), ({ id }) => id),
      candle,
      candles: (interval) => historyOf(() => closedAt(interval), (item) => item.start),
      book: {
        ...market.book,
        lastId: () => bookNow().lastId,
        levels: (side, limit) => bookNow()[side].slice(0, limit)
      }
    }
  }

  return {
    instrument,
    start,
    stepsAt,
    messagesOf: (stream, step) => (stream === `${lower}@notice` ? notices : messages.get(stream))?.[step] ?? [],
    trades: tradesAt,
    aggTrades: aggTradesAt,
    tradeAt: (id) => trades[id - 1],
    aggTradeAt: (id) => aggTrades[id - 1],
    candleAt: (interval, begins) => byStart.get(interval)?.get(begins),
    diffAt: (lastId) => diffMessages.get(lastId),
    bookAt: (time) => bookAfter(stepsAt(time)),
    bookWith,
    view
  }
}

// Tapes are shared by all runs, and grow to the longest one.
const tapes = new Map<string, Tape>()

/** The time at which every run begins: a whole minute, at which candles of a minute begin, too. */
export const start = 1_700_000_040_000 - (1_700_000_040_000 % 60_000)

export const of = (symbol: string, seed: number): Tape => {
  const key = `${symbol} ${seed}`
  const known = tapes.get(key)
  if (known !== undefined) return known
  const [first, ...others] = Market.instruments
  const instrument = [first, ...others].find((one) => one?.symbol === symbol)
  if (instrument === undefined) throw new Error(`There is no market ${symbol}.`)
  const tape = make(instrument, seed, start)
  tapes.set(key, tape)
  return tape
}
