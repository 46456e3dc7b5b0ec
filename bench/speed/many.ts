import { execFileSync } from "node:child_process"
import type { Benchmark, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const target = 10_000
const few = 500
// The file descriptors kept for other uses.
const reserved = 200

// Each connection needs one file descriptor in the contestant and one in the load.
const allowed = (): number => {
  if (process.platform === "win32") return target
  const limit = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim()
  return limit === "unlimited" ? target : Number(limit) - reserved
}

const connections = ({ small }: Size) => {
  const count = Math.min(small ? few : target, allowed())
  if (!small && count < target) {
    process.stderr.write(`  only ${count} connections, because of the limit of open files; raise it with ulimit -n\n`)
  }
  return count
}

// The duration is the interval of pings, so that each connection sends one.
const contestant = (name: string) => ({
  name,
  run: (size: Size) =>
    measure({ ...size, duration: size.small ? 1_000 : 20_000 }, "many", { contestant: name, n: connections(size) }, {}, ["--expose-gc"])
})

export const many: Benchmark = {
  name: "many",
  what: "The cost per connection of 10,000 idle connections in one process (fewer if the system allows fewer open files), " +
    "each with a reader, pings and all deadlines. `ws` alone sends no pings and has no deadlines, so the same by hand is " +
    "measured too, and so are one waiting fibre and one Effect stream per connection.",
  figures: {
    memory: "KiB of memory",
    heap: "KiB of heap",
    cpu: "µs of CPU a second",
    timers: "timers",
    listeners: "listeners",
    fibres: "fibres",
    connections: "connections"
  },
  contestants: ["ws", "ws, pings and deadlines by hand", "ws, a fibre each", "ws, read as an Effect stream", "holdfast, listening", "holdfast"].map(contestant),
  goals: ["holdfast, listening", "holdfast"].map((contestant) => ({ contestant, figure: "memory", of: "ratio", atMost: 1.5 } as const))
}
