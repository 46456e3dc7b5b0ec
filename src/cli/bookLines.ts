// An order book as lines of a terminal: its sides, the spread, and a bar for the quantity of each level.
import type { Level, Top } from "../binance/OrderBook.ts"
import { trimZeros } from "./eventLine.ts"
import type { Line, Size } from "./region.ts"
import { padStart } from "./width.ts"

/** The part of a book that is shown. */
export interface Shown {
  readonly symbol: string
  readonly venue: string
  /** The last book that was right. Undefined: there was none. */
  readonly top: Top | undefined
  /** Why the book may be wrong now. Undefined: it is right. */
  readonly stale: string | undefined
}

const red = 31
const green = 32
const yellow = 33
const grey = 90

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]

/** A bar of a share, from 0 to 1, of some columns. */
export const bar = (share: number, columns: number): string => {
  const parts = Math.round(Math.min(1, Math.max(0, share)) * columns * 8)
  return "█".repeat(Math.floor(parts / 8)) + (eighths[parts % 8] ?? "")
}

const decimals = (decimal: string) => (decimal.split(".")[1] ?? "").length

// Decimals with as many digits after the point as the longest of them needs, so that their points stand below each other.
const aligned = (all: ReadonlyArray<string>): ((decimal: string) => string) => {
  const digits = Math.max(0, ...all.map((decimal) => decimals(trimZeros(decimal))))
  const widest = Math.max(0, ...all.map((decimal) => (decimal.split(".")[0] ?? "").length)) + (digits === 0 ? 0 : digits + 1)
  return (decimal) => {
    const [whole = "", part = ""] = decimal.split(".")
    return padStart(digits === 0 ? whole : `${whole}.${part.slice(0, digits).padEnd(digits, "0")}`, widest)
  }
}

const percent = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 })

/** The spread in the unit of prices, and in percent of the middle. Undefined: a side is empty. */
export const spreadOf = ({ asks, bids }: Pick<Top, "asks" | "bids">): string | undefined => {
  const [ask] = asks
  const [bid] = bids
  if (ask === undefined || bid === undefined) return undefined
  const spread = Number(ask[0]) - Number(bid[0])
  const middle = (Number(ask[0]) + Number(bid[0])) / 2
  return `${trimZeros(spread.toFixed(Math.max(decimals(ask[0]), decimals(bid[0]))))} (${percent.format(100 * spread / middle)} %)`
}

// Of the rows of a terminal, those that are not levels: the title and the spread.
const otherRows = 2

/** The lines of a book that fit a terminal. */
export const bookLines = ({ stale, symbol, top, venue }: Shown, { columns, rows }: Size): ReadonlyArray<Line> => {
  const title: Line = [
    { text: `${symbol} at ${venue}` },
    ...(stale === undefined ? [] : [{ text: `  STALE: ${stale}`, colour: red }])
  ]
  if (top === undefined) return [title]
  const most = Math.max(1, Math.floor((rows - otherRows) / 2))
  const asks = top.asks.slice(0, most)
  const bids = top.bids.slice(0, most)
  const levels = [...asks, ...bids]
  const priceOf = aligned(levels.map(([price]) => price))
  const quantityOf = aligned(levels.map(([, quantity]) => quantity))
  const greatest = Math.max(...levels.map(([, quantity]) => Number(quantity)))
  // The room that the names of the sides, the numbers and the spaces between them leave, and the last column.
  const room = columns - 1 - (3 + 2 + priceOf("0").length + 2 + quantityOf("0").length + 2)
  const row = (side: string, colour: number) => ([price, quantity]: Level): Line => [
    { text: `${side}  ${priceOf(price)}`, colour: stale === undefined ? colour : grey },
    { text: `  ${quantityOf(quantity)}  `, colour: stale === undefined ? undefined : grey },
    { text: room < 4 ? "" : bar(Number(quantity) / greatest, room), colour: stale === undefined ? colour : grey }
  ]
  const spread = spreadOf(top)
  const middle: Line = [
    { text: `---  spread ${spread ?? "none: a side is empty"}`, colour: yellow },
    { text: `  update ${top.lastUpdateId}`, colour: grey }
  ]
  return [title, ...[...asks].reverse().map(row("ask", red)), middle, ...bids.map(row("bid", green))]
}

const column = 18

/** A book as a block of plain text. */
export const bookBlock = ({ asks, bids, lastUpdateId }: Top): string => {
  const row = ([price, quantity]: Level) => `${padStart(price, column)} ${padStart(quantity, column)}`
  const spread = spreadOf({ asks, bids })
  const middle = `--- ${lastUpdateId} ${spread === undefined ? "" : `spread ${spread} `}`.padEnd(2 * column + 1, "-")
  return `\n${[...asks].reverse().map(row).join("\n")}\n${middle}\n${bids.map(row).join("\n")}\n`
}
