/**
 * The exchange's own book of one symbol: whole ticks to whole lots, with an id for every change.
 *
 * @since 0.1.0
 */

/**
 * A price level: ticks and lots.
 *
 * @since 0.1.0
 * @category models
 */
export type Level = readonly [price: number, quantity: number]

/**
 * The levels that changed between two ids, the last quantity of each; 0 means the level is gone.
 *
 * @since 0.1.0
 * @category models
 */
export interface Diff {
  readonly firstId: number
  readonly lastId: number
  readonly bids: ReadonlyArray<Level>
  readonly asks: ReadonlyArray<Level>
}

/**
 * The best bid and ask.
 *
 * @since 0.1.0
 * @category models
 */
export interface Top {
  readonly bid: Level
  readonly ask: Level
}

/**
 * A side of the book.
 *
 * @since 0.1.0
 * @category models
 */
export type Side = "bids" | "asks"

/**
 * Collects changes into a {@link Diff} until they are taken.
 *
 * @since 0.1.0
 * @category models
 */
export interface DiffCollector {
  /** The changes since the last time, or nothing when there were none. */
  readonly take: () => Diff | undefined
}

/**
 * A mutable book.
 *
 * @since 0.1.0
 * @category models
 */
export interface OrderBook {
  /** The id of the last change. */
  readonly lastId: () => number
  /** Sets the quantity of a level, 0 to remove it. */
  readonly set: (side: Side, price: number, quantity: number) => void
  readonly quantity: (side: Side, price: number) => number
  readonly top: () => Top
  /** Levels from the best on, at most `limit`. */
  readonly levels: (side: Side, limit: number) => ReadonlyArray<Level>
  readonly size: (side: Side) => number
  readonly collect: () => DiffCollector
}

const better = { bids: (a: number, b: number) => a > b, asks: (a: number, b: number) => a < b }

/**
 * Makes a book with these levels, both sides of it not empty.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (initial: { readonly bids: ReadonlyArray<Level>; readonly asks: ReadonlyArray<Level> }): OrderBook => {
  const sides = { bids: new Map(initial.bids), asks: new Map(initial.asks) }
  const collectors: Array<Record<Side, Map<number, number>> & { firstId: number }> = []
  let lastId = sides.bids.size + sides.asks.size

  const bestOf = (side: Side): Level => {
    let best: Level | undefined
    for (const level of sides[side]) {
      if (best === undefined || better[side](level[0], best[0])) best = level
    }
    // The order flow never empties a side.
    return best ?? [0, 0]
  }
  let best = { bids: bestOf("bids"), asks: bestOf("asks") }

  return {
    lastId: () => lastId,
    set: (side, price, quantity) => {
      lastId++
      if (quantity === 0) sides[side].delete(price)
      else sides[side].set(price, quantity)
      for (const collector of collectors) {
        if (collector.firstId === 0) collector.firstId = lastId
        collector[side].set(price, quantity)
      }
      if (quantity > 0 && (price === best[side][0] || better[side](price, best[side][0]))) {
        best = { ...best, [side]: [price, quantity] }
      } else if (price === best[side][0]) {
        best = { ...best, [side]: bestOf(side) }
      }
    },
    quantity: (side, price) => sides[side].get(price) ?? 0,
    top: () => ({ bid: best.bids, ask: best.asks }),
    levels: (side, limit) => [...sides[side]].sort(([a], [b]) => better[side](a, b) ? -1 : 1).slice(0, limit),
    size: (side) => sides[side].size,
    collect: () => {
      const collector = { firstId: 0, bids: new Map<number, number>(), asks: new Map<number, number>() }
      collectors.push(collector)
      return {
        take: () => {
          if (collector.firstId === 0) return undefined
          const diff: Diff = {
            firstId: collector.firstId,
            lastId,
            bids: [...collector.bids],
            asks: [...collector.asks]
          }
          collector.firstId = 0
          collector.bids.clear()
          collector.asks.clear()
          return diff
        }
      }
    }
  }
}
