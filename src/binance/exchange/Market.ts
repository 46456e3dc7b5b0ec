/**
 * A market of one symbol, generated from a seed: the same seed gives the same orders, trades, books and klines.
 *
 * It has no clock and no socket. The caller advances it to a time; it generates orders up to that time in steps of 50
 * milliseconds, and returns the events of each step.
 *
 * @since 0.1.0
 */
import { PCGRandom } from "effect/Utils"
import * as Candles from "./Candles.ts"
import * as History from "./History.ts"
import type { Diff, Side, Top } from "./OrderBook.ts"
import * as OrderBook from "./OrderBook.ts"

/**
 * A symbol, its assets, and the units of its prices and quantities.
 *
 * @since 0.1.0
 * @category models
 */
export interface Instrument {
  /** In upper case, for example `BTCUSDT`. */
  readonly symbol: string
  readonly base: string
  readonly quote: string
  /** Decimal places of a price: a tick is `10^-priceDecimals`. */
  readonly priceDecimals: number
  /** Decimal places of a quantity: a lot is `10^-quantityDecimals`. */
  readonly quantityDecimals: number
  /** The initial price, in ticks. */
  readonly price: number
  /** The typical quantity of an order, in lots. */
  readonly lots: number
}

/**
 * Four well-known pairs at plausible prices.
 *
 * @since 0.1.0
 * @category constants
 */
export const instruments: ReadonlyArray<Instrument> = [
  { symbol: "BTCUSDT", base: "BTC", quote: "USDT", priceDecimals: 2, quantityDecimals: 5, price: 6_500_000, lots: 500 },
  { symbol: "ETHUSDT", base: "ETH", quote: "USDT", priceDecimals: 2, quantityDecimals: 4, price: 340_000, lots: 900 },
  { symbol: "BNBUSDT", base: "BNB", quote: "USDT", priceDecimals: 2, quantityDecimals: 3, price: 60_000, lots: 700 },
  { symbol: "SOLUSDT", base: "SOL", quote: "USDT", priceDecimals: 2, quantityDecimals: 3, price: 15_000, lots: 2_000 }
]

/**
 * A trade between a taker's order and a maker's. The ids of a market's trades are consecutive.
 *
 * @since 0.1.0
 * @category models
 */
export interface Trade {
  readonly id: number
  /** Unix time in milliseconds. */
  readonly time: number
  /** In ticks. */
  readonly price: number
  /** In lots. */
  readonly quantity: number
  readonly buyerIsMaker: boolean
}

/**
 * The trades of one taker's order at one price, combined. The ids of a market's aggregate trades are consecutive.
 *
 * @since 0.1.0
 * @category models
 */
export interface AggTrade extends Trade {
  readonly firstTrade: number
  readonly lastTrade: number
}

/**
 * The state of a market at the end of a step.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  /** The open candles. */
  readonly candles: ReadonlyMap<Candles.Interval, Candles.Candle>
  /** The statistics since the market began, as one candle. Binance's cover the last 24 hours. */
  readonly statistics: Candles.Candle
  readonly top: Top
  /** The quantity of the latest aggregate trade, in lots; 0 if there is none. */
  readonly lastQuantity: number
}

/**
 * The events of one step.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  /** The end of the step, as Unix time in milliseconds. */
  readonly time: number
  readonly trades: ReadonlyArray<Trade>
  readonly aggTrades: ReadonlyArray<AggTrade>
  /** The best bid and ask after each change of them, with the id of the change. */
  readonly tops: ReadonlyArray<{ readonly id: number; readonly top: Top }>
  /**
   * The diff of the last 100 milliseconds and of the last second. Undefined if it is not due now, or nothing changed.
   */
  readonly diff: { readonly "100ms": Diff | undefined; readonly "1000ms": Diff | undefined }
  /** The candles that closed at the end of this step. */
  readonly closed: ReadonlyArray<Candles.Candle>
  /**
   * The state at the end of this step, if the step ends a second. Do not read it from the market instead: a market that
   * is advanced by many steps at once is already ahead.
   */
  readonly state: State | undefined
}

/**
 * A market.
 *
 * @since 0.1.0
 * @category models
 */
export interface Market {
  readonly instrument: Instrument
  /** Generates orders up to `now` (Unix time in milliseconds). Returns the steps; none if `now` is in the market's past. */
  readonly advance: (now: number) => ReadonlyArray<Step>
  readonly book: OrderBook.OrderBook
  readonly trades: History.History<Trade>
  readonly aggTrades: History.History<AggTrade>
  /** The open candle. */
  readonly candle: (interval: Candles.Interval) => Candles.Candle
  /** The closed candles, oldest first. */
  readonly candles: (interval: Candles.Interval) => History.History<Candles.Candle>
}

/**
 * Settings of a market.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly instrument: Instrument
  readonly seed: number
  /** The time at which it begins, as Unix time in milliseconds. */
  readonly start: number
  /** The average number of trades per second. Default: 4. */
  readonly tradesPerSecond?: number | undefined
  /** The number of trades that it keeps, at least. Default: 100,000. */
  readonly history?: number | undefined
  /** The number of closed candles that it keeps per interval, at least. Default: the same as `history`. */
  readonly candles?: number | undefined
  /** The id of the first trade, and of the first aggregate trade. Default: 1. */
  readonly firstId?: number | undefined
}

/**
 * The length of a step in milliseconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const stepMillis = 50

const depth = 60
const opposite = { bids: "asks", asks: "bids" } as const

/**
 * Makes a market.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Market } from "holdfast/binance/exchange"
 *
 * const make = () => Market.make({ instrument: Market.instruments[0]!, seed: 1, start: 0 })
 * const [one, other] = [make(), make()]
 * console.log(JSON.stringify(one.advance(60_000)) === JSON.stringify(other.advance(60_000))) // true
 * ```
 */
export const make = (options: Options): Market => {
  const { instrument, seed } = options
  const random = new PCGRandom(seed, instrument.price)
  const history = options.history ?? 100_000
  const firstId = options.firstId ?? 1
  const candlesKept = options.candles ?? history
  const tradeChance = ((options.tradesPerSecond ?? 4) / 2) * (stepMillis / 1_000)
  let now = Math.floor(options.start / stepMillis) * stepMillis

  // From one lot to three times the typical quantity; small quantities are more frequent.
  const drawLots = () => 1 + Math.floor(instrument.lots * 3 * random.number() ** 2)
  const draw = (below: number) => Math.floor(random.number() * below)

  const level = (price: number): OrderBook.Level => [price, drawLots()]
  const book = OrderBook.make({
    bids: Array.from({ length: depth }, (_, i) => level(instrument.price - 1 - i)),
    asks: Array.from({ length: depth }, (_, i) => level(instrument.price + i))
  })
  const diffs = { "100ms": book.collect(), "1000ms": book.collect() }

  const trades = History.make<Trade>(history, ({ id }) => id)
  const aggTrades = History.make<AggTrade>(history, ({ id }) => id)
  const current = new Map(
    Candles.intervals.map((interval) => [interval, Candles.begin(interval, now, instrument.price)])
  )
  const closedCandles = new Map(
    Candles.intervals.map((interval) => [interval, History.make<Candles.Candle>(candlesKept, ({ start }) => start)])
  )
  let statistics = Candles.begin("1d", now, instrument.price)
  let lastQuantity = 0

  const candle = (interval: Candles.Interval) => current.get(interval) ?? Candles.begin(interval, now, instrument.price)
  const candles = (interval: Candles.Interval) =>
    closedCandles.get(interval) ?? History.make<Candles.Candle>(0, ({ start }) => start)

  // Executes a taker's order against the other side, level by level. Each level consists of one to three makers'
  // orders.
  const take = (side: Side, step: { trades: Array<Trade>; aggTrades: Array<AggTrade> }) => {
    let remaining = drawLots() * (1 + draw(3))
    while (remaining > 0 && book.size(side) > 1) {
      const { ask, bid } = book.top()
      const [price, resting] = side === "bids" ? bid : ask
      const filled = Math.min(remaining, resting)
      remaining -= filled
      const makers = Math.min(filled, 1 + draw(3))
      const firstTrade = trades.nextKey(firstId)
      for (let i = 0; i < makers; i++) {
        const quantity = i === makers - 1 ? filled - Math.floor(filled / makers) * i : Math.floor(filled / makers)
        const trade: Trade = { id: trades.nextKey(firstId), time: now, price, quantity, buyerIsMaker: side === "bids" }
        trades.push(trade)
        step.trades.push(trade)
        for (const [interval, open] of current) current.set(interval, Candles.add(open, trade))
        statistics = Candles.add(statistics, trade)
      }
      const aggTrade: AggTrade = {
        id: aggTrades.nextKey(firstId),
        time: now,
        price,
        quantity: filled,
        buyerIsMaker: side === "bids",
        firstTrade,
        lastTrade: trades.nextKey(firstId) - 1
      }
      aggTrades.push(aggTrade)
      lastQuantity = filled
      step.aggTrades.push(aggTrade)
      book.set(side, price, resting - filled)
    }
  }

  // A maker adds an order near the top of the book, or removes a level. The depth of the book stays about the same.
  const rest = (side: Side) => {
    const { ask, bid } = book.top()
    const nearest = side === "bids" ? ask[0] - 1 : bid[0] + 1
    const distance = draw(draw(4) === 0 ? depth : 8)
    const price = side === "bids" ? nearest - distance : nearest + distance
    const resting = book.quantity(side, price)
    if (price <= 0) return
    if (resting > 0 && book.size(side) > depth / 2 && random.number() < 0.55) book.set(side, price, 0)
    else book.set(side, price, resting + drawLots())
    const farthest = book.size(side) > depth * 1.5 ? book.levels(side, Number.MAX_SAFE_INTEGER).at(-1) : undefined
    if (farthest !== undefined) book.set(side, farthest[0], 0)
  }

  const state = (): State => ({ candles: new Map(current), statistics, top: book.top(), lastQuantity })

  const step = (): Step => {
    now += stepMillis
    const closed: Array<Candles.Candle> = []
    for (const [interval, open] of current) {
      if (now < open.end) continue
      closed.push(open)
      candles(interval).push(open)
      current.set(interval, Candles.begin(interval, now, open.close))
    }
    const executed = { trades: new Array<Trade>(), aggTrades: new Array<AggTrade>() }
    const tops: Array<{ readonly id: number; readonly top: Top }> = []
    let top = book.top()
    const recordTop = () => {
      const next = book.top()
      if (next.bid[0] !== top.bid[0] || next.bid[1] !== top.bid[1] || next.ask[0] !== top.ask[0] || next.ask[1] !== top.ask[1]) {
        tops.push({ id: book.lastId(), top: next })
        top = next
      }
    }
    const orders = draw(4)
    for (let i = 0; i < orders; i++) {
      rest(draw(2) === 0 ? "bids" : "asks")
      recordTop()
    }
    if (random.number() < tradeChance) {
      const side = draw(2) === 0 ? "bids" : "asks"
      take(side, executed)
      // One maker refills the side that was traded, another follows the price on the opposite side.
      rest(side)
      rest(opposite[side])
      recordTop()
    }
    return {
      time: now,
      ...executed,
      tops,
      diff: {
        "100ms": now % 100 === 0 ? diffs["100ms"].take() : undefined,
        "1000ms": now % 1_000 === 0 ? diffs["1000ms"].take() : undefined
      },
      closed,
      state: now % 1_000 === 0 ? state() : undefined
    }
  }

  return {
    instrument,
    advance: (until) => {
      const steps: Array<Step> = []
      while (now + stepMillis <= until) steps.push(step())
      return steps
    },
    book,
    trades,
    aggTrades,
    candle,
    candles
  }
}
