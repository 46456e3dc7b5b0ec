import { execFileSync } from "node:child_process"
import type { Benchmark, Size } from "./harness.ts"
import { measure } from "./harness.ts"

const wanted = 10_000
const few = 500
// Of the descriptors a process may have, those for everything else.
const reserved = 200

// Each connection takes one descriptor of its process and one of the load's.
const allowed = (): number => {
  if (process.platform === "win32") return wanted
  const limit = execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim()
  return limit === "unlimited" ? wanted : Number(limit) - reserved
}

const connections = ({ small }: Size) => {
  const count = Math.min(small ? few : wanted, allowed())
  if (!small && count < wanted) {
    process.stderr.write(`  only ${count} connections: this system allows no more open files (ulimit -n)\n`)
  }
  return count
}

// As long as the interval of pings, so that each connection has one in it.
const contestant = (name: string) => ({
  name,
  run: (size: Size) =>
    measure({ ...size, duration: size.small ? 1_000 : 20_000 }, "many", { contestant: name, n: connections(size) }, {}, ["--expose-gc"])
})

export const many: Benchmark = {
  name: "many",
  what: "10,000 connections in one process on which nothing happens (fewer where the system allows fewer open files), each " +
    "with a reader, with all deadlines and pings on. `ws` alone has no such thing: what they cost by hand, and what one waiting fibre and " +
    "one stream of Effect's cost by themselves, is beside it. Per connection.",
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
