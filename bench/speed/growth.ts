import type { Benchmark, Contestant } from "./harness.ts"
import { measure } from "./harness.ts"

const plural = (count: number, noun: string) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`

const streams = (count: number, contestant: string, prefix: string, suffix = ""): Contestant => ({
  name: `${prefix}${plural(count, "stream")}${suffix}`,
  against: `${prefix}1 stream${suffix}`,
  fullOnly: count === 10 || count > 100,
  // Thousands of subscriptions take time, and each stream needs some messages before its code is warm.
  run: (size) =>
    measure({ ...size, warmUp: count > 1_000 ? 3 * size.warmUp : size.warmUp }, "growth", { contestant, n: count }, {
      kind: "trades",
      symbols: count,
      subscriptions: count
    })
})

const readers = (count: number): Contestant => ({
  name: plural(count, "reader"),
  against: "1 stream",
  fullOnly: count > 10,
  run: (size) => measure(size, "growth", { contestant: "readers", n: count }, { kind: "trades", subscriptions: 1 })
})

const counts = [1, 10, 100, 1_000, 10_000]

export const growth: Benchmark = {
  name: "growth",
  what: "The cost of a trade, with trades of many symbols in turn on one connection: with one reader of all symbols, with " +
    "one listener (\"listening\"), and with one reader per symbol (\"each alone\"). The cost of a delivery, with many " +
    "readers of one stream. The cost of a hand-written handler that looks up the symbol in a `Map`.",
  figures: { cpu: "µs of CPU", rate: "deliveries/s" },
  contestants: [
    ...counts.map((count) => streams(count, "streams", "")),
    ...[100, 1_000].map((count) => ({
      ...streams(count, "streams, each alone", "", ", each alone"),
      against: "1 stream",
      fullOnly: true
    })),
    ...counts.map((count) => ({ ...streams(count, "streams, listening", "", ", listening"), fullOnly: true })),
    ...[10, 100].map(readers),
    ...[1, 10_000].map((count) => ({ ...streams(count, "ws", "ws, "), fullOnly: true }))
  ],
  goals: [
    ...counts.slice(1).flatMap((count) => [plural(count, "stream"), `${plural(count, "stream")}, listening`]),
    ...[10, 100].map((count) => plural(count, "reader"))
  ].map((contestant) => ({ contestant, figure: "cpu", of: "ratio", atMost: 1.25 } as const))
}
