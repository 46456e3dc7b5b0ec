import type { Benchmark, Contestant, Goal, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const rates = [1_000, 10_000, 100_000]
const listening = ["holdfast, listening", "holdfast, trades, listening"]
const reading = ["holdfast", "holdfast, trades"]
const contestants = ["ws", ...listening, ...reading]
const at = (name: string, rate: number) => `${name} at ${rate.toLocaleString("en")}/s`

// Rare delays need many messages; and a feed runs for days, while V8 takes thousands of messages to optimize what they pass.
const longer = (size: Size, rate: number): Size =>
  size.small ? size : rate > 1_000 ? { ...size, warmUp: 3_000, duration: 3_000 } : { ...size, warmUp: 8_000, duration: 8_000 }

export const latency: Benchmark = {
  name: "latency",
  what: "From the moment a message's bytes are in the process to the consumer's callback, with messages that come one by " +
    "one at a given rate.",
  figures: { p50: "µs p50", p99: "µs p99", p999: "µs p99.9", sent50: "µs p50 from the peer's write", sent99: "µs p99 from it" },
  contestants: rates.flatMap((rate) =>
    contestants.map((name): Contestant => ({
      name: at(name, rate),
      against: at("ws", rate),
      fullOnly: rate > 1_000,
      run: (size) => measure(longer(size, rate), "latency", { contestant: name }, { kind: "trades", subscriptions: 1, rate })
    }))
  ),
  goals: rates.flatMap((rate) =>
    [...listening, ...reading].map((name): Goal => ({
      contestant: at(name, rate),
      figure: "p99",
      of: "ratio",
      atMost: 1.5
    }))
  )
}
