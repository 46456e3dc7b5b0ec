/**
 * An order book: levels by price, kept equal to the venue's by its updates. A book that may be wrong says so.
 *
 * Each side is an array of levels sorted by price, with the best level last. Nearly all updates change levels near the top, so
 * an insertion moves few elements. A binary search finds a level, the best level is the last one, and the top n are a slice.
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
 * A price and the quantity at it, as the venue wrote them.
 *
 * @since 0.1.0
 * @category models
 */
export type Level = readonly [price: string, quantity: string]

/**
 * A side of a book.
 *
 * @since 0.1.0
 * @category models
 */
export type Side = "bids" | "asks"

/**
 * The best levels of both sides, best first, after the update with the id `lastUpdateId`.
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
 * A venue's snapshot of a book: as many of the best levels as were requested, or all there are.
 *
 * @since 0.1.0
 * @category models
 */
export type Snapshot = Top

/**
 * The price of the last level of each side that is known for certain: what lies beyond it is unknown. Undefined: the side is known
 * whole.
 *
 * @since 0.1.0
 * @category models
 */
export interface Horizon {
  readonly bids: string | undefined
  readonly asks: string | undefined
}

/**
 * A level of a book that differs from a fresh snapshot with the same update id. A quantity of `"0"`: there is no level.
 *
 * @since 0.1.0
 * @category models
 */
export interface Difference {
  readonly side: Side
  readonly price: string
  /** The quantity in the book. */
  readonly held: string
  /** The quantity in the snapshot. */
  readonly fetched: string
}

/**
 * The book may be wrong at present: it has no snapshot yet, it missed an update, or its connection was lost.
 *
 * @since 0.1.0
 * @category errors
 */
export class BookStale extends Data.TaggedError("BookStale")<{
  readonly symbol: string
  /** Why the book may be wrong: a clause that follows a colon. */
  readonly reason: string
}> {
  override get message(): string {
    return `The order book of ${this.symbol} is stale: ${this.reason}.`
  }
}

/**
 * A change of a book.
 *
 * - `Synced`: the book is right from here on. The change has the best levels, as many as the book was opened with. It comes again
 *   while the book is right, when a new snapshot lets it reach deeper.
 * - `Updated`: these levels changed. Quantities are absolute; a quantity of zero removes the level.
 * - `Stale`: the book may be wrong until the next `Synced`.
 * - `Skipped`: this reader fell behind and missed `count` changes. It has to read `top` again.
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
 * An order book that a feed keeps equal to the venue's. A read is right, or fails with {@link BookStale}.
 *
 * @since 0.1.0
 * @category models
 */
export interface OrderBook {
  readonly symbol: string
  /** Waits until the book is right. Fails with the error that ended the book. */
  readonly awaitSynced: Effect.Effect<void, SessionError | RestError>
  /** The best levels: at most `count` a side, and none beyond the horizon. */
  readonly top: (count: number) => Effect.Effect<Top, BookStale>
  /** The best level of each side; undefined if the side is empty. */
  readonly best: Effect.Effect<{ readonly bid: Level | undefined; readonly ask: Level | undefined }, BookStale>
  /** The quantity at a price: `"0"` if there is no level. Undefined beyond the horizon, unless an update set the level. */
  readonly quantityAt: (side: Side, price: string) => Effect.Effect<string | undefined, BookStale>
  /** How far the book is known. */
  readonly horizon: Effect.Effect<Horizon, BookStale>
  /** Waits until the feed no longer keeps the book. Fails with the error that ended it. */
  readonly ended: Effect.Effect<void, SessionError | RestError>
  /** The changes of the book. A reader begins with the present state: `Synced` or `Stale`. */
  readonly changes: Listenable<BookChange, SessionError | RestError>
}

// ---------------------------------------------------------------------------------------------------------------------
// The ladder of one side

/**
 * One side of a book, mutable.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ladder {
  /** Sets the quantity at a price. Zero removes the level. */
  readonly set: (level: Level) => void
  /** The quantity at a price: `"0"` if there is no level. */
  readonly quantityAt: (price: string) => string
  /** The best level; undefined if there is none. */
  readonly best: () => Level | undefined
  /** The best levels, best first. */
  readonly top: (count: number) => ReadonlyArray<Level>
  /** The number of levels at this price or a better one. */
  readonly countTo: (price: string) => number
  /** The number of levels. */
  readonly size: () => number
  /** The price of the last level that is known for certain. Undefined: the side is known whole. */
  readonly horizon: () => string | undefined
  /** The number of levels that are known for certain: those up to the horizon. */
  readonly known: () => number
  /** The number of levels that were dropped so far, since the side had too many. */
  readonly dropped: () => number
}

// The better price has the greater key.
const keyOf = (side: Side, price: string) => side === "bids" ? Number(price) : -Number(price)

// A substring keeps the text of its message in memory, and a level may stay for hours: so it gets a copy of its own. V8 copies
// substrings of fewer than thirteen characters anyway.
const ownText = (text: string) => text.length < 13 ? text : ` ${text}`.slice(1)
const own = ([price, quantity]: Level): Level => [ownText(price), ownText(quantity)]

// The most levels of a side, as a multiple of the depth of its snapshot, and at least and at most. A venue may send levels without
// end: each that is far from the best one would stay for ever.
const mostTimes = 4
const mostAtLeast = 10_000
const mostAtMost = 100_000

/**
 * Makes one side of a book from levels in any order, which were requested with `limit` levels. Default: they are all that there
 * are. With `limit` levels or more, the last of them is the horizon.
 *
 * A side has four times `limit` levels at most, from 10,000 to 100,000. When it has more, it forgets the worst ones, and knows
 * nothing beyond those that it keeps.
 *
 * It compares prices as numbers, which are exact for decimals of up to 15 significant digits: more than any market has.
 * Levels keep the venue's own text.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeLadder = (side: Side, initial: ReadonlyArray<Level>, limit = Number.POSITIVE_INFINITY): Ladder => {
  const most = Math.min(Math.max(mostTimes * limit, mostAtLeast), mostAtMost)
  const sorted = initial
    .filter(([price, quantity]) => Number(quantity) !== 0 && !Number.isNaN(Number(price)))
    .sort(([a], [b]) => keyOf(side, a) - keyOf(side, b))
  // The venue may have said a price twice.
  const levels = sorted.filter(([price], index) => keyOf(side, price) !== keyOf(side, sorted[index + 1]?.[0] ?? "NaN"))
  const keys = levels.map(([price]) => keyOf(side, price))
  const indexOf = (key: number) => lowerBound(keys, identity, key)
  let horizon = initial.length < limit ? undefined : levels[0]?.[0]

  // Keeps the best levels. A quarter goes at once, so that it rarely happens.
  const kept = Math.ceil(most * 0.75)
  let dropped = 0
  const trim = () => {
    const excess = Math.max(0, levels.length - kept)
    dropped += excess
    keys.splice(0, excess)
    levels.splice(0, excess)
    const worst = levels[0]?.[0]
    if (worst !== undefined && (horizon === undefined || keyOf(side, worst) > keyOf(side, horizon))) horizon = worst
  }
  if (levels.length > most) trim()

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
      } else if (index === 0 && levels.length >= kept) {
        // It is worse than all that are kept.
        dropped++
        trim()
      } else if (!Number.isNaN(key)) {
        keys.splice(index, 0, key)
        levels.splice(index, 0, own(level))
        if (levels.length > most) trim()
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
    size: () => levels.length,
    horizon: () => horizon,
    known: () => horizon === undefined ? levels.length : levels.length - indexOf(keyOf(side, horizon)),
    dropped: () => dropped
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The book, by the rules of its venue

/**
 * How a venue's updates change a book. The functions read an update in place, so that no object is made for it. They are
 * declared as methods, so that a {@link Venue.Venue} can have rules for any type of update.
 *
 * @since 0.1.0
 * @category models
 */
export interface Rules<Diff> {
  /** The id of the book after the update. */
  idOf(diff: Diff): number
  /**
   * Whether no update is missing between a book at this id and an update that leads beyond it. `isFirst`: the book is a
   * snapshot to which no update has been applied yet.
   */
  follows(diff: Diff, id: number, isFirst: boolean): boolean
  /** The levels of a side that changed. Quantities are absolute; zero removes the level. */
  levelsOf(diff: Diff, side: Side): ReadonlyArray<Level>
  /** The venue's time of the update, in the venue's unit. */
  timeOf(diff: Diff): number
  /**
   * The snapshot that this message of the stream is, if it is one and no update. Default: snapshots do not come with the stream.
   */
  snapshotOf?(diff: Diff): StreamedSnapshot | undefined
  /**
   * Whether the book after an update is the one that the venue has, by a checksum in the update. Default: updates have none.
   */
  agrees?(diff: Diff, book: Pick<Book<Diff>, "top">): boolean
}

/**
 * A snapshot that came with the updates of a book.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamedSnapshot {
  readonly snapshot: Snapshot
  /** The most levels a side that such a snapshot has. `Infinity`: it has all there are. */
  readonly limit: number
}

/**
 * The result of applying an update to a book.
 *
 * - `applied`: the book has changed.
 * - `ignored`: the book already had the update.
 * - `gap`: an earlier update is missing; the book has not changed.
 * - `crossed`: the book has changed, and is wrong: its best bid is not below its best ask.
 * - `differs`: the book has changed, and is wrong: it does not agree with the checksum of the update.
 *
 * @since 0.1.0
 * @category models
 */
export type Outcome = "applied" | "ignored" | "gap" | "crossed" | "differs"

/**
 * A snapshot and the updates since, mutable.
 *
 * @since 0.1.0
 * @category models
 */
export interface Book<Diff> {
  /** The id of the last update, or of the snapshot. */
  readonly lastUpdateId: () => number
  /** Applies an update, if it continues the book. */
  readonly apply: (diff: Diff) => Outcome
  readonly top: (count: number) => Top
  /** The quantity at a price: `"0"` if there is no level. Undefined beyond the horizon, unless an update set the level. */
  readonly quantityAt: (side: Side, price: string) => string | undefined
  /** The number of levels of a side that are known for certain: those up to the horizon. */
  readonly known: (side: Side) => number
  /** Whether there may be levels of a side beyond those that are known. */
  readonly isPartial: (side: Side) => boolean
  /** How far the book is known: to the last prices of the snapshot, or less far when it has grown too large. */
  readonly horizon: () => Horizon
  /** The number of levels of both sides that were dropped so far, since a side had too many. */
  readonly dropped: () => number
}

/**
 * Makes a book from a snapshot that was requested with `limit` levels a side. A side with fewer levels is complete.
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
  const bids = makeLadder("bids", snapshot.bids, limit)
  const asks = makeLadder("asks", snapshot.asks, limit)
  const sides = { bids, asks }
  let lastUpdateId = snapshot.lastUpdateId
  let isFirst = true

  const top = (count: number): Top => ({
    lastUpdateId,
    bids: bids.top(Math.min(count, bids.known())),
    asks: asks.top(Math.min(count, asks.known()))
  })

  return {
    lastUpdateId: () => lastUpdateId,
    apply: (diff) => {
      const id = rules.idOf(diff)
      if (id <= lastUpdateId) return "ignored"
      if (!rules.follows(diff, lastUpdateId, isFirst)) return "gap"
      isFirst = false
      for (const level of rules.levelsOf(diff, "bids")) bids.set(level)
      for (const level of rules.levelsOf(diff, "asks")) asks.set(level)
      lastUpdateId = id
      const bid = bids.best()
      const ask = asks.best()
      if (bid !== undefined && ask !== undefined && Number(bid[0]) >= Number(ask[0])) return "crossed"
      return rules.agrees === undefined || rules.agrees(diff, { top }) ? "applied" : "differs"
    },
    top,
    quantityAt: (side, price) => {
      const quantity = sides[side].quantityAt(price)
      const last = sides[side].horizon()
      return quantity !== "0" || last === undefined || keyOf(side, price) >= keyOf(side, last) ? quantity : undefined
    },
    known: (side) => sides[side].known(),
    isPartial: (side) => sides[side].horizon() !== undefined,
    horizon: () => ({ bids: bids.horizon(), asks: asks.horizon() }),
    dropped: () => bids.dropped() + asks.dropped()
  }
}
