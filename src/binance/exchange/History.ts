/**
 * The latest items of something that only grows, found by a key that only grows, in bounded memory.
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
  /** What is kept, oldest first. */
  readonly all: () => ReadonlyArray<A>
  /** The latest ones, oldest first. */
  readonly last: (count: number) => ReadonlyArray<A>
  /** From the first item whose key is at least `key` on, at most `count`. */
  readonly from: (key: number, count: number) => ReadonlyArray<A>
  /** One more than the key of the last item, or `first` when there was none. */
  readonly nextKey: (first: number) => number
}

/**
 * Makes a history that keeps at least the latest `limit` items, and at most half as many more.
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
