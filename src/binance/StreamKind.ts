/**
 * The kinds of Binance's streams, and how a feed repairs each of them.
 *
 * | kind | continuity | after an outage |
 * |---|---|---|
 * | trade, aggTrade | `sequence`: ids grow by one | the feed fetches the missed events by REST and emits them first |
 * | kline | `candles`: each closes once | the feed fetches the candles that closed in the outage by REST and emits them first |
 * | depth | `diffs`: each update follows another | a gap, since updates cannot be fetched; `orderBook` takes a new snapshot |
 * | ticker, miniTicker, windowTicker, bookTicker, partialDepth, avgPrice, markPrice, referencePrice | `state`: only the latest matters | nothing is missing |
 * | blockTrade, forceOrder, and all kinds that are not in this table | `unknown` | a gap, since events cannot be fetched |
 *
 * @since 0.1.0
 */
import type { Cadence } from "../SessionProtocol.ts"
import * as Table from "./internal/kindTable.ts"

/**
 * How a stream shows losses, and what repairs them.
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
  /** The `type` of its market events. */
  readonly type: string
  readonly continuity: Continuity
  /** How often a stream of this kind is expected to have data (Binance docs). */
  readonly cadence: Cadence
  /** The route that serves the kind on USD-M futures (Binance docs). */
  readonly route: "public" | "market"
}

/**
 * Parses the name of a stream: its symbol in upper case (`""` for all symbols), and its kind. A kind that is not in the table
 * has the continuity `unknown`.
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
