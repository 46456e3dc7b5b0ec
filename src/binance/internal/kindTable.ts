// The public streams of Binance: one row for each kind, with all that does not depend on its data. streams.ts has the decoders
// and the details of the continuity under the same names.
//
// Names and speeds as documented in July 2026 (https://developers.binance.com/docs; the catalogue of binance-connector-js). In a
// name, a word in angle brackets stands for any value of its kind. The first speed of a stream is its usual one; it gets the
// others when its name ends with them, such as `@100ms`.
import type { StreamKind } from "../StreamKind.ts"

/** A market of Binance, as its documentation divides them. Options are on the sockets of USD-M futures. */
export type Market = "spot" | "usd-m" | "coin-m" | "options"

type Speeds = readonly [usual: string, ...others: ReadonlyArray<string>]

/** The names of the streams of a kind, with their speeds. */
type Names = Readonly<Record<string, Speeds>>

interface Row extends Omit<StreamKind, "type"> {
  readonly names: Readonly<Partial<Record<Market, Names>>>
}

const row = <const Continuity extends Row["continuity"]>(
  continuity: Continuity,
  cadence: Row["cadence"],
  route: Row["route"],
  names: Row["names"]
) => ({ continuity, cadence, route, names })

const realTime: Speeds = ["real-time"]
const second: Speeds = ["1000ms"]
const quarter: Speeds = ["250ms"]
const spotBook: Speeds = ["1000ms", "100ms"]
const futuresBook: Speeds = ["250ms", "500ms", "100ms"]
const mark: Speeds = ["3s", "1s"]

/** Mentions the same names for both futures markets. */
const futures = (names: Names) => ({ "usd-m": names, "coin-m": names })

export const table = {
  trade: row("sequence", "adaptive", "public", {
    spot: { "<symbol>@trade": realTime },
    ...futures({ "<symbol>@trade": realTime })
  }),
  aggTrade: row("sequence", "adaptive", "market", {
    spot: { "<symbol>@aggTrade": realTime },
    ...futures({ "<symbol>@aggTrade": ["100ms"] })
  }),
  kline: row("candles", "adaptive", "market", {
    spot: { "<symbol>@kline_<interval>": ["2000ms"], "<symbol>@kline_1s": second, "<symbol>@kline_<interval>@<offset>": ["2000ms"] },
    ...futures({ "<symbol>@kline_<interval>": quarter }),
    options: { "<symbol>@kline_<interval>": second }
  }),
  ticker: row("state", "adaptive", "market", {
    spot: { "<symbol>@ticker": second },
    "usd-m": { "<symbol>@ticker": ["2000ms"], "!ticker@arr": second },
    "coin-m": { "<symbol>@ticker": ["500ms"], "!ticker@arr": second }
  }),
  miniTicker: row("state", "adaptive", "market", {
    spot: { "<symbol>@miniTicker": second, "!miniTicker@arr": second },
    "usd-m": { "<symbol>@miniTicker": ["2000ms"], "!miniTicker@arr": second },
    "coin-m": { "<symbol>@miniTicker": ["500ms"], "!miniTicker@arr": second }
  }),
  windowTicker: row("state", "adaptive", "market", {
    spot: { "<symbol>@ticker_<window>": second, "!ticker_<window>@arr": second }
  }),
  bookTicker: row("state", "adaptive", "public", {
    spot: { "<symbol>@bookTicker": realTime },
    ...futures({ "<symbol>@bookTicker": realTime, "!bookTicker": ["5s"] }),
    options: { "<symbol>@bookTicker": realTime }
  }),
  avgPrice: row("state", "adaptive", "market", { spot: { "<symbol>@avgPrice": second } }),
  referencePrice: row("state", "adaptive", "market", { spot: { "<symbol>@referencePrice": second } }),
  markPrice: row("state", "3 seconds", "market", {
    "usd-m": { "<symbol>@markPrice": mark, "!markPrice@arr": mark },
    // Of one contract, or a list of all contracts of a pair.
    "coin-m": { "<symbol>@markPrice": mark, "<pair>@markPrice": mark }
  }),
  depth: row("diffs", "adaptive", "public", {
    spot: { "<symbol>@depth": spotBook },
    ...futures({ "<symbol>@depth": futuresBook }),
    options: { "<symbol>@depth": ["500ms", "100ms"] }
  }),
  partialDepth: row("state", "adaptive", "public", {
    spot: { "<symbol>@depth<levels>": spotBook },
    ...futures({ "<symbol>@depth<levels>": futuresBook }),
    options: { "<symbol>@depth<levels>": ["500ms", "100ms"] }
  }),
  rpiDepth: row("diffs", "adaptive", "public", { "usd-m": { "<symbol>@rpiDepth@500ms": ["500ms"] } }),
  // Events of these kinds come at any time.
  blockTrade: row("sequence", "exempt", "market", { spot: { "<symbol>@blockTrade": realTime } }),
  // The streams of these do not show losses.
  forceOrder: row("unknown", "exempt", "market", futures({ "<symbol>@forceOrder": second, "!forceOrder@arr": second })),
  contractInfo: row("unknown", "exempt", "market", futures({ "!contractInfo": realTime })),
  tradingSession: row("unknown", "exempt", "market", { "usd-m": { tradingSession: ["1s"] } }),
  optionTrade: row("unknown", "exempt", "public", { options: { "<symbol>@optionTrade": ["50ms"] } }),
  optionSymbol: row("unknown", "exempt", "market", { options: { "!optionSymbol": ["50ms"] } }),
  // The candles of these kinds are not fetched.
  continuousKline: row("unknown", "adaptive", "market", futures({ "<pair>_<contract>@continuousKline_<interval>": quarter })),
  indexPriceKline: row("unknown", "adaptive", "market", { "coin-m": { "<pair>@indexPriceKline_<interval>": quarter } }),
  markPriceKline: row("unknown", "adaptive", "market", { "coin-m": { "<symbol>@markPriceKline_<interval>": quarter } }),
  indexPrice: row("state", "adaptive", "market", { "coin-m": { "<pair>@indexPrice": mark } }),
  compositeIndex: row("state", "adaptive", "market", { "usd-m": { "<symbol>@compositeIndex": second } }),
  assetIndex: row("state", "adaptive", "market", { "usd-m": { "<symbol>@assetIndex": second, "!assetIndex@arr": second } }),
  optionTicker: row("state", "adaptive", "public", {
    options: { "<symbol>@optionTicker": second, "<underlying>@optionTicker@<expiry>": second }
  }),
  optionMarkPrice: row("state", "adaptive", "market", { options: { "<underlying>@optionMarkPrice": second } }),
  openInterest: row("state", "adaptive", "market", {
    options: { "<underlying>@openInterest@<expiry>": ["60s"], "<underlying>@optionOpenInterest@<expiry>": ["60s"] }
  }),
  index: row("state", "adaptive", "market", { options: { "!index@arr": second } }),
  // The events of an account. Its name is a secret of 64 letters and digits.
  userData: row("unknown", "exempt", "private", { spot: { "<listenKey>": realTime }, ...futures({ "<listenKey>": realTime }) })
}

const rows: ReadonlyArray<readonly [type: string, row: Row]> = Object.entries(table)
const byType: ReadonlyMap<string, Row> = new Map(rows)

/** Tells whether a kind is in the table. */
export const isKnown = ({ type }: Pick<StreamKind, "type">): boolean => byType.has(type)

/** The row of a kind, if it is known. */
export const find = (type: string): Row | undefined => byType.get(type)

/** One documented name, with all that the table says of it. */
export interface Documented extends Row {
  readonly type: string
  readonly market: Market
  readonly name: string
  readonly speeds: Speeds
}

/** Every documented name. */
export const documented: ReadonlyArray<Documented> = rows.flatMap(([type, row]) =>
  (["spot", "usd-m", "coin-m", "options"] as const).flatMap((market) =>
    Object.entries(row.names[market] ?? {}).map(([name, speeds]) => ({ type, market, name, speeds, ...row }))))
