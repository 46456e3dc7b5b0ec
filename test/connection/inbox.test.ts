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
  const behind = (count: number) => `${count} dropped: The consumer fell behind by more than 8 messages.`

  it.effect("suspend slows the peer down, and drops nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, numbers(1, 100))
    }).pipe(Effect.provide(slow("suspend"))))

  it.effect("sliding keeps the newest messages, after a gap that counts the dropped ones", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, [behind(92), ...numbers(93, 100)])
    }).pipe(Effect.provide(slow("sliding"))))

  it.effect("dropping keeps the oldest messages, before a gap that counts the dropped ones", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, [...numbers(1, 8), behind(92)])
    }).pipe(Effect.provide(slow("dropping"))))

  it.effect("fail gives the connection up, after the messages that fit", () =>
    Effect.gen(function*() {
      const { exit, texts } = yield* drain
      assert.deepStrictEqual(texts, numbers(1, 8))
      const ended = yield* exit
      const error = Exit.isFailure(ended) ? yield* Effect.flip(Effect.failCause(ended.cause)) : undefined
      assert.strictEqual(error?._tag, "InboxOverflow")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(Effect.provide(slow("fail"))))

  it.effect("a gap for dropped messages is also an event", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* drain
      const events = yield* collect(connection.events)
      const gaps = (yield* events.seen).flatMap((event) => event._tag === "Gap" ? [event.gap.dropped] : [])
      assert.deepStrictEqual(gaps, [92])
    }).pipe(Effect.provide(slow("sliding"))))

  it.effect("a reconnect counts the messages that waited for room", () =>
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
      // Messages that the peer had sent, but the socket had not read, are lost uncounted. The gap covers them too.
      assert.deepStrictEqual(seen, [...numbers(1, 8), [8, "ReconnectRequested"], "new"])
    }).pipe(
      Effect.provide(scripted([open(send(...numbers(1, 100))), open(send("new"))], { inbox: { capacity: 8 } }))
    ))

  it.effect("two readers both get every message, and the first also those from before it", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const one = yield* collect(connection.messages)
      const two = yield* collect(connection.messages)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* one.seen, ["early", "late", "later"])
      assert.deepStrictEqual(yield* two.seen, ["late", "later"])
    }).pipe(Effect.provide(scripted([open(send("early"), wait("5 seconds"), send("late"), reset), open(send("later"))]))))

  it.effect("an outage is a gap between the messages before and after it", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const items = yield* collect(connection.items)
      yield* TestClock.adjust("1 minute")
      const [a, gap, b] = yield* items.seen
      assert(a?._tag === "Data" && b?._tag === "Data" && gap?._tag === "Gap")
      assert.strictEqual(gap.epoch, 2)
      assert.deepStrictEqual(gap.downtime, Duration.seconds(7))
      assert.strictEqual(gap.dropped, 0)
      // The cause is the loss of the connection, not a failed dial after it.
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

  it.effect("an oversize message is not delivered, gets one retry, then fails the stream", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* messages.seen, ["fine", "fine"])
      const exit = yield* messages.exit
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert.strictEqual(error?.message, "The peer sent a message of more than 8 bytes.")
    }).pipe(
      Effect.provide(scripted(forever(open(send("fine", "much too long"))), { maxMessageBytes: 8 }))
    ))
})
