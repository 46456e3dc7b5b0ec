import type { Benchmark, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const contestant = (name: string) => ({
  name,
  run: (size: Size) => measure(size, "recovery", { contestant: name }, { kind: "resets" })
})

export const recovery: Benchmark = {
  name: "recovery",
  what: "From the peer's reset of a connection to the first message of the next, with a first delay of zero, " +
    "against a bare dial in the handler of `close`. What it takes when the same is written as an effect, without anything more, is beside it.",
  figures: { time: "ms", p90: "ms p90", recoveries: "recoveries" },
  contestants: ["ws", "ws, as an Effect", "holdfast"].map(contestant),
  goals: [{ contestant: "holdfast", figure: "time", of: "ratio", atMost: 1.3 }]
}
