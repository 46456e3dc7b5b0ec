/**
 * Binance's order books: those of {@link BinanceFeed.BinanceFeed.orderBook}, and the rules by which updates are applied to a
 * snapshot.
 *
 * @since 0.1.0
 */
import * as OrderBook from "../market/OrderBook.ts"
import { rules } from "./internal/bookRules.ts"
import type * as Payloads from "./Payloads.ts"
import type { Snapshot } from "./Rest.ts"

export { BookChange, BookStale, makeLadder } from "../market/OrderBook.ts"
export type { Ladder, Level, OrderBook, Outcome, Side, Top } from "../market/OrderBook.ts"

/**
 * An update, of the spot market or of futures (which say in `pu` what they follow).
 *
 * @since 0.1.0
 * @category models
 */
export type Diff = typeof Payloads.Depth.Type

/**
 * A book from a snapshot on, mutable.
 *
 * @since 0.1.0
 * @category models
 */
export type Book = OrderBook.Book<Diff>

/**
 * Makes a book from a snapshot that was asked for with this limit.
 *
 * The venue's rules allow updates to overlap, and they do where two connections are spliced: quantities are absolute,
 * so an update may be applied when it begins at or before the next id and ends after the last. Futures' ids have holes,
 * and `pu` says which update each follows
 * (https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#how-to-manage-a-local-order-book-correctly).
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { OrderBook } from "holdfast/binance"
 *
 * const book = OrderBook.makeBook({ lastUpdateId: 7, bids: [["1.0", "5"]], asks: [["1.1", "5"]] }, 100)
 * const diff = { e: "depthUpdate", E: 0, s: "ABC", a: [] } as const
 * console.log(book.apply({ ...diff, U: 8, u: 9, b: [["1.0", "6"]] })) // applied
 * console.log(book.apply({ ...diff, U: 11, u: 12, b: [] })) // gap
 * ```
 */
export const makeBook = (snapshot: Snapshot, limit: number): Book => OrderBook.makeBook(rules, snapshot, limit)
