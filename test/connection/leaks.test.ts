import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Connection, ConnectionError, Transport } from "holdfast"
import { heapUsed } from "./scripted.ts"

describe("memory", () => {
  // A peer that sends one message and closes. It keeps no record, so that any growth is the connection's.
  const brief: Transport.Transport = {
    capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
    dial: () =>
      Effect.acquireRelease(
        Effect.sync((): Transport.Socket => ({
          protocol: "",
          headers: {},
          progress: () => ({ received: 0, control: 0, sent: 0, unsent: 0 }),
          receive: (handler) =>
            Effect.zipRight(
              Effect.suspend(() => handler(["hello"]) ?? Effect.void),
              new ConnectionError.ConnectionClosed({ code: 1006, reason: "", openFor: Duration.zero })
            ),
          send: () => Effect.void,
          ping: Effect.never,
          close: () => Effect.void,
          terminate: Effect.void
        })),
        () => Effect.void
      )
  }

  // A clock on which the millisecond between two dials takes no real time, and no deadline ever passes. Ten thousand steps
  // of TestClock would take a minute.
  let millis = 0
  const swift: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => millis,
    currentTimeMillis: Effect.sync(() => millis),
    unsafeCurrentTimeNanos: () => BigInt(millis) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(millis) * 1_000_000n),
    sleep: (duration) =>
      Duration.toMillis(duration) > 1 ? Effect.never : Effect.yieldNow().pipe(Effect.map(() => {
        millis++
      }))
  }

  it.effect("does not grow over ten thousand reconnects", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const after = (connections: number) =>
        Effect.zipRight(Stream.runDrain(Stream.take(connection.messages, connections)), heapUsed)
      const warm = yield* after(2_000)
      const end = yield* after(10_000)
      assert.isAtLeast(millis, 11_999)
      // A leak of 420 bytes per connection would exceed this.
      assert.isBelow(end - warm, 4 * 1024 * 1024)
    }).pipe(
      Effect.provide(Connection.layer({
        url: "ws://peer.test",
        reconnect: { initialDelay: "1 millis", stableAfter: 0, jitterFactor: 0 }
      }).pipe(Layer.provide(Layer.succeed(Transport.Transport, brief)))),
      Effect.withClock(swift)
    ), 240_000)
})
