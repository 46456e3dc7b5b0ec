// Measures recovery: the peer resets each connection, and the first message of the next one has the time of the reset.
import { micros } from "../frames.ts"
import type { Figures } from "../stats.ts"
import { quantile } from "../stats.ts"
import type { Task } from "./child.ts"
import { defer, main, subscribe } from "./child.ts"

const parse: (text: string) => { readonly resetAt?: number } = JSON.parse

const recoveries = (task: Task) => {
  const { promise, resolve } = defer<Figures>()
  const took: Array<number> = []
  let began: number | undefined
  return {
    done: promise,
    first: (text: string) => {
      const now = micros()
      const { resetAt } = parse(text)
      if (resetAt === undefined) return
      began ??= now
      // The first dials are slower than later ones, with every client.
      if (now < began + task.warmUp * 1_000) return
      took.push((now - resetAt) / 1_000)
      if (now < began + (task.warmUp + task.duration) * 1_000) return
      resolve({ time: quantile(took, 0.5), p90: quantile(took, 0.9), recoveries: took.length })
    }
  }
}

main({
  "ws": async (task) => {
    const { WebSocket } = await import("ws")
    const { done, first } = recoveries(task)
    const dial = () => {
      const ws = new WebSocket(`ws://127.0.0.1:${task.port}/stream`)
      ws.on("open", () => {
        ws.send(subscribe("btcusdt@trade"))
      })
      ws.on("message", (data: Buffer) => {
        first(data.toString())
      })
      ws.on("error", () => undefined)
      ws.on("close", dial)
    }
    dial()
    return done
  },
  // A minimal reconnect in Effect: a socket in a scope, a deadline for the dial, and a loop.
  "ws, as an Effect": async (task) => {
    const [{ WebSocket }, Effect] = await Promise.all([import("ws"), import("effect/Effect")])
    const { done, first } = recoveries(task)
    const socket = Effect.acquireRelease(
      Effect.sync(() => new WebSocket(`ws://127.0.0.1:${task.port}/stream`)),
      (ws) => Effect.sync(() => {
        ws.terminate()
      })
    )
    const live = Effect.flatMap(socket, (ws) => {
      const ended = Effect.async<never, string>((resume) => {
        ws.on("close", () => {
          resume(Effect.fail("closed"))
        })
      })
      return Effect.async<void>((resume) => {
        ws.on("error", () => undefined)
        ws.on("message", (data: Buffer) => {
          first(data.toString())
        })
        ws.on("open", () => {
          resume(Effect.void)
        })
      }).pipe(
        Effect.timeout("10 seconds"),
        Effect.tap(() => {
          ws.send(subscribe("btcusdt@trade"))
        }),
        Effect.zipRight(ended)
      )
    })
    Effect.runFork(Effect.forever(Effect.ignore(Effect.scoped(live))))
    return done
  },
  "holdfast": async (task) => {
    const { Connection, Effect, Stream, fork } = await import("./holdfast.ts")
    const { done, first } = recoveries(task)
    fork(Effect.gen(function*() {
      const connection = yield* Connection.make({
        url: `ws://127.0.0.1:${task.port}/stream`,
        // Connections are short here, and the next dial must follow at once.
        reconnect: { initialDelay: 0, maxDelay: "1 millis", stableAfter: 0, maxRetries: "unlimited" },
        onOpen: ({ send }) => send(subscribe("btcusdt@trade"))
      })
      yield* Stream.runForEach(connection.messages, (message) =>
        Effect.sync(() => {
          if (typeof message === "string") first(message)
        }))
    }))
    return done
  }
})
