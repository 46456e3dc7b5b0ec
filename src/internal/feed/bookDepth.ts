// How deep the snapshots of a book are, and when the book takes a new one. Between two snapshots the market moves, and levels that
// the snapshot did not have come near: nothing is known of those. So a snapshot is deeper than desired.

export interface Depth {
  /** The levels a side that a reader wants to see. */
  readonly desired: number
  /** The levels a side to request in a snapshot. */
  readonly limit: number
  /** With fewer known levels on a side, the book takes a new snapshot. */
  readonly leastKnown: number
}

const timesDesired = 2
// Below this depth, a snapshot costs little more than the request itself.
const limitAtLeast = 500
// The book takes a new snapshot while this share of the levels beyond the desired ones is left: the market moves on until it comes.
const shareLeft = 0.25
// The same of all levels, where the venue allows no more than is desired.
const shareOfAll = 0.5

/** `allowed` is the depth that the venue allows for a requested one. */
export const make = (desired: number, allowed: (requested: number) => number): Depth => {
  const limit = allowed(Math.max(timesDesired * desired, limitAtLeast))
  const leastKnown = limit > desired ? desired + shareLeft * (limit - desired) : shareOfAll * limit
  return { desired, limit, leastKnown: Math.ceil(leastKnown) }
}
