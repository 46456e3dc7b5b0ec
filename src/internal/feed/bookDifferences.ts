// Compares two books at the same update id, as far as both are known.
import type * as OrderBook from "../../market/OrderBook.ts"

export interface Comparison {
  /** The number of levels that were compared. */
  readonly levels: number
  readonly differences: ReadonlyArray<OrderBook.Difference>
}

type Compared = Pick<OrderBook.Book<never>, "horizon" | "top">

const sides = ["bids", "asks"] as const

// Whether a price is at the horizon or better.
const isWithin = (side: OrderBook.Side, price: number, horizon: string | undefined) =>
  horizon === undefined || (side === "bids" ? price >= Number(horizon) : price <= Number(horizon))

/** Returns the levels that differ, best first on each side. The venue may write a quantity with more zeros. */
export const compare = (held: Compared, fetched: Compared): Comparison => {
  const [ours, theirs] = [held.top(Number.POSITIVE_INFINITY), fetched.top(Number.POSITIVE_INFINITY)]
  const [ourHorizon, theirHorizon] = [held.horizon(), fetched.horizon()]
  let levels = 0
  const differences = sides.flatMap((side) => {
    const isKnown = ([price]: OrderBook.Level) =>
      isWithin(side, Number(price), ourHorizon[side]) && isWithin(side, Number(price), theirHorizon[side])
    const known = ours[side].filter(isKnown)
    const quantities = new Map(theirs[side].filter(isKnown).map((level) => [Number(level[0]), level]))
    const found: Array<OrderBook.Difference> = []
    for (const [price, quantity] of known) {
      const [, other = "0"] = quantities.get(Number(price)) ?? []
      quantities.delete(Number(price))
      if (Number(other) !== Number(quantity)) found.push({ side, price, held: quantity, fetched: other })
    }
    for (const [price, quantity] of quantities.values()) found.push({ side, price, held: "0", fetched: quantity })
    levels += known.length + quantities.size
    const sign = side === "bids" ? -1 : 1
    return found.sort((a, b) => sign * (Number(a.price) - Number(b.price)))
  })
  return { levels, differences }
}
