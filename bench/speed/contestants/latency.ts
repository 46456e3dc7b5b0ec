// Measures the time from a message's bytes arriving in this process, and from the peer's write, to the consumer's
// callback.
import { subscribe as onChannel } from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { micros, sinceStamp } from "../frames.ts"
import type { Figures } from "../stats.ts"
import { quantile } from "../stats.ts"
import type { Task } from "./child.ts"
import { defer, main, subscribe } from "./child.ts"

const isCreated = (message: unknown): message is { readonly socket: Socket } =>
  typeof message === "object" && message !== null && "socket" in message

const stampAt = `"T":`

// Nothing here allocates garbage per message: collecting it would be a large part of the longest delays.
const maxReads = 2 ** 16
const maxSamples = 2 ** 20

// The difference of two clocks: `performance.now` needs no big integers, the stamps are from `micros`. The maximum of
// many readings, since the first are slow.
const microsAhead = Math.max(...Array.from({ length: 1_000 }, () => micros() - performance.now() * 1_000))

const clock = (task: Task, frameBytes: (text: string) => number) => {
  // All frames have the same length, so the number of bytes read gives the number of messages. Two ring buffers hold
  // the reads whose messages have not been seen yet.
  const readBytes = new Float64Array(maxReads)
  const readAt = new Float64Array(maxReads)
  let reads = 0
  let oldest = 0
  let head = ""
  let bytes = 0
  // The length of the first frame, the answer to the subscription. Its header has two bytes (RFC 6455 §5.2).
  let before = 0
  let start: Buffer = Buffer.alloc(0)
  onChannel("net.client.socket", (message) => {
    if (!isCreated(message)) return
    message.socket.prependListener("data", (data: Buffer) => {
      const at = performance.now()
      let frames = data
      if (!head.includes("\r\n\r\n")) {
        head += data.toString("latin1")
        const end = head.indexOf("\r\n\r\n")
        if (end < 0) return
        frames = data.subarray(data.length - (head.length - end - 4))
      }
      if (start.length < 2) {
        start = Buffer.concat([start, frames.subarray(0, 2)])
        before = 2 + (start[1] ?? 0)
      }
      bytes += frames.length
      if (reads - oldest === maxReads) throw new Error("Too many reads without a message.")
      readBytes[reads % maxReads] = bytes
      readAt[reads % maxReads] = at
      reads++
    })
  })

  const inside = new Float64Array(maxSamples)
  const whole = new Float64Array(maxSamples)
  let samples = 0
  const { promise, resolve } = defer<Figures>()
  let size = 0
  let count = 0
  let warmUntil: number | undefined
  let over = false
  const arrived = (text: () => string) => {
    const now = performance.now()
    if (over) return
    const stamped = text()
    if (count++ === 0) size = frameBytes(stamped)
    const needed = before + count * size
    while (oldest < reads && (readBytes[oldest % maxReads] ?? 0) < needed) oldest++
    const at = readAt[oldest % maxReads]
    if (oldest === reads || at === undefined) throw new Error("A message arrived before its bytes.")
    warmUntil ??= now + task.warmUp
    if (now < warmUntil) return
    inside[samples] = (now - at) * 1_000
    const from = stamped.indexOf(stampAt) + stampAt.length
    whole[samples] = sinceStamp(Number(stamped.slice(from, from + 13)), performance.now() * 1_000 + microsAhead)
    samples++
    if (now < warmUntil + task.duration && samples < maxSamples) return
    over = true
    const of = (values: Float64Array, q: number) => quantile([...values.subarray(0, samples)], q)
    resolve({
      p50: of(inside, 0.5),
      p99: of(inside, 0.99),
      p999: of(inside, 0.999),
      sent50: of(whole, 0.5),
      sent99: of(whole, 0.99)
    })
  }
  return { arrived, done: promise }
}

// A frame with a payload of 126 to 65,535 bytes from a server has a header of four bytes.
const headBytes = 4

const parse: (text: string) => { readonly stream?: string; readonly data: { readonly T: number } } = JSON.parse

main({
  "ws": async (task) => {
    const { arrived, done } = clock(task, (text) => text.length + headBytes)
    const { WebSocket } = await import("ws")
    const ws = new WebSocket(`ws://127.0.0.1:${task.port}/stream`)
    ws.on("open", () => {
      ws.send(subscribe("btcusdt@trade"))
    })
    ws.on("message", (data: Buffer) => {
      const text = data.toString()
      if (text.startsWith(`{"stream"`)) arrived(() => text)
    })
    return done
  },
  "ws, parsed": async (task) => {
    const { frame, trades } = await import("../frames.ts")
    const { length } = frame(trades(1, true).text(0, "100000000000"))
    const { arrived, done } = clock(task, () => length)
    const { WebSocket } = await import("ws")
    const ws = new WebSocket(`ws://127.0.0.1:${task.port}/stream`)
    ws.on("open", () => {
      ws.send(subscribe("btcusdt@trade"))
    })
    ws.on("message", (message: Buffer) => {
      const { data, stream } = parse(message.toString())
      if (stream !== undefined) arrived(() => `${stampAt}${data.T}`)
    })
    return done
  },
  // The cost of an Effect stream alone.
  "ws, read as an Effect stream": async (task) => {
    const { arrived, done } = clock(task, (text) => text.length + headBytes)
    const [{ WebSocket }, Effect, Stream] = await Promise.all([import("ws"), import("effect/Effect"), import("effect/Stream")])
    const ws = new WebSocket(`ws://127.0.0.1:${task.port}/stream`)
    ws.on("open", () => {
      ws.send(subscribe("btcusdt@trade"))
    })
    const messages = Stream.asyncPush<Buffer>((emit) => Effect.sync(() => ws.on("message", (data: Buffer) => emit.single(data))))
    Effect.runFork(Stream.runForEachChunk(messages, (chunk) => {
      for (const data of chunk) {
        const text = data.toString()
        if (text.startsWith(`{"stream"`)) arrived(() => text)
      }
      return Effect.void
    }))
    return done
  },
  "holdfast": async (task) => {
    const { arrived, done } = clock(task, (text) => text.length + headBytes)
    const { Connection, Effect, Stream, fork } = await import("./holdfast.ts")
    fork(Effect.gen(function*() {
      const connection = yield* Connection.make({
        url: `ws://127.0.0.1:${task.port}/stream`,
        onOpen: ({ send }) => send(subscribe("btcusdt@trade"))
      })
      yield* Stream.runForEachChunk(connection.messages, (chunk) => {
        for (const message of chunk) {
          if (typeof message === "string" && message.startsWith(`{"stream"`)) arrived(() => message)
        }
        return Effect.void
      })
    }))
    return done
  },
  "holdfast, listening": async (task) => {
    const { arrived, done } = clock(task, (text) => text.length + headBytes)
    const { Connection, Effect, fork } = await import("./holdfast.ts")
    fork(Effect.gen(function*() {
      const connection = yield* Connection.make({
        url: `ws://127.0.0.1:${task.port}/stream`,
        onOpen: ({ send }) => send(subscribe("btcusdt@trade"))
      })
      yield* connection.messages.listen((messages) => {
        for (const message of messages) {
          if (typeof message === "string" && message.startsWith(`{"stream"`)) arrived(() => message)
        }
      })
    }))
    return done
  },
  "holdfast, trades, listening": async (task) => {
    const { frame, trades } = await import("../frames.ts")
    const { length } = frame(trades(1, true).text(0, "100000000000"))
    const { arrived, done } = clock(task, () => length)
    const { Effect, feed, fork } = await import("./holdfast.ts")
    fork(Effect.flatMap(feed(task.port), (feed) =>
      feed.trades("BTCUSDT").listen((events) => {
        for (const event of events) {
          if (event.type === "gap") throw new Error("The feed reported a gap, but the load has none.")
          arrived(() => `${stampAt}${event.data.T}`)
        }
      })))
    return done
  },
  "holdfast, trades": async (task) => {
    // The feed does not give the text, so the length comes from a frame of the same kind.
    const { frame, trades } = await import("../frames.ts")
    const { length } = frame(trades(1, true).text(0, "100000000000"))
    const { arrived, done } = clock(task, () => length)
    const { Effect, Stream, feed, fork } = await import("./holdfast.ts")
    fork(Effect.flatMap(feed(task.port), (feed) =>
      Stream.runForEachChunk(feed.trades("BTCUSDT"), (chunk) => {
        for (const event of chunk) {
          if (event.type === "gap") throw new Error("The feed reported a gap, but the load has none.")
          arrived(() => `${stampAt}${event.data.T}`)
        }
        return Effect.void
      })))
    return done
  }
})
