// Shows a market event as one line, in columns that stand below each other.
import * as Predicate from "effect/Predicate"
import type { MarketEvent } from "../binance/MarketEvent.ts"
import { withoutControl } from "./shown.ts"
import { fit, padEnd, padStart } from "./width.ts"

/** Removes the zeros at the end of a decimal, but for two. */
export const trimZeros = (decimal: string): string => decimal.replace(/(\.\d\d\d*?)0+$/, "$1")

type Fields = (name: string) => string | number | boolean | undefined

const fieldsOf = (data: unknown): Fields => (name) => {
  const value = Predicate.hasProperty(data, name) ? data[name] : undefined
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : undefined
}

// The widest usual price and quantity, such as 65000.01. With these widths, the best bid and ask fit 80 columns.
const numberWidth = 9

const decimal = (value: ReturnType<Fields>) => padStart(value === undefined ? "-" : trimZeros(String(value)), numberWidth)

const levels = (side: unknown): ReadonlyArray<unknown> => Array.isArray(side) ? side : []
const best = (side: unknown) => {
  const [first] = levels(side)
  const [price, quantity] = levels(first)
  return `${decimal(typeof price === "string" ? price : undefined)} ${decimal(typeof quantity === "string" ? quantity : undefined)}`
}
const sideOf = (data: unknown, ...names: ReadonlyArray<string>): unknown => {
  for (const name of names) if (Predicate.hasProperty(data, name)) return data[name]
  return undefined
}

type Details = (fields: Fields, data: unknown) => string

const trade = (id: string): Details => (at) =>
  `${decimal(at("p"))} ${decimal(at("q"))}  ${at("m") === true ? "sell" : "buy "}  ${at(id) ?? "-"}`

const prices: Details = (at) => `${decimal(at("c"))}  open ${decimal(at("o"))}  high ${decimal(at("h"))}  low ${decimal(at("l"))}`

const ofDiff: Details = (at, data) =>
  `${levels(sideOf(data, "b")).length} bids and ${levels(sideOf(data, "a")).length} asks changed  ${at("U") ?? "-"} to ${at("u") ?? "-"}`

const details: Readonly<Partial<Record<string, Details>>> = {
  trade: trade("t"),
  blockTrade: trade("t"),
  aggTrade: trade("a"),
  kline: (_, data) => {
    const candle = sideOf(data, "k")
    const at = fieldsOf(candle)
    return `${prices(at, candle)}  ${at("i") ?? ""} ${at("x") === true ? "closed" : "open"}`
  },
  ticker: (at, data) => `${prices(at, data)}  ${at("P") ?? "-"} %`,
  windowTicker: (at, data) => `${prices(at, data)}  ${at("P") ?? "-"} %`,
  miniTicker: prices,
  bookTicker: (at) => `${decimal(at("b"))} ${decimal(at("B"))} | ${decimal(at("a"))} ${decimal(at("A"))}`,
  partialDepth: (_, data) => `${best(sideOf(data, "bids", "b"))} | ${best(sideOf(data, "asks", "a"))}`,
  depth: ofDiff,
  rpiDepth: ofDiff,
  markPrice: (at) => `${decimal(at("p"))}  index ${decimal(at("i"))}  funding ${at("r") ?? "-"}`,
  avgPrice: (at) => `${decimal(at("w"))}  average of ${at("i") ?? "-"}`,
  referencePrice: (at) => decimal(at("r")),
  forceOrder: (_, data) => {
    const order = sideOf(data, "o")
    const at = fieldsOf(order)
    return `${decimal(at("p"))} ${decimal(at("q"))}  ${String(at("S") ?? "-").toLowerCase()}`
  }
}

// The longest usual symbol and type. A longer one moves its own line only.
const symbolWidth = 10
const typeWidth = 10

// From here on, times are in microseconds: in milliseconds, this is the year 5138.
const micros = 1e14

const timeOf = (timestamp: number) => new Date(timestamp < micros ? timestamp : timestamp / 1_000).toISOString().slice(11, 23)

// Narrower lines have one space between their fields.
const roomy = 60

/** The line of an event: when, of what, and what. It is cut to this many columns. */
export const eventLine = ({ data, symbol, timestamp, type, via }: MarketEvent, columns = Number.POSITIVE_INFINITY): string => {
  const shown = details[type]?.(fieldsOf(data), data) ?? JSON.stringify(data)
  const origin = via === "ws" ? "" : via === "rest" ? "  fetched" : "  filled"
  const line = withoutControl(`${timeOf(timestamp)}  ${padEnd(symbol, symbolWidth)}  ${padEnd(type, typeWidth)}  ${shown}${origin}`)
  return fit(columns < roomy ? line.replace(/\.\d{3} /, " ").replace(/ +/g, " ") : line, columns)
}
