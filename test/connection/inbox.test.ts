import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { scripted, forever, dialTimes, collect } from "./scripted.ts"

const { fail, open, reset, send, wait } = TestTransport

describe("the inbox", () => {
  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i))
  const slow = (overflow: "suspend" | "sliding" | "dropping" | "fail") =>
    scripted([open(send(...numbers(1, 100)))], { inbox: { capacity: 8, overflow } })

  const drain = Effect.gen(function*() {
    const connection = yield* Connection.Connection
    yield* TestClock.adjust("1 second")
    const items = yield* collect(connection.items)
    yield* TestClock.adjust("1 second")
    const texts = (yield* items.seen).map((item) =>
      item._tag === "Data" ? String(item.data) : `${item.dropped} dropped: ${item.cause.message}`
    )
    return { texts, exit: items.exit }
  })
  const behind = (count: number) => `${count} dropped: The inbox is full: a reader is more than 8 messages behind. Read faster, or raise inbox.capacity.`

  it.effect("suspend holds the peer up, and loses nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, numbers(1, 100))
    }).pipe(Effect.provide(slow("suspend"))))

  it.effect("sliding keeps the newest, after a gap that counts the rest", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, [behind(92), ...numbers(93, 100)])
    }).pipe(Effect.provide(slow("sliding"))))

  it.effect("dropping keeps the oldest, with a gap that counts the rest after them", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, [...numbers(1, 8), behind(92)])
    }).pipe(Effect.provide(slow("dropping"))))

  it.effect("fail gives the connection up, after what had arrived", () =>
    Effect.gen(function*() {
      const { exit, texts } = yield* drain
      assert.deepStrictEqual(texts, numbers(1, 8))
      const ended = yield* exit
      const error = Exit.isFailure(ended) ? yield* Effect.flip(Effect.failCause(ended.cause)) : undefined
      assert.strictEqual(error?._tag, "InboxOverflow")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(Effect.provide(slow("fail"))))

  it.effect("the gap of drops is an event too", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* drain
      const events = yield* collect(connection.events)
      const gaps = (yield* events.seen).flatMap((event) => event._tag === "Gap" ? [event.gap.dropped] : [])
      assert.deepStrictEqual(gaps, [92])
    }).pipe(Effect.provide(slow("sliding"))))

  it.effect("what is lost on the way by a reconnect on request is counted", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      yield* connection.reconnect("enough")
      yield* TestClock.adjust("1 second")
      const items = yield* collect(connection.items)
      yield* TestClock.adjust("1 second")
      const seen = (yield* items.seen).map((item) =>
        item._tag === "Gap" ? [item.dropped, item.cause._tag] : item.data
      )
      // What the peer had sent and we had not read yet is gone with its connection: the gap stands for that as well.
      assert.deepStrictEqual(seen, [...numbers(1, 8), [8, "ReconnectRequested"], "new"])
    }).pipe(
      Effect.provide(scripted([open(send(...numbers(1, 100))), open(send("new"))], { inbox: { capacity: 8 } }))
    ))

  it.effect("two readers both get everything, from before the first of them on", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const one = yield* collect(connection.messages)
      const two = yield* collect(connection.messages)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* one.seen, ["early", "late", "later"])
      assert.deepStrictEqual(yield* two.seen, ["late", "later"])
    }).pipe(Effect.provide(scripted([open(send("early"), wait("5 seconds"), send("late"), reset), open(send("later"))]))))

  it.effect("an outage is a gap between the messages it separates", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const items = yield* collect(connection.items)
      yield* TestClock.adjust("1 minute")
      const [a, gap, b] = yield* items.seen
      assert(a?._tag === "Data" && b?._tag === "Data" && gap?._tag === "Gap")
      assert.strictEqual(gap.epoch, 2)
      assert.deepStrictEqual(gap.downtime, Duration.seconds(7))
      assert.strictEqual(gap.dropped, 0)
      // The cause is what broke the connection, not what kept it from coming back.
      assert.strictEqual(gap.cause._tag, "ConnectionClosed")
    }).pipe(
      Effect.provide(scripted([open(send("a"), reset), fail(), fail(), open(send("b"))]))
    ))

  it.effect("binary messages arrive as bytes", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const message = yield* Stream.runHead(connection.messages)
      assert.deepStrictEqual(message, Option.some(Uint8Array.of(1, 2, 3)))
    }).pipe(Effect.provide(scripted([open(send(Uint8Array.of(1, 2, 3)))]))))

  it.effect("an oversize message is not delivered, is tried once more, and then fails the stream", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* messages.seen, ["fine", "fine"])
      const exit = yield* messages.exit
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert.strictEqual(error?.message, "The peer sent a message of more than 8 bytes. Raise maxMessageBytes to accept it.")
    }).pipe(
      Effect.provide(scripted(forever(open(send("fine", "much too long"))), { maxMessageBytes: 8 }))
    ))
})
