// Reads trades of `n` symbols in turn, or of one symbol with `n` readers.
import { symbolOf } from "../frames.ts"
import type { Task } from "./child.ts"
import { consumed, main, meter } from "./child.ts"

interface Message {
  readonly stream?: string
  readonly data?: { readonly t: number; readonly p: string }
}
const parse: (text: string) => Message = JSON.parse

// Reads each element of `reads` in its own fibre.
const holdfast = async (task: Task, reads: ReadonlyArray<string | ReadonlyArray<string>>) => {
  const { Effect, Stream, feed, fork } = await import("./holdfast.ts")
  const { done, tick } = meter(task)
  fork(Effect.flatMap(feed(task.port), (feed) =>
    Effect.forEach(reads, (symbols) =>
      Stream.runForEachChunk(feed.trades(symbols), (chunk) => {
        for (const event of chunk) {
          if (event.type !== "trade") throw new Error(`The feed reported ${event.type}, but the load has only trades.`)
          consumed.ids += event.data.t
        }
        tick(chunk.length)
        return Effect.void
      }), { concurrency: "unbounded", discard: true })))
  return done
}

const listening = async (task: Task) => {
  const { Effect, feed, fork } = await import("./holdfast.ts")
  const { done, tick } = meter(task)
  fork(Effect.flatMap(feed(task.port), (feed) =>
    feed.trades(Array.from({ length: task.n }, (_, i) => symbolOf(i))).listen((events) => {
      for (const event of events) {
        if (event.type !== "trade") throw new Error(`The feed reported ${event.type}, but the load has only trades.`)
        consumed.ids += event.data.t
      }
      tick(events.length)
    })))
  return done
}

main({
  "ws": async (task) => {
    const { WebSocket } = await import("ws")
    const { done, tick } = meter(task)
    const names = Array.from({ length: task.n }, (_, i) => `${symbolOf(i).toLowerCase()}@trade`)
    const handlers = new Map(names.map((name) => [name, (id: number) => {
      consumed.ids += id
    }]))
    const ws = new WebSocket(`ws://127.0.0.1:${task.port}/stream`)
    ws.on("open", () => {
      ws.send(JSON.stringify({ method: "SUBSCRIBE", params: names, id: 1 }))
    })
    ws.on("message", (bytes: Buffer) => {
      const { data, stream } = parse(bytes.toString())
      if (data !== undefined) handlers.get(stream ?? "")?.(data.t)
      tick(1)
    })
    return done
  },
  "streams": (task) => holdfast(task, [Array.from({ length: task.n }, (_, i) => symbolOf(i))]),
  "streams, listening": listening,
  "streams, each alone": (task) => holdfast(task, Array.from({ length: task.n }, (_, i) => symbolOf(i))),
  "readers": (task) => holdfast(task, Array.from({ length: task.n }, () => symbolOf(0)))
})
