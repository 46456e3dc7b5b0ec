/**
 * An order book: levels by price, kept by the venue's updates, and known to be right or known not to be.
 *
 * Each side is an array of levels sorted by price, the best one last. Nearly all updates strike near the top, so an
 * insertion moves few elements; a level is found by binary search, the best one is at hand, and the top n are a slice.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { Listenable } from "../Listenable.ts"
import type { SessionError } from "../SessionError.ts"
import type * as Payloads from "./Payloads.ts"
import type { RestError, Snapshot } from "./Rest.ts"

/**
 * A price and the quantity there, as the venue wrote them.
 *
 * @since 0.1.0
 * @category models
 */
export type Level = readonly [price: string, quantity: string]

/**
 * @since 0.1.0
 * @category models
 */
export type Side = "bids" | "asks"

/**
 * The best levels of both sides, best first, as of an update id.
 *
 * @since 0.1.0
 * @category models
 */
export interface Top {
  readonly lastUpdateId: number
  readonly bids: ReadonlyArray<Level>
  readonly asks: ReadonlyArray<Level>
}

/**
 * The book is not known to be right just now: it has not had its first snapshot, or it missed an update.
 *
 * @since 0.1.0
 * @category errors
 */
export class BookStale extends Data.TaggedError("BookStale")<{
  readonly symbol: string
  readonly reason: string
}> {
  override get message(): string {
    return `The book of ${this.symbol} is not known to be right: ${this.reason}.`
  }
}

/**
 * What happens to a book.
 *
 * - `Synced`: it is right from here on; these are its best levels (as many as were asked for).
 * - `Updated`: these levels changed; quantities are absolute, and zero removes.
 * - `Stale`: it is not known to be right, until the next `Synced`.
 * - `Skipped`: this reader fell behind by so many changes. Read `top` anew.
 *
 * @since 0.1.0
 * @category models
 */
export type BookChange = Data.TaggedEnum<{
  readonly Synced: Top
  readonly Updated: {
    readonly lastUpdateId: number
    readonly bids: ReadonlyArray<Level>
    readonly asks: ReadonlyArray<Level>
  }
  readonly Stale: { readonly reason: string }
  readonly Skipped: { readonly count: number }
}>

/**
 * Constructors, matchers and guards of {@link BookChange}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const BookChange = Data.taggedEnum<BookChange>()

/**
 * A book that is kept right. What is read of it is right, or fails with {@link BookStale}.
 *
 * @since 0.1.0
 * @category models
 */
export interface OrderBook {
  readonly symbol: string
  /** Completes when the book is right; fails with what it was given up for. */
  readonly awaitSynced: Effect.Effect<void, SessionError | RestError>
  /** The best levels, at most `count` a side and none beyond what the snapshot told of. */
  readonly top: (count: number) => Effect.Effect<Top, BookStale>
  readonly best: Effect.Effect<{ readonly bid: Level | undefined; readonly ask: Level | undefined }, BookStale>
  /** The quantity at a price: `"0"` where there is none, and nothing where the snapshot did not reach. */
  readonly quantityAt: (side: Side, price: string) => Effect.Effect<string | undefined, BookStale>
  /** Completes, or fails, when the book is not kept any more. */
  readonly ended: Effect.Effect<void, SessionError | RestError>
  /** What happens to it, beginning with how it stands. */
  readonly changes: Listenable<BookChange, SessionError | RestError>
}

// ---------------------------------------------------------------------------------------------------------------------
// The ladder of one side

/**
 * One side, mutable.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ladder {
  readonly set: (level: Level) => void
  readonly quantityAt: (price: string) => string
  readonly best: () => Level | undefined
  /** Levels from the best on. */
  readonly top: (count: number) => ReadonlyArray<Level>
  /** How many levels are as good as a price, or better. */
  readonly countTo: (price: string) => number
  readonly size: () => number
}

// In this order the better price is the greater one.
const keyOf = (side: Side, price: string) => side === "bids" ? Number(price) : -Number(price)

// What was cut out of a frame keeps all of it in memory for as long as itself, and a level may stay for hours. V8 copies
// what is shorter than thirteen characters in any case.
const ownText = (text: string) => text.length < 13 ? text : ` ${text}`.slice(1)
const own = ([price, quantity]: Level): Level => [ownText(price), ownText(quantity)]

/**
 * Makes one side of a book from levels in any order.
 *
 * Prices are compared as numbers: decimals of up to 15 significant digits, more than any market has, are told apart
 * and kept in order by them. What is given out is the venue's own text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeLadder = (side: Side, initial: ReadonlyArray<Level>): Ladder => {
  const levels = initial
    .filter(([, quantity]) => Number(quantity) !== 0)
    .sort(([a], [b]) => keyOf(side, a) - keyOf(side, b))
  const keys = levels.map(([price]) => keyOf(side, price))

  const indexOf = (key: number): number => {
    let low = 0
    let high = keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((keys[middle] ?? 0) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  return {
    set: (level) => {
      const key = keyOf(side, level[0])
      const index = indexOf(key)
      const there = keys[index] === key
      if (Number(level[1]) === 0) {
        if (!there) return
        keys.splice(index, 1)
        levels.splice(index, 1)
      } else if (there) {
        levels[index] = own(level)
      } else {
        keys.splice(index, 0, key)
        levels.splice(index, 0, own(level))
      }
    },
    quantityAt: (price) => {
      const key = keyOf(side, price)
      const index = indexOf(key)
      return keys[index] === key ? levels[index]?.[1] ?? "0" : "0"
    },
    best: () => levels.at(-1),
    top: (count) => count <= 0 ? [] : levels.slice(-count).reverse(),
    countTo: (price) => levels.length - indexOf(keyOf(side, price)),
    size: () => levels.length
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The venue's rules

/**
 * An update, of the spot market or of futures (which say in `pu` what they follow).
 *
 * @since 0.1.0
 * @category models
 */
export type Diff = typeof Payloads.Depth.Type

/**
 * What became of an update: applied; ignored, since it was known already; refused, since one before it is missing; or
 * applied, after which the book made no sense.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = "applied" | "ignored" | "gap" | "crossed"

/**
 * A book from a snapshot on, mutable.
 *
 * @since 0.1.0
 * @category models
 */
export interface Book {
  readonly lastUpdateId: () => number
  readonly apply: (diff: Diff) => Outcome
  readonly top: (count: number) => Top
  /** Nothing, beyond what the snapshot told of, unless an update has. */
  readonly quantityAt: (side: Side, price: string) => string | undefined
  /** How many levels of a side are known for certain: beyond its last price, the snapshot told of nothing. */
  readonly known: (side: Side) => number
  /** Whether the snapshot left levels of a side out. */
  readonly isPartial: (side: Side) => boolean
}

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
export const makeBook = (snapshot: Snapshot, limit: number): Book => {
  const sides = { bids: makeLadder("bids", snapshot.bids), asks: makeLadder("asks", snapshot.asks) }
  // A side with fewer levels than were asked for is whole.
  const horizonOf = (levels: ReadonlyArray<Level>) => levels.length < limit ? undefined : levels.at(-1)?.[0]
  const horizon = { bids: horizonOf(snapshot.bids), asks: horizonOf(snapshot.asks) }
  const known = (side: Side) => {
    const last = horizon[side]
    return last === undefined ? sides[side].size() : sides[side].countTo(last)
  }
  let lastUpdateId = snapshot.lastUpdateId
  // Until the first update is applied, futures' `pu` is not that of an update of ours.
  let begun = false

  const continues = ({ U, pu, u }: Diff): boolean => {
    if (u <= lastUpdateId) return false
    if (pu === undefined) return U <= lastUpdateId + 1
    return pu <= lastUpdateId || (!begun && U <= lastUpdateId)
  }

  return {
    lastUpdateId: () => lastUpdateId,
    apply: (diff) => {
      if (diff.u <= lastUpdateId) return "ignored"
      if (!continues(diff)) return "gap"
      begun = true
      for (const level of diff.b) sides.bids.set(level)
      for (const level of diff.a) sides.asks.set(level)
      lastUpdateId = diff.u
      const bid = sides.bids.best()
      const ask = sides.asks.best()
      return bid !== undefined && ask !== undefined && Number(bid[0]) >= Number(ask[0]) ? "crossed" : "applied"
    },
    top: (count) => ({
      lastUpdateId,
      bids: sides.bids.top(Math.min(count, known("bids"))),
      asks: sides.asks.top(Math.min(count, known("asks")))
    }),
    quantityAt: (side, price) => {
      const quantity = sides[side].quantityAt(price)
      const last = horizon[side]
      return quantity !== "0" || last === undefined || keyOf(side, price) >= keyOf(side, last) ? quantity : undefined
    },
    known,
    isPartial: (side) => horizon[side] !== undefined
  }
}
