// Reads the text of each message.
import { consumed, main, meter } from "./child.ts"

const read = (text: string) => {
  consumed.bytes += text.length
}

main({
  "ws": async (task) => {
    const { WebSocket } = await import("ws")
    const { done, tick } = meter(task)
    const ws = new WebSocket(`ws://127.0.0.1:${task.port}/ws/btcusdt@trade`)
    ws.on("message", (data: Buffer) => {
      read(data.toString())
      tick(1)
    })
    return done
  },
  "holdfast": async (task) => {
    const { Connection, Effect, Stream, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.gen(function*() {
      const connection = yield* Connection.make({ url: `ws://127.0.0.1:${task.port}/ws/btcusdt@trade` })
      yield* Stream.runForEachChunk(connection.messages, (chunk) => {
        for (const message of chunk) {
          if (typeof message === "string") read(message)
        }
        tick(chunk.length)
        return Effect.void
      })
    }))
    return done
  },
  "holdfast, listening": async (task) => {
    const { Connection, Effect, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.gen(function*() {
      const connection = yield* Connection.make({ url: `ws://127.0.0.1:${task.port}/ws/btcusdt@trade` })
      yield* connection.messages.listen((messages) => {
        for (const message of messages) {
          if (typeof message === "string") read(message)
        }
        tick(messages.length)
      })
    }))
    return done
  },
  "holdfast, an effect a batch": async (task) => {
    const { Connection, Effect, Stream, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.gen(function*() {
      const connection = yield* Connection.make({ url: `ws://127.0.0.1:${task.port}/ws/btcusdt@trade` })
      yield* Stream.runForEachChunk(connection.messages, (chunk) =>
        Effect.sync(() => {
          for (const message of chunk) {
            if (typeof message === "string") read(message)
          }
          tick(chunk.length)
        }))
    }))
    return done
  },
  "holdfast, one by one": async (task) => {
    const { Connection, Effect, Stream, fork } = await import("./holdfast.ts")
    const { done, tick } = meter(task)
    fork(Effect.gen(function*() {
      const connection = yield* Connection.make({ url: `ws://127.0.0.1:${task.port}/ws/btcusdt@trade` })
      yield* Stream.runForEach(connection.messages, (message) =>
        Effect.sync(() => {
          if (typeof message === "string") read(message)
          tick(1)
        }))
    }))
    return done
  }
})
