// Reads `n` messages per second from a peer that sends as fast as the socket takes them.
import { performance } from "node:perf_hooks"
import type { Figures } from "../stats.ts"
import type { Task } from "./child.ts"
import { defer, main } from "./child.ts"

const mebibyte = 1024 * 1024
// The number of samples that each half needs for a comparison.
const enough = 10

// Compares the largest resident set in the first half of the run with the largest in the second half, in MiB.
const memory = () => {
  const samples: Array<number> = []
  const timer = setInterval(() => {
    samples.push(process.memoryUsage.rss())
  }, 20)
  return () => {
    clearInterval(timer)
    // In the first tenth, the process grows to the size that it needs.
    const settled = samples.slice(Math.floor(samples.length / 10))
    const half = Math.floor(settled.length / 2)
    const peak = Math.max(...settled.slice(half))
    if (half < enough) return { peak: process.memoryUsage.rss() / mebibyte }
    return { peak: peak / mebibyte, growth: peak / Math.max(...settled.slice(0, half)) }
  }
}

type Overflow = "suspend" | "sliding" | "dropping" | "fail"

const consume = (overflow: Overflow) => async (task: Task): Promise<Figures> => {
  const { Connection, Effect, Stream, fork } = await import("./holdfast.ts")
  const { promise, resolve } = defer<Figures>()
  fork(Effect.gen(function*() {
    const connection = yield* Connection.make({
      url: `ws://127.0.0.1:${task.port}/ws/btcusdt@trade`,
      reconnect: { enabled: false },
      inbox: { overflow }
    })
    const finish = memory()
    const began = performance.now()
    let read = 0
    let dropped = 0
    let failed = 0
    const reading = Stream.runForEachChunk(connection.items, (chunk) =>
      Effect.suspend(() => {
        for (const item of chunk) {
          if (item._tag === "Data") read++
          else dropped += item.dropped
        }
        return Effect.sleep(read / task.n * 1_000 - (performance.now() - began))
      }))
    // With "suspend" the run would take too long to finish, so it ends after `duration`.
    yield* reading.pipe(
      Effect.timeoutTo({ duration: task.duration, onTimeout: () => undefined, onSuccess: () => undefined }),
      Effect.catchTag("InboxOverflow", () => Effect.sync(() => { failed = 1 })),
      Effect.catchTag("ConnectionClosed", ({ code }) => code === 1000 ? Effect.void : Effect.dieMessage(`closed with ${code}`))
    )
    const elapsed = (performance.now() - began) / 1_000
    resolve({ ...finish(), read, dropped, received: read + dropped, rate: (read + dropped) / elapsed, failed })
  }))
  return promise
}

main({
  suspend: consume("suspend"),
  sliding: consume("sliding"),
  dropping: consume("dropping"),
  fail: consume("fail")
})
