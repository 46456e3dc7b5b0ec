/**
 * The exchange's order book of one symbol: lots by tick, with an id for every change.
 *
 * @since 0.1.0
 */

/**
 * A price level: the price in ticks, the quantity in lots.
 *
 * @since 0.1.0
 * @category models
 */
export type Level = readonly [price: number, quantity: number]

/**
 * The levels that the changes from `firstId` to `lastId` touched, with their latest quantity; 0 means that the level
 * was removed.
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
 * Collects changes of a book into a {@link Diff}.
 *
 * @since 0.1.0
 * @category models
 */
export interface DiffCollector {
  /** Takes the changes since the last call; undefined if there are none. */
  readonly take: () => Diff | undefined
}

/**
 * A mutable order book.
 *
 * @since 0.1.0
 * @category models
 */
export interface OrderBook {
  /** The id of the latest change. */
  readonly lastId: () => number
  /** Sets the quantity of a level; 0 removes it. */
  readonly set: (side: Side, price: number, quantity: number) => void
  /** The quantity of a level; 0 if it does not exist. */
  readonly quantity: (side: Side, price: number) => number
  readonly top: () => Top
  /** The best `limit` levels, best first. */
  readonly levels: (side: Side, limit: number) => ReadonlyArray<Level>
  /** The number of levels. */
  readonly size: (side: Side) => number
  /** Starts to collect changes. */
  readonly collect: () => DiffCollector
}

const better = { bids: (a: number, b: number) => a > b, asks: (a: number, b: number) => a < b }

/**
 * Makes a book with these levels. Neither side may be empty.
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
