// How updates of Binance's books follow each other. Spot ids have no holes, and updates may overlap. Futures' ids have, and `pu`
// says which update each follows; but the first one after a snapshot follows an update that nobody has seen.
import type { Rules } from "../../market/OrderBook.ts"
import type * as Payloads from "../Payloads.ts"

export const rules: Rules<typeof Payloads.Depth.Type> = {
  idOf: ({ u }) => u,
  follows: ({ U, pu }, id, isFirst) => {
    if (pu === undefined) return U <= id + 1
    return pu <= id || (isFirst && U <= id)
  },
  levelsOf: ({ a, b }, side) => side === "bids" ? b : a,
  timeOf: ({ E }) => E
}
