import type { Benchmark, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const contestant = (name: string) => ({
  name,
  run: (size: Size) => measure(size, "typed", { contestant: name }, { kind: "trades", subscriptions: 1 })
})

const others = ["reconnecting-websocket", "binance", "binance, beautified", "@binance/spot", "ccxt pro"]

export const typed: Benchmark = {
  name: "typed",
  what: "Trades as values: `BinanceFeed.trades`, which validates them and checks their ids, against `ws` with `JSON.parse` " +
    "and no validation, and against other clients.",
  figures: { cpu: "µs of CPU", rate: "messages/s" },
  contestants: [
    ...["ws", "holdfast", "holdfast, listening", "holdfast, an effect a batch", "holdfast, one by one"].map(contestant),
    ...others.map((name) => ({ ...contestant(name), fullOnly: true }))
  ],
  goals: [
    ...["holdfast", "holdfast, listening"].map((contestant) => ({ contestant, figure: "cpu", of: "ratio", atMost: 0.9 } as const)),
    ...others.map((against) => ({ contestant: "holdfast", figure: "cpu", of: "ratio", against, atMost: 1 } as const))
  ]
}
