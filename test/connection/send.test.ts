import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection, ConnectionError, Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { idle, quiet, rough, scripted } from "./scripted.ts"

const { close, fail, hang, open, reset, send, wait } = TestTransport

describe("send", () => {
  it.effect("a send without a deadline does not overtake an earlier one with a deadline", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* connection.awaitOpen
      const { sent } = yield* TestTransport.TestTransport
      yield* Effect.all([
        connection.send("first", { deadline: "1 second" }),
        connection.send("second"),
        connection.send("third", { deadline: "1 second" }),
        connection.send("fourth")
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* sent, ["first", "second", "third", "fourth"])
    }).pipe(Effect.provide(scripted([open()]))))

  // The reader is slow, so the connection outlasts its socket: its reader has not got to the end.
  const outlasting = [open(send("1", "2", "3", "4"), close(1013, "restart")), open()]
  const small = { inbox: { capacity: 2 } }

  it.effect("on a socket that has ended, a send with a deadline waits for the next one", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      const refused = yield* Effect.flip(connection.send("at once"))
      assert.strictEqual(refused.message, "The message could not be sent: the socket has ended.")
      const sending = yield* Effect.fork(Effect.all(["a", "b"].map((message) =>
        connection.send(message, { deadline: "1 minute" })), { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* sent, [])
      yield* Effect.fork(Stream.runDrain(connection.messages))
      yield* TestClock.adjust("20 seconds")
      yield* Fiber.join(sending)
      assert.deepStrictEqual(yield* sent, ["a", "b"])
    }).pipe(Effect.provide(scripted(outlasting, small))))

  it.effect("on a socket that has ended, the deadline of a send passes", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const sending = yield* Effect.fork(Effect.flip(connection.send("late", { deadline: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* sending).message, "The message was not sent: no connection opened within 1s.")
    }).pipe(Effect.provide(scripted(outlasting, small))))

  it.effect("a send that was interrupted or whose deadline passed while it waited is never sent", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      const interrupted = yield* Effect.fork(connection.send("interrupted", { deadline: "1 minute" }))
      const late = yield* Effect.fork(Effect.flip(connection.send("late", { deadline: "1 millis" })))
      const patient = yield* Effect.fork(connection.send("patient", { deadline: "1 minute" }))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(interrupted)
      assert.strictEqual((yield* late)._tag, "SendTimeout")
      yield* TestClock.adjust("30 seconds")
      yield* patient
      assert.deepStrictEqual(yield* sent, ["patient"])
    }).pipe(Effect.provide(scripted([fail(), open()]))))

  for (
    const [name, script] of [
      ["given up", [TestTransport.refuse(404)]],
      ["disconnected", [hang]]
    ] as const
  ) {
    it.effect(`sends that wait fail when the connection is ${name}`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        const waiting = yield* Effect.fork(Effect.all(["a", "b"].map((message) =>
          Effect.flip(connection.send(message, { deadline: "1 hour" }))), { concurrency: "unbounded" }))
        yield* TestClock.adjust("1 second")
        yield* connection.disconnect
        const errors = yield* Fiber.join(waiting)
        assert.deepStrictEqual(errors.map(({ _tag }) => _tag), ["NotConnected", "NotConnected"])
      }).pipe(Effect.provide(scripted(script))))
  }

  it.effect("a write that fails on one connection is not repeated on the next", () =>
    Effect.gen(function*() {
      const cut = yield* Deferred.make<void, ConnectionError.SendFailed>()
      const repeated: Array<Transport.Message> = []
      const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet }).pipe(
        Effect.provideService(Transport.Transport, rough((dial) =>
          Effect.succeed({
            ...idle,
            send: (message) => dial === 0 ? Deferred.await(cut) : Effect.sync(() => void repeated.push(message))
          })))
      )
      yield* connection.awaitOpen
      const sending = yield* Effect.fork(Effect.flip(connection.send("cut", { deadline: "1 hour" })))
      yield* TestClock.adjust("1 second")
      yield* connection.reconnect("test")
      yield* Deferred.fail(cut, new ConnectionError.SendFailed({ reason: "the socket ended before it was sent whole" }))
      assert.strictEqual((yield* sending)._tag, "SendFailed")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(repeated, [])
    }).pipe(Effect.scoped))

  it.effect("a send without a deadline does not wait behind one that waits", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const waiting = yield* Effect.fork(connection.send("patient", { deadline: "1 hour" }))
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* Effect.flip(connection.send("now")))._tag, "SendFailed")
      yield* Fiber.interrupt(waiting)
    }).pipe(Effect.provide(scripted(outlasting, small))))

  it.effect("a send that waits goes out on the connection after one that was lost", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      yield* TestClock.adjust("2 seconds")
      yield* connection.send("patient", { deadline: "1 minute" }).pipe(Effect.fork, Effect.tap(() => TestClock.adjust("30 seconds")), Effect.flatMap(Fiber.join))
      assert.deepStrictEqual(yield* sent, ["patient"])
    }).pipe(Effect.provide(scripted([open(wait("1 second"), reset), fail(), open()]))))
})
