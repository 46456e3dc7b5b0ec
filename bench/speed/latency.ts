import type { Benchmark, Contestant, Goal, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const rates = [1_000, 10_000, 100_000]
// Each contestant with the one it is compared with. Reading trades includes parsing, so those compare with "ws, parsed".
const contestants = [
  ["ws", "ws"],
  ["ws, parsed", "ws"],
  // Shows the cost of an Effect stream alone.
  ["ws, read as an Effect stream", "ws"],
  ["holdfast, listening", "ws"],
  ["holdfast", "ws"],
  ["holdfast, trades, listening", "ws, parsed"],
  ["holdfast, trades", "ws, parsed"]
] as const
const at = (name: string, rate: number) => `${name} at ${rate.toLocaleString("en")}/s`
const ours = contestants.filter(([name]) => name.startsWith("holdfast"))

// V8 grows its new space up to 16 MiB while a program starts, and never shrinks it. A process with nothing but `ws`
// stays at 1 MiB: it collects garbage eight times as often, in an eighth of the time each. At some rates that alone
// decides which contestant has the longer delays, so all contestants get the same size.
const execArgv = ["--min-semi-space-size=16", "--max-semi-space-size=16"]

// Rare delays need many messages to show. The long warm-up is because V8 optimizes code after thousands of messages,
// and a feed runs for days.
const longer = (size: Size, rate: number): Size =>
  size.small ? size : rate > 1_000 ? { ...size, warmUp: 3_000, duration: 3_000 } : { ...size, warmUp: 8_000, duration: 8_000 }

export const latency: Benchmark = {
  name: "latency",
  what: "The time from a message's bytes arriving in the process to the callback of the consumer, with single messages at a " +
    "given rate.",
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
