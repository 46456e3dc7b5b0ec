/**
 * The kinds of Binance's streams, and how a feed repairs each of them.
 *
 * | kind | continuity | after an outage |
 * |---|---|---|
 * | trade, aggTrade, blockTrade | `sequence`: ids grow by one | the feed fetches the missed events by REST and emits them first |
 * | kline | `candles`: each closes once | the feed fetches the candles that closed in the outage by REST and emits them first |
 * | depth, rpiDepth | `diffs`: each update follows another | a gap, since updates cannot be fetched; `orderBook` takes a new snapshot |
 * | ticker, miniTicker, windowTicker, bookTicker, partialDepth, avgPrice, markPrice, referencePrice, indexPrice, compositeIndex, assetIndex, optionTicker, optionMarkPrice, openInterest, index | `state`: only the latest of each symbol matters | nothing is missing |
 * | all others, such as forceOrder | `unknown` | a gap, since events cannot be fetched |
 *
 * @since 0.1.0
 */
import type { Cadence } from "../SessionProtocol.ts"
import * as Table from "./internal/kindTable.ts"
import * as Names from "./internal/streamNames.ts"

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
  readonly route: "public" | "market" | "private"
}

/**
 * A documented stream: how its names are written, and what is known of it. In a name, a word in angle brackets stands for any
 * value of its kind, such as `<symbol>`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Documented {
  readonly market: "spot" | "usd-m" | "coin-m" | "options"
  readonly name: string
  readonly kind: StreamKind
  /** How often it has data at most: the usual speed first. It has the others if its name ends with them, such as `@100ms`. */
  readonly speeds: readonly [usual: string, ...others: ReadonlyArray<string>]
}

/**
 * Every public stream that Binance documents for spot, for USD-M and COIN-M futures, and for options.
 *
 * @since 0.1.0
 * @category constants
 */
export const documented: ReadonlyArray<Documented> = Table.documented.map(
  ({ cadence, continuity, market, name, route, speeds, type }) => ({ market, name, kind: { type, continuity, cadence, route }, speeds })
)

/**
 * An interval of candles. Futures have no `1s`.
 *
 * @since 0.1.0
 * @category models
 */
export type Interval = (typeof Names.intervals)[number]

/**
 * An interval of candles with a time zone, which decides when days, weeks and months begin: `1d@+08:00`. Only spot has them.
 *
 * @since 0.1.0
 * @category models
 */
export type ZonedInterval = `${Interval}@${"+" | "-"}${number}:${number}`

/**
 * All intervals of candles.
 *
 * @since 0.1.0
 * @category constants
 */
export const intervals: ReadonlyArray<Interval> = Names.intervals

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
  const type = Names.typeOf(stream) ?? Names.kindPart(stream)
  const { cadence, continuity, route } = Table.find(type) ?? { continuity: "unknown", cadence: "exempt", route: "market" }
  return { symbol: Names.symbolOf(stream), kind: { type, continuity, cadence, route } }
}
