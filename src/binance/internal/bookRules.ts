// How updates of Binance's books follow each other. The ids of spot are consecutive, and updates may overlap. The ids of futures
// are not, and `pu` names the update that each one follows. The first one after a snapshot may follow an update that did not
// arrive.
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
