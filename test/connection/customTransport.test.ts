import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection, Transport } from "holdfast"
import { bug, closed, collect, idle, quiet, rough } from "./scripted.ts"

describe("a connection with a faulty transport", () => {
  const bad = Effect.die(bug)
  const finalizers = {
    "can be interrupted while it closes": Effect.interruptible(Effect.sleep("1 second")),
    "dies while it closes": bad
  }
  const endings = {
    "a close": { socket: { ...idle, receive: () => Effect.delay(closed, "1 second") }, options: quiet },
    "silence": { socket: idle, options: { ...quiet, messageTimeout: "1 second" } },
    "a missed pong": {
      socket: { ...idle, ping: Effect.never },
      options: { ...quiet, pingInterval: "500 millis", pongTimeout: "500 millis" }
    }
  } as const

  for (const [how, finalizer] of Object.entries(finalizers)) {
    for (const [why, { options, socket }] of Object.entries(endings)) {
      it.effect(`dials again after ${why} if the transport ${how}, and counts the socket as closed`, () =>
        Effect.gen(function*() {
          const url = `ws://${`${why}.${how}`.replaceAll(" ", "-")}.test`
          const connection = yield* Connection.make({ url, ...options })
          const opened = yield* collect(Stream.filter(connection.events, ({ _tag }) => _tag === "Opened" || _tag === "Died"))
          yield* TestClock.adjust("4 seconds")
          assert.deepStrictEqual((yield* opened.seen).slice(0, 2).map(({ _tag }) => _tag), ["Opened", "Opened"])
          const disconnected = yield* Effect.fork(connection.disconnect)
          yield* TestClock.adjust("2 seconds")
          yield* Fiber.join(disconnected)
          const { hostname } = new URL(url)
          const open = (yield* Metric.snapshot).filter(({ metricKey, metricState }) =>
            metricKey.name === "websocket.client.connections" && MetricState.isGaugeState(metricState) &&
            Array.from(metricKey.tags).some(({ value }) => value === hostname) && metricState.value !== 0
          )
          assert.deepStrictEqual(open, [])
        }).pipe(
          Effect.provideService(Transport.Transport, rough(() => Effect.as(Effect.addFinalizer(() => finalizer), socket))),
          Effect.scoped
        ))
    }
  }

  it.effect("works with a socket that neither counts its bytes nor has headers", () => {
    const { headers: _headers, progress: _progress, ...socket } = idle
    return Effect.gen(function*() {
      const headers: Array<unknown> = []
      const connection = yield* Connection.make({
        url: "ws://peer.test",
        ...quiet,
        messageTimeout: "5 seconds",
        onOpen: (handshake) => Effect.sync(() => headers.push(handshake.headers))
      })
      const lost = yield* collect(Stream.filter(connection.events, ({ _tag }) => _tag === "Lost"))
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(headers[0], {})
      const [event] = yield* lost.seen
      assert(event?._tag === "Lost")
      assert.strictEqual(event.cause._tag, "ConnectionTimeout")
    }).pipe(
      Effect.provideService(Transport.Transport, rough(() => Effect.succeed(socket))),
      Effect.scoped
    )
  })

  it.effect("logs a defect of the transport while it closes", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ cause, message }) => {
      lines.push(`${String(message)} ${Cause.pretty(cause).split("\n")[0] ?? ""}`)
    })
    return Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet })
      yield* connection.awaitOpen
      yield* connection.disconnect
      assert.include(lines, "The transport failed to close its socket. Error: a bug")
    }).pipe(
      Effect.provideService(Transport.Transport, rough(() => Effect.as(Effect.addFinalizer(() => bad), idle))),
      Effect.scoped,
      Effect.provide(Logger.replace(Logger.defaultLogger, logger))
    )
  })

  for (const [how, terminate] of Object.entries({ "never completes": Effect.never, "dies": bad })) {
    it.effect(`closes a silent socket and dials again if its terminate ${how}`, () => {
      let open = 0
      const counted = Effect.acquireRelease(
        Effect.sync(() => {
          open++
        }),
        () =>
          Effect.sync(() => {
            open--
          })
      )
      return Effect.gen(function*() {
        const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet, messageTimeout: "10 seconds" })
        yield* TestClock.adjust("15 seconds")
        assert.strictEqual((yield* connection.state)._tag, "Connected")
        assert.strictEqual(open, 1)
        yield* connection.disconnect
        assert.strictEqual(open, 0)
      }).pipe(
        Effect.provideService(Transport.Transport, rough(() => Effect.as(counted, { ...idle, terminate }))),
        Effect.scoped
      )
    })
  }

  it.effect("applies the message deadline if the transport's ping is uninterruptible", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test" })
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      const lost = yield* collect(Stream.filter(connection.events, ({ _tag }) => _tag === "Lost"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* lost.seen).length, 1)
    }).pipe(
      Effect.provideService(Transport.Transport, rough(() =>
        Effect.succeed({ ...idle, ping: Effect.uninterruptible(Effect.never) }))),
      Effect.scoped
    ))
})
