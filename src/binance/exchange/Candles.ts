/**
 * Builds klines from trades.
 *
 * @since 0.1.0
 */
import type { Trade } from "./Market.ts"

const second = 1_000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour

// Intervals of a fixed length.
const lengths = {
  "1s": second,
  "1m": minute,
  "3m": 3 * minute,
  "5m": 5 * minute,
  "15m": 15 * minute,
  "30m": 30 * minute,
  "1h": hour,
  "2h": 2 * hour,
  "4h": 4 * hour,
  "6h": 6 * hour,
  "8h": 8 * hour,
  "12h": 12 * hour,
  "1d": day,
  "3d": 3 * day,
  "1w": 7 * day
} as const

/**
 * The kline intervals of Binance.
 *
 * @since 0.1.0
 * @category models
 */
export type Interval = keyof typeof lengths | "1M"

/**
 * All intervals, shortest first.
 *
 * @since 0.1.0
 * @category constants
 */
export const intervals: ReadonlyArray<Interval> = [
  "1s",
  "1m",
  "3m",
  "5m",
  "15m",
  "30m",
  "1h",
  "2h",
  "4h",
  "6h",
  "8h",
  "12h",
  "1d",
  "3d",
  "1w",
  "1M"
]

/**
 * Returns true if the text is the name of an interval.
 *
 * @since 0.1.0
 * @category guards
 */
export const isInterval = (text: string): text is Interval => intervals.some((interval) => interval === text)

/**
 * Returns the start and the end of the candle that contains `at`. All times are Unix times in milliseconds; the end
 * is the start of the next candle. Days, weeks and months begin in UTC.
 *
 * @since 0.1.0
 * @category time
 */
export const bounds = (interval: Interval, at: number): readonly [start: number, end: number] => {
  if (interval === "1M") {
    const date = new Date(at)
    return [
      Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1),
      Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
    ]
  }
  const length = lengths[interval]
  // Weeks begin on Monday; 1 January 1970 was a Thursday.
  const shift = interval === "1w" ? 4 * day : 0
  const start = Math.floor((at - shift) / length) * length + shift
  return [start, start + length]
}

/**
 * A candle: prices in ticks, volumes in lots, times as Unix times in milliseconds. Without trades, `firstTrade` and
 * `lastTrade` are -1, and all prices are the last price before the candle.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candle {
  readonly interval: Interval
  readonly start: number
  readonly end: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
  readonly volume: number
  /** In ticks times lots. */
  readonly quoteVolume: bigint
  readonly takerBuyVolume: number
  readonly takerBuyQuoteVolume: bigint
  readonly trades: number
  readonly firstTrade: number
  readonly lastTrade: number
}

/**
 * Makes an empty candle at the given price, usually the last close.
 *
 * @since 0.1.0
 * @category constructors
 */
export const begin = (interval: Interval, at: number, price: number): Candle => {
  const [start, end] = bounds(interval, at)
  return {
    interval,
    start,
    end,
    open: price,
    high: price,
    low: price,
    close: price,
    volume: 0,
    quoteVolume: 0n,
    takerBuyVolume: 0,
    takerBuyQuoteVolume: 0n,
    trades: 0,
    firstTrade: -1,
    lastTrade: -1
  }
}

/**
 * Adds a trade to a candle.
 *
 * @since 0.1.0
 * @category combinators
 */
export const add = (candle: Candle, trade: Trade): Candle => {
  const quote = BigInt(trade.price) * BigInt(trade.quantity)
  const first = candle.trades === 0
  const takerBuys = !trade.buyerIsMaker
  return {
    ...candle,
    open: first ? trade.price : candle.open,
    high: first ? trade.price : Math.max(candle.high, trade.price),
    low: first ? trade.price : Math.min(candle.low, trade.price),
    close: trade.price,
    volume: candle.volume + trade.quantity,
    quoteVolume: candle.quoteVolume + quote,
    takerBuyVolume: candle.takerBuyVolume + (takerBuys ? trade.quantity : 0),
    takerBuyQuoteVolume: candle.takerBuyQuoteVolume + (takerBuys ? quote : 0n),
    trades: candle.trades + 1,
    firstTrade: first ? trade.id : candle.firstTrade,
    lastTrade: trade.id
  }
}
