import type { Benchmark, Contestant, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const policies = ["suspend", "sliding", "dropping", "fail"]
const lossy = new Set(["sliding", "dropping"])

const messages = ({ small }: Size) => small ? 500_000 : 10_000_000
const perSecond = 20_000

const contestant = (name: string): Contestant => ({
  name,
  against: name,
  fullOnly: name === "fail",
  run: async (size) => {
    const count = messages(size)
    // With "suspend" the peer has to wait for the reader, and cannot send all messages in reasonable time.
    const duration = name === "suspend" ? size.small ? 2_000 : 30_000 : 300_000
    const { received = 0, ...figures } = await measure(
      { ...size, duration },
      "slow",
      { contestant: name, n: perSecond },
      { kind: "trades", count }
    )
    return lossy.has(name) ? { ...figures, unaccounted: Math.abs(count - received) } : figures
  }
})

export const slow: Benchmark = {
  name: "slow",
  what: "10 million messages, as fast as the socket takes them, to a reader that takes 20,000 per second. Memory stays " +
    "flat with every overflow policy of the inbox, and every message is either read or counted as dropped.",
  figures: {
    growth: "× the memory of the first half in the second",
    peak: "MiB at most",
    rate: "messages/s taken from the socket",
    read: "read",
    dropped: "dropped",
    unaccounted: "unaccounted for",
    failed: "failed with `InboxOverflow`"
  },
  worst: ["peak", "unaccounted"],
  contestants: policies.map(contestant),
  goals: [
    ...["suspend", "sliding", "dropping"].map((name) => ({ contestant: name, figure: "growth", of: "value", atMost: 1.1 } as const)),
    ...[...lossy].map((name) => ({ contestant: name, figure: "unaccounted", of: "value", atMost: 0 } as const))
  ]
}
