// How deep the snapshots of a book are, and when the book takes a new one. Between two snapshots the market moves, and levels that
// the snapshot did not have come near: nothing is known of those. So a snapshot is deeper than wanted.

export interface Depth {
  /** The levels a side that a reader wants to see. */
  readonly wanted: number
  /** The levels a side to request in a snapshot. */
  readonly limit: number
  /** With fewer known levels on a side, the book takes a new snapshot. */
  readonly leastKnown: number
}

const timesWanted = 2
// Below this depth, a snapshot costs little more than the request itself.
const limitAtLeast = 500
// The book takes a new snapshot while this share of the levels beyond the wanted ones is left: the market moves on until it comes.
const shareLeft = 0.25
// The same of all levels, where the venue allows no more than is wanted.
const shareOfAll = 0.5

/** `allowed` is the depth that the venue allows for a requested one. */
export const make = (wanted: number, allowed: (requested: number) => number): Depth => {
  const limit = allowed(Math.max(timesWanted * wanted, limitAtLeast))
  const leastKnown = limit > wanted ? wanted + shareLeft * (limit - wanted) : shareOfAll * limit
  return { wanted, limit, leastKnown: Math.ceil(leastKnown) }
}
