/** The index of the first item whose key is at least this one. The items must be sorted by their keys. */
export const lowerBound = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => number, key: number): number => {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const item = items[middle]
    if (item !== undefined && keyOf(item) < key) low = middle + 1
    else high = middle
  }
  return low
}
