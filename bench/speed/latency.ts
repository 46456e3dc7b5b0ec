import type { Benchmark, Contestant, Goal, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const rates = [1_000, 10_000, 100_000]
// Each, and what it is measured against: who wants trades would otherwise have had to parse them.
const contestants = [
  ["ws", "ws"],
  ["ws, parsed", "ws"],
  // What a stream costs by itself is beside what is read as one.
  ["ws, read as an Effect stream", "ws"],
  ["holdfast, listening", "ws"],
  ["holdfast", "ws"],
  ["holdfast, trades, listening", "ws, parsed"],
  ["holdfast, trades", "ws, parsed"]
] as const
const at = (name: string, rate: number) => `${name} at ${rate.toLocaleString("en")}/s`
const ours = contestants.filter(([name]) => name.startsWith("holdfast"))

// V8 lets its new space grow to 16 MiB with what survives while a program starts, and never takes it back. A process with
// nothing but `ws` in it stays at 1 MiB, and is interrupted by the collector eight times as often, for an eighth of the
// time: at some rates that alone decides which of the two has the longer delays. So they all get the same.
const execArgv = ["--min-semi-space-size=16", "--max-semi-space-size=16"]

// Rare delays need many messages; and a feed runs for days, while V8 takes thousands of messages to optimize what they pass.
const longer = (size: Size, rate: number): Size =>
  size.small ? size : rate > 1_000 ? { ...size, warmUp: 3_000, duration: 3_000 } : { ...size, warmUp: 8_000, duration: 8_000 }

export const latency: Benchmark = {
  name: "latency",
  what: "From the moment a message's bytes are in the process to the consumer's callback, with messages that come one by " +
    "one at a given rate.",
  figures: { p50: "µs p50", p99: "µs p99", p999: "µs p99.9", sent50: "µs p50 from the peer's write", sent99: "µs p99 from it" },
  contestants: rates.flatMap((rate) =>
    contestants.map(([name, against]): Contestant => ({
      name: at(name, rate),
      against: at(against, rate),
      fullOnly: rate > 1_000,
      run: (size) =>
        measure(longer(size, rate), "latency", { contestant: name }, { kind: "trades", subscriptions: 1, rate }, execArgv)
    }))
  ),
  goals: rates.flatMap((rate) =>
    ours.map(([name]): Goal => ({
      contestant: at(name, rate),
      figure: "p99",
      of: "ratio",
      atMost: 1.5
    }))
  )
}
