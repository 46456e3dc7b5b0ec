import type { Benchmark, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const contestant = (name: string) => ({
  name,
  run: (size: Size) => measure(size, "text", { contestant: name }, { kind: "trades" })
})

export const text: Benchmark = {
  name: "text",
  what: "The text of each message: `Connection.messages` against `ws.on(\"message\")`.",
  figures: { cpu: "µs of CPU", rate: "messages/s" },
  contestants: ["ws", "holdfast", "holdfast, listening", "holdfast, an effect a batch", "holdfast, one by one"].map(contestant),
  goals: ["holdfast", "holdfast, listening"].map((contestant) => ({ contestant, figure: "cpu", of: "ratio", atMost: 1.15 }))
}
