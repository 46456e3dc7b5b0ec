import type { Benchmark, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const contestant = (name: string) => ({
  name,
  run: (size: Size) => measure(size, "recovery", { contestant: name }, { kind: "resets" })
})

export const recovery: Benchmark = {
  name: "recovery",
  what: "The time from a reset by the peer to the first message of the next connection, with an initial delay of zero, " +
    "against a dial in the handler of `close`, and against the same written as a minimal effect.",
  figures: { time: "ms", p90: "ms p90", recoveries: "recoveries" },
  contestants: ["ws", "ws, as an Effect", "holdfast"].map(contestant),
  goals: [{ contestant: "holdfast", figure: "time", of: "ratio", atMost: 1.3 }]
}
