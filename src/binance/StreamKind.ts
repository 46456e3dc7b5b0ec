/**
 * What kinds of streams there are, and what each promises: a table.
 *
 * | kind | continuity | after an outage |
 * |---|---|---|
 * | trade, aggTrade | `sequence`: ids follow each other | what was missed is fetched by REST and comes first |
 * | kline | `candles`: each closes once | candles that closed unseen are fetched by REST and come first |
 * | depth | `diffs`: update ids continue | cannot be repaired: a gap; `orderBook` takes a new snapshot |
 * | ticker, miniTicker, windowTicker, bookTicker, partialDepth, avgPrice, markPrice, referencePrice | `state`: only the latest matters | nothing is missing |
 * | blockTrade, forceOrder, and every kind that is not known here | `unknown` | cannot be repaired: a gap |
 *
 * @since 0.1.0
 */
import type { Cadence } from "../Session.ts"
import * as Table from "./internal/kindTable.ts"

/**
 * What can be said about the order of a stream's events, and so about what is missing from them.
 *
 * @since 0.1.0
 * @category models
 */
export type Continuity = "sequence" | "candles" | "diffs" | "state" | "unknown"

/**
 * A kind of stream.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamKind {
  /** As market events call it. */
  readonly type: string
  readonly continuity: Continuity
  /** How often such a stream speaks (Binance docs). */
  readonly cadence: Cadence
  /** Where USD-M futures serve it (Binance docs). */
  readonly route: "public" | "market"
}

/**
 * What a stream's name says: its symbol in upper case (`""` when it is about all of them), and its kind.
 *
 * @since 0.1.0
 * @category parsing
 * @example
 * ```ts
 * import { StreamKind } from "holdfast/binance"
 *
 * const { kind, symbol } = StreamKind.parse("btcusdt@depth20@100ms")
 * console.log(symbol, kind.type, kind.continuity) // BTCUSDT partialDepth state
 * ```
 */
export const parse = (stream: string): { readonly symbol: string; readonly kind: StreamKind } => {
  const [head = "", tail = ""] = stream.split("@", 2)
  const all = head.startsWith("!")
  const name = (all && tail === "arr" ? head.slice(1) : all ? head : tail)
    .replace(/^kline_.*$/, "kline")
    .replace(/^ticker_.*$/, "windowTicker")
    .replace(/^depth(5|10|20)$/, "partialDepth")
  const row = Table.find(name) ?? { continuity: "unknown", cadence: "exempt", route: "market" }
  return { symbol: all ? "" : head.toUpperCase(), kind: { type: name, ...row } }
}
