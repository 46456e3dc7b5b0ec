/**
 * Binance's order books: those of {@link BinanceFeed.BinanceFeed.orderBook}, and the rules that apply updates to a snapshot.
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
 * An update of a book, of the spot market or of futures. On futures, `pu` is the id of the update that it follows.
 *
 * @since 0.1.0
 * @category models
 */
export type Diff = typeof Payloads.Depth.Type

/**
 * A snapshot and the updates since, mutable.
 *
 * @since 0.1.0
 * @category models
 */
export type Book = OrderBook.Book<Diff>

/**
 * Makes a book from a snapshot that was requested with `limit` levels a side.
 *
 * By Binance's rules, updates may overlap, and they do where one connection takes over from another. Quantities are absolute, so
 * the book applies an update that begins at or before the next id and ends after the last one. The ids of futures are not
 * consecutive; `pu` names the update that each one follows
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
