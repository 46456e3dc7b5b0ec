/**
 * A market of one symbol, generated from a seed: the same seed gives the same orders, trades, books and klines.
 *
 * It knows no clock and no socket. It is told what time it is, works through the order flow up to then in steps of 50
 * milliseconds, and gives back what happened in each.
 *
 * @since 0.1.0
 */
import { PCGRandom } from "effect/Utils"
import * as Candles from "./Candles.ts"
import * as History from "./History.ts"
import type { Diff, Side, Top } from "./OrderBook.ts"
import * as OrderBook from "./OrderBook.ts"

/**
 * What a symbol trades, and in which units.
 *
 * @since 0.1.0
 * @category models
 */
export interface Instrument {
  /** In upper case, such as `BTCUSDT`. */
  readonly symbol: string
  readonly base: string
  readonly quote: string
  /** Places of a price: a tick is `10^-priceDecimals`. */
  readonly priceDecimals: number
  /** Places of a quantity: a lot is `10^-quantityDecimals`. */
  readonly quantityDecimals: number
  /** The price it starts at, in ticks. */
  readonly price: number
  /** A usual quantity of one order, in lots. */
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
 * A trade: one order of a taker against one of a maker. Ids follow each other without a hole.
 *
 * @since 0.1.0
 * @category models
 */
export interface Trade {
  readonly id: number
  readonly time: number
  /** In ticks. */
  readonly price: number
  /** In lots. */
  readonly quantity: number
  readonly buyerIsMaker: boolean
}

/**
 * The trades that one taker's order made at one price, as one.
 *
 * @since 0.1.0
 * @category models
 */
export interface AggTrade extends Trade {
  readonly firstTrade: number
  readonly lastTrade: number
}

/**
 * How a market stood at a moment.
 *
 * @since 0.1.0
 * @category models
 */
export interface State {
  /** The candles under way. */
  readonly candles: ReadonlyMap<Candles.Interval, Candles.Candle>
  /** The statistics since the market began, as one candle; Binance's are those of the last 24 hours. */
  readonly statistics: Candles.Candle
  readonly top: Top
  /** Of the latest aggregate trade, in lots; zero when there was none. */
  readonly lastQuantity: number
}

/**
 * What happened in one step.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  readonly time: number
  readonly trades: ReadonlyArray<Trade>
  readonly aggTrades: ReadonlyArray<AggTrade>
  /** The best bid and ask, each time they changed. */
  readonly tops: ReadonlyArray<{ readonly id: number; readonly top: Top }>
  /** What is due every 100 milliseconds and every second, if it is due in this step and there were changes. */
  readonly diff: { readonly "100ms": Diff | undefined; readonly "1000ms": Diff | undefined }
  /** The candles that closed at this step's time. */
  readonly closed: ReadonlyArray<Candles.Candle>
  /**
   * How the market stood then, if this step ends a second. A market that catches up is ahead of the steps it gives, and
   * must not be asked.
   */
  readonly state: State | undefined
}

/**
 * A market that goes on as time does.
 *
 * @since 0.1.0
 * @category models
 */
export interface Market {
  readonly instrument: Instrument
  /** Works through the order flow up to a moment. Going back does nothing. */
  readonly advance: (now: number) => ReadonlyArray<Step>
  readonly book: OrderBook.OrderBook
  readonly trades: History.History<Trade>
  readonly aggTrades: History.History<AggTrade>
  /** The candle under way. */
  readonly candle: (interval: Candles.Interval) => Candles.Candle
  /** The candles that closed, oldest first. */
  readonly candles: (interval: Candles.Interval) => History.History<Candles.Candle>
}

/**
 * How a market is made.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly instrument: Instrument
  readonly seed: number
  /** When it begins, in milliseconds since the epoch. */
  readonly start: number
  /** Trades a second, on average. Default: 4. */
  readonly tradesPerSecond?: number | undefined
  /** How many trades are kept. Default: 100,000. */
  readonly history?: number | undefined
  /** How many closed candles of each interval are kept. Default: as many as trades. */
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

  // Between 1 and three times the usual, small ones more often.
  const drawLots = () => 1 + Math.floor(instrument.lots * 3 * random.number() ** 2)
  const draw = (most: number) => Math.floor(random.number() * most)

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

  // A taker's order eats its way into the other side, level by level, and each level is up to three makers' orders.
  const take = (side: Side, step: { trades: Array<Trade>; aggTrades: Array<AggTrade> }) => {
    let left = drawLots() * (1 + draw(3))
    while (left > 0 && book.size(side) > 1) {
      const { ask, bid } = book.top()
      const [price, resting] = side === "bids" ? bid : ask
      const eaten = Math.min(left, resting)
      left -= eaten
      const makers = Math.min(eaten, 1 + draw(3))
      const firstTrade = trades.nextKey(firstId)
      for (let i = 0; i < makers; i++) {
        const quantity = i === makers - 1 ? eaten - Math.floor(eaten / makers) * i : Math.floor(eaten / makers)
        const trade: Trade = { id: trades.nextKey(firstId), time: now, price, quantity, buyerIsMaker: side === "bids" }
        trades.push(trade)
        step.trades.push(trade)
        for (const [interval, underWay] of current) current.set(interval, Candles.add(underWay, trade))
        statistics = Candles.add(statistics, trade)
      }
      const aggTrade: AggTrade = {
        id: aggTrades.nextKey(firstId),
        time: now,
        price,
        quantity: eaten,
        buyerIsMaker: side === "bids",
        firstTrade,
        lastTrade: trades.nextKey(firstId) - 1
      }
      aggTrades.push(aggTrade)
      lastQuantity = eaten
      step.aggTrades.push(aggTrade)
      book.set(side, price, resting - eaten)
    }
  }

  // A maker adds to the book near its top, or takes something back, so that it stays about as deep as it began.
  const rest = (side: Side) => {
    const { ask, bid } = book.top()
    const inside = side === "bids" ? ask[0] - 1 : bid[0] + 1
    const distance = draw(draw(4) === 0 ? depth : 8)
    const price = side === "bids" ? inside - distance : inside + distance
    const there = book.quantity(side, price)
    if (price <= 0) return
    if (there > 0 && book.size(side) > depth / 2 && random.number() < 0.55) book.set(side, price, 0)
    else book.set(side, price, there + drawLots())
    const far = book.size(side) > depth * 1.5 ? book.levels(side, Number.MAX_SAFE_INTEGER).at(-1) : undefined
    if (far !== undefined) book.set(side, far[0], 0)
  }

  const state = (): State => ({ candles: new Map(current), statistics, top: book.top(), lastQuantity })

  const step = (): Step => {
    now += stepMillis
    const closed: Array<Candles.Candle> = []
    for (const [interval, underWay] of current) {
      if (now < underWay.end) continue
      closed.push(underWay)
      candles(interval).push(underWay)
      current.set(interval, Candles.begin(interval, now, underWay.close))
    }
    const happened = { trades: new Array<Trade>(), aggTrades: new Array<AggTrade>() }
    const tops: Array<{ readonly id: number; readonly top: Top }> = []
    let top = book.top()
    const watchTop = () => {
      const next = book.top()
      if (next.bid[0] !== top.bid[0] || next.bid[1] !== top.bid[1] || next.ask[0] !== top.ask[0] || next.ask[1] !== top.ask[1]) {
        tops.push({ id: book.lastId(), top: next })
        top = next
      }
    }
    const orders = draw(4)
    for (let i = 0; i < orders; i++) {
      rest(draw(2) === 0 ? "bids" : "asks")
      watchTop()
    }
    if (random.number() < tradeChance) {
      const side = draw(2) === 0 ? "bids" : "asks"
      take(side, happened)
      // Somebody refills what was eaten, and somebody else thinks the price has moved.
      rest(side)
      rest(opposite[side])
      watchTop()
    }
    return {
      time: now,
      ...happened,
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
