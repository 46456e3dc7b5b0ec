/**
 * An order book: levels by price, kept by a venue's updates, and known to be right or known not to be.
 *
 * Each side is an array of levels sorted by price, the best one last. Nearly all updates strike near the top, so an
 * insertion moves few elements; a level is found by binary search, the best one is at hand, and the top n are a slice.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import { lowerBound } from "../internal/feed/binarySearch.ts"
import type { Listenable } from "../Listenable.ts"
import type { SessionError } from "../SessionError.ts"
import type { RestError } from "./RestError.ts"

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
 * What a venue tells of a book at once: the best levels, as many as were asked for, or all there are.
 *
 * @since 0.1.0
 * @category models
 */
export type Snapshot = Top

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
    return `The order book of ${this.symbol} is stale: ${this.reason}.`
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
  const indexOf = (key: number) => lowerBound(keys, identity, key)

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
// The book, by its venue's rules

/**
 * How a venue's updates change a book. They are read in place, so that no object is made for one. Declared as methods, so
 * that a venue's rules can be part of a {@link Venue.Venue}, whatever its updates are.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rules<Diff> {
  /** The id of the book once the update is applied. */
  idOf(diff: Diff): number
  /**
   * Whether nothing is missing between a book at this id and the update, which leads beyond it. `isFirst` means that the book
   * is a snapshot to which nothing was applied yet.
   */
  follows(diff: Diff, id: number, isFirst: boolean): boolean
  /** The levels that changed: quantities are absolute, and zero removes. */
  levelsOf(diff: Diff, side: Side): ReadonlyArray<Level>
  /** The venue's time of the update. */
  timeOf(diff: Diff): number
}

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
export interface Book<Diff> {
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
 * Makes a book from a snapshot that was asked for with this limit: a side with fewer levels is whole.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { OrderBook } from "holdfast/market"
 *
 * interface Diff {
 *   readonly id: number
 *   readonly bids: ReadonlyArray<OrderBook.Level>
 *   readonly asks: ReadonlyArray<OrderBook.Level>
 * }
 * const rules: OrderBook.Rules<Diff> = {
 *   idOf: ({ id }) => id,
 *   follows: (diff, id) => diff.id === id + 1,
 *   levelsOf: (diff, side) => diff[side],
 *   timeOf: () => 0
 * }
 *
 * const book = OrderBook.makeBook(rules, { lastUpdateId: 7, bids: [["1.0", "5"]], asks: [["1.1", "5"]] }, 100)
 * console.log(book.apply({ id: 8, bids: [["1.0", "6"]], asks: [] })) // applied
 * console.log(book.apply({ id: 10, bids: [], asks: [] })) // gap
 * ```
 */
export const makeBook = <Diff>(rules: Rules<Diff>, snapshot: Snapshot, limit: number): Book<Diff> => {
  const sides = { bids: makeLadder("bids", snapshot.bids), asks: makeLadder("asks", snapshot.asks) }
  const horizonOf = (levels: ReadonlyArray<Level>) => levels.length < limit ? undefined : levels.at(-1)?.[0]
  const horizon = { bids: horizonOf(snapshot.bids), asks: horizonOf(snapshot.asks) }
  const known = (side: Side) => {
    const last = horizon[side]
    return last === undefined ? sides[side].size() : sides[side].countTo(last)
  }
  let lastUpdateId = snapshot.lastUpdateId
  let isFirst = true

  return {
    lastUpdateId: () => lastUpdateId,
    apply: (diff) => {
      const id = rules.idOf(diff)
      if (id <= lastUpdateId) return "ignored"
      if (!rules.follows(diff, lastUpdateId, isFirst)) return "gap"
      isFirst = false
      for (const level of rules.levelsOf(diff, "bids")) sides.bids.set(level)
      for (const level of rules.levelsOf(diff, "asks")) sides.asks.set(level)
      lastUpdateId = id
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
