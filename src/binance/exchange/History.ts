/**
 * The latest items of a growing list, in bounded memory. Their keys only grow, so a binary search finds them.
 *
 * @since 0.1.0
 */
import { lowerBound } from "../../internal/feed/binarySearch.ts"

/**
 * A bounded history.
 *
 * @since 0.1.0
 * @category models
 */
export interface History<A> {
  readonly push: (item: A) => void
  /** The kept items, oldest first. */
  readonly all: () => ReadonlyArray<A>
  /** The latest `count` items, oldest first. */
  readonly last: (count: number) => ReadonlyArray<A>
  /** Up to `count` items, from the first whose key is at least `key`. */
  readonly from: (key: number, count: number) => ReadonlyArray<A>
  /** The key of the last item plus one, or `first` if there is no item. */
  readonly nextKey: (first: number) => number
}

/**
 * Makes a history. It keeps the latest `limit` items, and up to half as many older ones.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A>(limit: number, keyOf: (item: A) => number): History<A> => {
  let items: Array<A> = []
  return {
    push: (item) => {
      items.push(item)
      if (items.length > limit * 1.5) items = items.slice(-limit)
    },
    all: () => items,
    last: (count) => count <= 0 ? [] : items.slice(-count),
    from: (key, count) => {
      const index = lowerBound(items, keyOf, key)
      return items.slice(index, index + count)
    },
    nextKey: (first) => {
      const last = items.at(-1)
      return last === undefined ? first : keyOf(last) + 1
    }
  }
}
