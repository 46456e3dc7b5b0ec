import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { Connection, ConnectionError, Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { closed, collect, forever, idle, quiet, rough, scripted, waits } from "./scripted.ts"

const { close, expect, hang, open, send, wait } = TestTransport

const numbers = Array.from({ length: 100 }, (_, i) => String(i))

describe("the protocol's handshake", () => {
  const login = (handshake: Connection.Handshake) =>
    Effect.zipRight(
      handshake.send("login"),
      Effect.iterate("", { while: (answer) => answer !== "welcome", body: () => handshake.receive })
    )

  it.effect("is sent before the user's messages, and no message that arrives during it is lost", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      const messages = yield* collect(connection.messages)
      yield* Effect.fork(connection.send("order", { deadline: "1 minute" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* sent, ["login"])
      assert.strictEqual((yield* connection.state)._tag, "Connecting")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* sent, ["login", "order"])
      assert.deepStrictEqual(yield* messages.seen, ["early", "welcome", "late"])
    }).pipe(
      Effect.provide(scripted([open(expect("login"), send("early"), wait("2 seconds"), send("welcome", "late"))], {
        onOpen: login
      }))
    ))

  it.effect("sees all messages before its answer, even more than the inbox holds", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      assert.deepStrictEqual(yield* messages.seen, ["one", "two", "three", "four", "welcome"])
    }).pipe(Effect.provide(scripted([open(
      expect("login"),
      ...["one", "two", "three", "four", "welcome"].flatMap((message) => [send(message), wait("10 millis")])
    )], { inbox: { capacity: 2 }, onOpen: login }))))

  it.effect("lets the peer wait while it does not look at the messages, and loses none", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* messages.seen, numbers)
    }).pipe(Effect.provide(scripted([open(send(...numbers))], {
      inbox: { maxBytes: 16 },
      onOpen: () => Effect.sleep("2 seconds")
    }))))

  it.effect("fails if it asks for more messages than the inbox may hold in bytes", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert(error._tag === "OnOpenFailed" && error.cause instanceof ConnectionError.InboxOverflow)
      assert.deepStrictEqual([error.cause.bound, error.cause.maxBytes], ["maxBytes", 16])
    }).pipe(Effect.provide(scripted([open(expect("login"), ...numbers.map((message) => send(message)))], {
      inbox: { maxBytes: 16 },
      onOpen: login,
      reconnect: { enabled: false }
    }))))

  it.effect("keeps the messages that came with its answer for a later reader, even if the socket ends at once", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 minute")
      const items = yield* collect(connection.items)
      yield* TestClock.adjust("1 minute")
      const seen = (yield* items.seen).map((item) => item._tag === "Gap" ? item.dropped : item.data)
      assert.deepStrictEqual(seen, ["1", "2", "3", "welcome", 0, "4", "5", "welcome"])
    }).pipe(
      Effect.provide(scripted([
        open(expect("login"), send("1", "2", "3", "welcome"), close(1001)),
        open(expect("login"), send("4", "5", "welcome"), close(1001)),
        hang
      ], { onOpen: login, inbox: { capacity: 4 }, openTimeout: "1 hour" }))
    ))

  it.effect("keeps the messages that came after it stopped receiving, even if the socket ends first", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* messages.seen, ["hello", "late"])
    }).pipe(
      Effect.provide(scripted([open(send("hello"), wait("2 seconds"), send("late"), close(1001)), hang], {
        onOpen: ({ receive }) =>
          receive.pipe(
            Effect.zipRight(Effect.timeoutOption(receive, "1 second")),
            Effect.zipRight(Effect.sleep("4 seconds"))
          ),
        openTimeout: "1 hour"
      }))
    ))

  it.effect("that fails, dies or never completes is a failed attempt", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [1, 2, 14])
      const causes = (yield* events.seen).flatMap((event) =>
        event._tag === "AttemptFailed" ? [event.cause.message] : []
      )
      assert.deepStrictEqual(causes, [
        "The handshake onOpen failed: wrong password.",
        "The handshake onOpen failed: boom.",
        "The connection did not open within 10s.",
        "The handshake onOpen failed: wrong password."
      ])
      const { open: stillOpen } = yield* TestTransport.TestTransport
      assert.strictEqual(yield* stillOpen, 0)
    }).pipe(
      Effect.provide(scripted(forever(open(send("data"))), {
        reconnect: { maxRetries: 3 },
        onOpen: (() => {
          const answers: Array<Effect.Effect<void, string>> = [
            Effect.fail("wrong password"),
            Effect.die(new Error("boom")),
            Effect.never
          ]
          return () => answers.shift() ?? Effect.fail("wrong password")
        })()
      }))
    ))

  it.effect("fails with the close if the socket closes during it", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 4001)
    }).pipe(
      Effect.provide(scripted([open(expect("login"), close(4001, "bad key"))], {
        onOpen: login,
        reconnect: { enabled: false }
      }))
    ))

  it.effect("does not open the connection if it completes after the loss, before its fibre has ended", () =>
    Effect.forEach(Array.from({ length: 30 }, (_, turns) => turns), (turns) =>
      Effect.gen(function*() {
        const pinged = yield* Deferred.make<void>()
        const ping = Effect.zipRight(Deferred.succeed(pinged, undefined), closed)
        const connection = yield* Connection.make({
          url: "ws://peer.test",
          ...quiet,
          pingInterval: "1 second",
          onOpen: () => Effect.zipRight(Deferred.await(pinged), Effect.repeatN(Effect.yieldNow(), turns))
        }).pipe(Effect.provideService(Transport.Transport, rough(() => Effect.succeed({ ...idle, ping }))))
        const events = yield* collect(connection.events)
        yield* TestClock.adjust("1 second")
        const tags = (yield* events.seen).map(({ _tag }) => _tag).join(" ")
        // The connection opened before the loss, or not at all.
        assert.include(["Dialling Opened Lost Waiting", "Dialling AttemptFailed Waiting"], tags, `after ${turns} turns`)
      }).pipe(Effect.scoped)))
})
