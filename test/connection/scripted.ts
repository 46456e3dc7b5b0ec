// A connection over a scripted transport, with helpers for its tests.
import * as v8 from "node:v8"
import * as vm from "node:vm"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Transport } from "holdfast"
import { Connection, ConnectionError } from "holdfast"
import { TestTransport } from "holdfast/testing"

export type Overrides = Omit<Connection.Options, "url"> & { readonly url?: Connection.Options["url"] }

export const bug = new Error("a bug")

export const noJitter = { jitterFactor: 0 }

// Deadlines and pings are off unless a test turns them on.
export const scripted = (
  script: Iterable<TestTransport.Dial>,
  options: Overrides = {},
  transport?: Parameters<typeof TestTransport.layer>[1]
) =>
  Connection.layer({
    url: "ws://peer.test:8080/secret-path?token=secret-token",
    messageTimeout: Duration.infinity,
    pingInterval: Duration.infinity,
    ...options,
    reconnect: { ...noJitter, ...options.reconnect }
  }).pipe(Layer.provideMerge(TestTransport.layer(script, transport)))

export const forever = function*(entry: TestTransport.Dial) {
  for (;;) yield entry
}

export const dialTimes = Effect.gen(function*() {
  const { dials } = yield* TestTransport.TestTransport
  return (yield* dials).map(({ at }) => at / 1000)
})

// The times between dials, in seconds.
export const waits = Effect.map(dialTimes, (times) => times.slice(1).map((time, i) => time - (times[i] ?? 0)))

export const collect = <A, E>(stream: Stream.Stream<A, E>) => {
  return Effect.gen(function*() {
    const seen = yield* Ref.make<ReadonlyArray<A>>([])
    const fiber = yield* Effect.fork(Stream.runForEach(stream, (item) => Ref.update(seen, (all) => [...all, item])))
    yield* TestClock.adjust(0)
    return { seen: Ref.get(seen), exit: Fiber.await(fiber), fiber }
  })
}

export const heapUsed = Effect.sync(() => {
  v8.setFlagsFromString("--expose-gc")
  vm.runInNewContext("gc()")
  return process.memoryUsage().heapUsed
})

// Parts of faulty transports.
export const idle: Transport.Socket = {
  protocol: "",
  headers: {},
  progress: () => ({ received: 0, control: 0, sent: 0, unsent: 0 }),
  receive: () => Effect.never,
  send: () => Effect.void,
  ping: Effect.void,
  close: () => Effect.void,
  terminate: Effect.void
}
export const closed = Effect.fail(new ConnectionError.ConnectionClosed({ code: 1006, reason: "", openFor: Duration.zero }))
export const quiet = { messageTimeout: Duration.infinity, pingInterval: Duration.infinity }

export const rough = (
  dial: (count: number) => Effect.Effect<Transport.Socket, Transport.DialError, Scope.Scope>
): Transport.Transport => {
  let count = 0
  return {
    capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
    dial: () => Effect.suspend(() => dial(count++))
  }
}
