/**
 * The facts of a market: each fact is a pure function of its number. The venue publishes them on five channels. Each channel has
 * five facts a second, numbered from 0. A candle is published five times, as it forms, under one number.
 */
import type { OrderBook } from "holdfast/market"

/** When the market opened, in milliseconds since the epoch. */
export const openedAt = 1_790_000_000_000
/** Milliseconds between two numbers. */
export const tick = 200
const ticksPerCandle = 5
/** Milliseconds of a candle. */
export const candleLength = tick * ticksPerCandle

/** When the fact with a number is published: in the last millisecond of its tick. */
export const timeOf = (n: number): number => openedAt + (n + 1) * tick - 1

export interface Trade {
  readonly channel: "trades"
  readonly n: number
  readonly at: number
  readonly price: string
  readonly quantity: string
}

export interface Candle {
  readonly channel: "candles"
  /** The number of the candle, not of its state. */
  readonly n: number
  readonly open: string
  readonly high: string
  readonly low: string
  readonly close: string
  readonly volume: string
  readonly trades: number
  readonly isClosed: boolean
}

/** An update of the order book. */
export interface Update {
  readonly channel: "updates"
  readonly n: number
  readonly at: number
  readonly bids: ReadonlyArray<OrderBook.Level>
  readonly asks: ReadonlyArray<OrderBook.Level>
}

/** The best bid and ask. */
export interface Quote {
  readonly channel: "quotes"
  readonly n: number
  readonly bid: OrderBook.Level
  readonly ask: OrderBook.Level
}

/** A message whose loss cannot be detected. */
export interface Notice {
  readonly channel: "notices"
  readonly n: number
}

export type Fact = Trade | Candle | Update | Quote | Notice
export type Channel = Fact["channel"]
export const channels: ReadonlyArray<Channel> = ["trades", "candles", "updates", "quotes", "notices"]

/** A number from 0 to below `limit`; the same for the same arguments. */
const chance = (n: number, salt: number, limit: number): number => {
  let hash = Math.imul(n + 1, 0x9e3779b1) ^ Math.imul(salt, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return ((hash ^ (hash >>> 13)) >>> 0) % limit
}

const cents = (n: number) => 9_900 + chance(n, 1, 200)
const price = (cents: number) => (cents / 100).toFixed(2)
const units = (n: number) => 1 + chance(n, 2, 9)

export const trade = (n: number): Trade => ({
  channel: "trades",
  n,
  at: timeOf(n),
  price: price(cents(n)),
  quantity: String(units(n))
})

/** When a candle opens. */
export const candleOpensAt = (n: number): number => openedAt + n * candleLength

/** The first number in a candle. */
export const firstOf = (candle: number): number => candle * ticksPerCandle

/** The state of a candle when `latest` is the latest number that was published. */
export const candle = (n: number, latest: number): Candle => {
  const first = firstOf(n)
  const last = Math.min(first + ticksPerCandle - 1, latest)
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => first + i)
  const prices = ticks.map(cents)
  return {
    channel: "candles",
    n,
    open: price(cents(first)),
    high: price(Math.max(...prices)),
    low: price(Math.min(...prices)),
    close: price(cents(last)),
    volume: String(ticks.map(units).reduce((sum, quantity) => sum + quantity, 0)),
    trades: ticks.length,
    isClosed: ticks.length === ticksPerCandle
  }
}

/** The candle that a number is in. */
export const candleOf = (n: number): number => Math.floor(n / ticksPerCandle)

// The last of ten levels a side never changes, so each side always has a best level.
const level = (n: number, side: OrderBook.Side): OrderBook.Level => {
  const salt = side === "bids" ? 3 : 4
  const distance = chance(n, salt, 9)
  return [price(side === "bids" ? 9_890 - distance * 10 : 10_110 + distance * 10), String(chance(n, salt + 2, 4))]
}

export const update = (n: number): Update => ({
  channel: "updates",
  n,
  at: timeOf(n),
  bids: [level(n, "bids")],
  asks: [level(n, "asks")]
})

export interface Book {
  /** Best first. */
  readonly bids: ReadonlyArray<OrderBook.Level>
  readonly asks: ReadonlyArray<OrderBook.Level>
}

/** The whole book, after an update. */
export const book = (n: number): Book => {
  const sideOf = (side: OrderBook.Side) => {
    const levels = new Map([[side === "bids" ? "98.00" : "102.00", "7"]])
    for (let i = 0; i <= n; i++) levels.set(...level(i, side))
    return [...levels].filter(([, quantity]) => quantity !== "0")
      .sort(([a], [b]) => side === "bids" ? Number(b) - Number(a) : Number(a) - Number(b))
  }
  return { bids: sideOf("bids"), asks: sideOf("asks") }
}

export const quote = (n: number): Quote => {
  const { asks: [ask = ["0", "0"]], bids: [bid = ["0", "0"]] } = book(n)
  return { channel: "quotes", n, bid, ask }
}

/** The fact of a channel at a number. */
export const factOf = (channel: Channel, n: number): Fact => {
  switch (channel) {
    case "trades":
      return trade(n)
    case "candles":
      return candle(candleOf(n), n)
    case "updates":
      return update(n)
    case "quotes":
      return quote(n)
    case "notices":
      return { channel, n }
  }
}
