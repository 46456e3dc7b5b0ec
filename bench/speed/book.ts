import type { Benchmark, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const contestant = (name: string) => ({
  name,
  run: (size: Size) => measure(size, "book", { contestant: name }, { kind: "depth", subscriptions: 1 })
})

const alone = (name: string) => ({ ...contestant(name), against: "sorted-btree alone" })

export const book: Benchmark = {
  name: "book",
  what: "Depth updates of ten levels each, applied to a book of 1,000 levels a side; the ten best levels of each side are " +
    "read after every ten updates. `BinanceFeed.orderBook` against `ws` with `JSON.parse` and a B-tree or ccxt's order " +
    "book, against ccxt pro, and the data structures alone.",
  figures: { cpu: "µs of CPU", rate: "updates/s" },
  contestants: [
    contestant("ws, sorted-btree"),
    { ...contestant("ws, ccxt's OrderBook"), fullOnly: true },
    { ...contestant("ccxt pro"), fullOnly: true },
    contestant("holdfast"),
    alone("sorted-btree alone"),
    { ...alone("ccxt's OrderBook alone"), fullOnly: true },
    alone("holdfast's ladder alone")
  ],
  goals: [
    { contestant: "holdfast", figure: "cpu", of: "ratio", atMost: 1 },
    { contestant: "holdfast", figure: "cpu", of: "ratio", against: "ws, ccxt's OrderBook", atMost: 1 },
    { contestant: "holdfast", figure: "cpu", of: "ratio", against: "ccxt pro", atMost: 1 },
    { contestant: "holdfast's ladder alone", figure: "cpu", of: "ratio", atMost: 1 }
  ]
}
