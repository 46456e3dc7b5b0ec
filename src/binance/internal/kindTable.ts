// The properties of each kind of stream (Binance docs). streams.ts has the decoders and the details of the continuity under the
// same names.
import type { StreamKind } from "../StreamKind.ts"

type Row = Omit<StreamKind, "type">

const row = <const Continuity extends Row["continuity"]>(
  continuity: Continuity,
  cadence: Row["cadence"],
  route: Row["route"] = "market"
) => ({ continuity, cadence, route })

export const table = {
  trade: row("sequence", "adaptive", "public"),
  aggTrade: row("sequence", "adaptive"),
  kline: row("candles", "adaptive"),
  ticker: row("state", "adaptive"),
  miniTicker: row("state", "adaptive"),
  bookTicker: row("state", "adaptive", "public"),
  windowTicker: row("state", "adaptive"),
  avgPrice: row("state", "adaptive"),
  markPrice: row("state", "3 seconds"),
  referencePrice: row("state", "adaptive"),
  // Events of these kinds come at any time, and losses cannot be detected.
  blockTrade: row("unknown", "exempt"),
  forceOrder: row("unknown", "exempt"),
  depth: row("diffs", "adaptive", "public"),
  partialDepth: row("state", "adaptive", "public")
}

const rows: ReadonlyMap<string, Row> = new Map(Object.entries(table))

/** Tells whether a kind is in the table. */
export const isKnown = ({ type }: StreamKind): boolean => rows.has(type)

/** The row of a kind, if it is known. */
export const find = (type: string): Row | undefined => rows.get(type)
