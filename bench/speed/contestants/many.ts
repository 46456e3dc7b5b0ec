// Measures the cost of each of many idle connections.
import { subscribe as onChannel } from "node:diagnostics_channel"
import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import type * as Effect from "effect/Effect"
import type { Connection, ConnectionError } from "holdfast"
import { WebSocket } from "ws"
import type { Figures } from "../stats.ts"
import type { Task } from "./child.ts"
import { main } from "./child.ts"

const isCreated = (message: unknown): message is { readonly socket: Socket } =>
  typeof message === "object" && message !== null && "socket" in message

const listenersOf = (emitter: EventEmitter) =>
  emitter.eventNames().reduce((count, name) => count + emitter.listenerCount(name), 0)

// `ws` stores its WebSocket on the socket, under a symbol.
const webSocketOf = (socket: Socket): EventEmitter | undefined => {
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const value: unknown = Reflect.get(socket, key)
    if (key.description === "websocket" && value instanceof EventEmitter) return value
  }
  return undefined
}

const collect = async () => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await sleep(100)
  }
}

/** Opens `count` connections. Returns a function that closes them. */
type Open = (count: number) => Promise<() => Promise<void>>

const cost = async (task: Task, open: Open, fibres: () => Promise<number>): Promise<Figures> => {
  const sockets: Array<Socket> = []
  onChannel("net.client.socket", (message) => {
    if (isCreated(message)) sockets.push(message.socket)
  })
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
  // The first connections load and compile code, so they are not counted.
  await (await open(50))()
  const first = Math.floor(task.n / 5)
  await open(first)
  await sleep(500)
  await collect()
  const before = process.memoryUsage()
  const timersBefore = timers()
  sockets.length = 0
  const count = task.n - first
  await open(count)
  await sleep(500)
  await collect()
  const after = process.memoryUsage()
  const timersAfter = timers()
  const cpu = process.cpuUsage()
  await sleep(task.duration)
  const { system, user } = process.cpuUsage(cpu)
  // More sockets than connections mean reconnects: then the connections were not idle.
  if (sockets.length !== count) throw new Error(`${sockets.length} sockets were opened for ${count} connections.`)
  const listeners = sockets.reduce((sum, socket) => {
    const ws = webSocketOf(socket)
    return sum + listenersOf(socket) + (ws === undefined ? 0 : listenersOf(ws))
  }, 0)
  return {
    memory: (after.rss - before.rss) / count / 1_024,
    heap: (after.heapUsed - before.heapUsed) / count / 1_024,
    cpu: (user + system) / task.n / (task.duration / 1_000),
    timers: (timersAfter - timersBefore) / count,
    listeners: listeners / sockets.length,
    connections: first + sockets.length,
    fibres: await fibres()
  }
}

const concurrency = 200

// Opens connections with `ws`; `setUp` adds to each, and `fibres` is the number of fibres that it adds.
const byHand = (setUp: (ws: WebSocket) => void, fibres = 0) => async (task: Task) => {
  const dial = () =>
    new Promise<WebSocket>((resolve, reject) => {
      const ws = new WebSocket(`ws://127.0.0.1:${task.port}/stream`)
      ws.on("open", () => {
        setUp(ws)
        resolve(ws)
      })
      ws.on("message", () => undefined)
      ws.on("close", () => undefined)
      ws.on("error", reject)
    })
  const kept: Array<WebSocket> = []
  return cost(task, async (count) => {
    for (let opened = 0; opened < count; opened += concurrency) {
      kept.push(...await Promise.all(Array.from({ length: Math.min(concurrency, count - opened) }, dial)))
    }
    return async () => {
      for (const ws of kept.splice(0)) ws.terminate()
      await sleep(100)
    }
  }, () => Promise.resolve(fibres))
}

/** Reads the messages of a connection. */
type Read = (connection: Connection.Connection) => Effect.Effect<void, ConnectionError.ConnectionError>

const holdfast = (read: Read) => async (task: Task) => {
  const { Connection, Effect, platform } = await import("./holdfast.ts")
  const [Exit, Fiber, Scope, Supervisor] = await Promise.all([
    import("effect/Exit"),
    import("effect/Fiber"),
    import("effect/Scope"),
    import("effect/Supervisor")
  ])
  const dial = Effect.gen(function*() {
    const connection = yield* Connection.make({
      url: `ws://127.0.0.1:${task.port}/stream`,
      // The load sends no messages, so the deadline is longer than the run.
      messageTimeout: "10 minutes"
    })
    yield* Effect.forkScoped(read(connection))
    yield* connection.awaitOpen
  })
  const open = (count: number) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Effect.forEach(Array.from({ length: count }), () => dial, { concurrency, discard: true }).pipe(
        Scope.extend(scope),
        Effect.provide(platform)
      )
      return () => Effect.runPromise(Scope.close(scope, Exit.void))
    })
  // Counts the fibres of a few extra connections, since a supervisor needs memory too.
  const sample = 20
  const fibres = Effect.gen(function*() {
    const supervisor = yield* Supervisor.track
    const close = yield* Effect.supervised(open(sample), supervisor)
    yield* Effect.sleep("200 millis")
    const all = yield* supervisor.value
    const alive = yield* Effect.forEach(all, Fiber.poll)
    yield* Effect.promise(close)
    return alive.filter((exit) => exit._tag === "None").length / sample
  })
  return cost(task, (count) => Effect.runPromise(open(count)), () => Effect.runPromise(fibres))
}

main({
  "ws": byHand(() => undefined),
  "ws, pings and deadlines by hand": byHand((ws) => {
    let pong: NodeJS.Timeout | undefined
    const deadline = setTimeout(() => {
      ws.terminate()
    }, 600_000)
    ws.on("message", () => deadline.refresh())
    const pings = setInterval(() => {
      ws.ping()
      pong = setTimeout(() => {
        ws.terminate()
      }, 10_000)
    }, 20_000)
    ws.on("pong", () => {
      clearTimeout(pong)
    })
    ws.on("close", () => {
      clearTimeout(deadline)
      clearInterval(pings)
      clearTimeout(pong)
    })
  }),
  // The cost of a waiting fibre alone.
  "ws, a fibre each": async (task) => {
    const Effect = await import("effect/Effect")
    return byHand((ws) => {
      Effect.runFork(Effect.async<void>((resume) => {
        ws.on("close", () => {
          resume(Effect.void)
        })
      }))
    }, 1)(task)
  },
  // The cost of an Effect stream alone.
  "ws, read as an Effect stream": async (task) => {
    const [Effect, Stream] = await Promise.all([import("effect/Effect"), import("effect/Stream")])
    return byHand((ws) => {
      Effect.runFork(Stream.runDrain(Stream.asyncPush<Buffer>((emit) =>
        Effect.sync(() => {
          ws.on("message", (data: Buffer) => emit.single(data))
          ws.on("close", () => {
            emit.end()
          })
        })
      )))
    }, 1)(task)
  },
  "holdfast": async (task) => {
    const { Stream } = await import("./holdfast.ts")
    return holdfast((connection) => Stream.runDrain(connection.messages))(task)
  },
  "holdfast, listening": holdfast((connection) => connection.messages.listen(() => undefined))
})
