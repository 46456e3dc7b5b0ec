// Many connections on which nothing happens: what each of them costs.
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

// `ws` keeps its WebSocket with the socket, under a symbol.
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

/** How connections are opened: so many, and all of them closed again by what this gives back. */
type Open = (count: number) => Promise<() => Promise<void>>

const cost = async (task: Task, open: Open, fibres: () => Promise<number>): Promise<Figures> => {
  const sockets: Array<Socket> = []
  onChannel("net.client.socket", (message) => {
    if (isCreated(message)) sockets.push(message.socket)
  })
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length
  // Code is loaded and compiled by the first few, which are not counted.
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
  // Otherwise some were lost and dialled again, and it was not their idleness that was measured.
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

const atOnce = 200

// A connection on `ws`, and whatever else one has to have, with so many fibres.
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
    for (let opened = 0; opened < count; opened += atOnce) {
      kept.push(...await Promise.all(Array.from({ length: Math.min(atOnce, count - opened) }, dial)))
    }
    return async () => {
      for (const ws of kept.splice(0)) ws.terminate()
      await sleep(100)
    }
  }, () => Promise.resolve(fibres))
}

/** How the messages of a connection are read. */
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
      // The deadline is on, and longer than the silence here, which would end the connection otherwise.
      messageTimeout: "10 minutes"
    })
    yield* Effect.forkScoped(read(connection))
    yield* connection.awaitOpen
  })
  const open = (count: number) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Effect.forEach(Array.from({ length: count }), () => dial, { concurrency: atOnce, discard: true }).pipe(
        Scope.extend(scope),
        Effect.provide(platform)
      )
      return () => Effect.runPromise(Scope.close(scope, Exit.void))
    })
  // Counted on a few connections of their own, since a supervisor costs memory too.
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
    const silence = setTimeout(() => {
      ws.terminate()
    }, 600_000)
    ws.on("message", () => silence.refresh())
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
      clearTimeout(silence)
      clearInterval(pings)
      clearTimeout(pong)
    })
  }),
  // What a fibre costs by itself, that does nothing but wait.
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
  // What reading as a stream costs by itself.
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
