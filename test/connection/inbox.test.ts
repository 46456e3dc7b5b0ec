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

  describe("is bounded in bytes", () => {
    const sized = (overflow: "suspend" | "sliding" | "dropping" | "fail") =>
      scripted([open(send(...numbers(10, 99)))], { inbox: { maxBytes: 16, overflow } })
    const bytesBehind = (count: number, maxBytes = 16) =>
      `${count} dropped: The inbox is full: a reader is more than ${maxBytes} bytes behind. Read faster, or raise inbox.maxBytes.`

    it.effect("suspend drops nothing", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual((yield* drain).texts, numbers(10, 99))
      }).pipe(Effect.provide(sized("suspend"))))

    it.effect("sliding keeps the newest messages that fit", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual((yield* drain).texts, [bytesBehind(82), ...numbers(92, 99)])
      }).pipe(Effect.provide(sized("sliding"))))

    it.effect("dropping keeps the oldest messages that fit", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual((yield* drain).texts, [...numbers(10, 17), bytesBehind(82)])
      }).pipe(Effect.provide(sized("dropping"))))

    it.effect("fail says which bound was reached", () =>
      Effect.gen(function*() {
        const { exit, texts } = yield* drain
        assert.deepStrictEqual(texts, numbers(10, 17))
        const ended = yield* exit
        const error = Exit.isFailure(ended) ? yield* Effect.flip(Effect.failCause(ended.cause)) : undefined
        assert(error?._tag === "InboxOverflow")
        assert.deepStrictEqual([error.bound, error.maxBytes], ["maxBytes", 16])
      }).pipe(Effect.provide(sized("fail"))))

    for (const { overflow, seen } of [
      { overflow: "suspend" as const, seen: ["much too long", "1", "also too long", "2"] },
      { overflow: "sliding" as const, seen: [bytesBehind(3, 8), "2"] },
      { overflow: "dropping" as const, seen: ["much too long", bytesBehind(3, 8)] }
    ]) {
      it.effect(`with ${overflow}, a message larger than the bound passes alone`, () =>
        Effect.gen(function*() {
          assert.deepStrictEqual((yield* drain).texts, seen)
        }).pipe(Effect.provide(scripted([open(send("much too long", "1", "also too long", "2"))], {
          inbox: { maxBytes: 8, overflow }
        }))))
    }

    it.effect("with sliding, the newest message stays however large it is", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual((yield* drain).texts, [bytesBehind(1, 8), "much too long"])
      }).pipe(Effect.provide(scripted([open(send("1", "much too long"))], { inbox: { maxBytes: 8, overflow: "sliding" } }))))

    it.effect("counts the bytes of binary messages", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual((yield* drain).texts, ["0,0,0,0,0,0", bytesBehind(2, 8)])
      }).pipe(Effect.provide(scripted([open(send(new Uint8Array(6), new Uint8Array(6), new Uint8Array(1)))], {
        inbox: { maxBytes: 8, overflow: "dropping" }
      }))))

    const mebibyte = 1024 * 1024
    const large = "x".repeat(mebibyte)

    it.effect("a reader takes no more than a mebibyte at once, and no message is lost or out of order", () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* TestClock.adjust("1 second")
        const batches: Array<ReadonlyArray<string>> = []
        yield* Effect.fork(Stream.runForEachChunk(connection.messages, (batch) =>
          Effect.sync(() => {
            batches.push([...batch].map((message) => String(message).slice(0, 1)))
          })))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(batches, [["a", "x"], ["x"], ["y", "z"]])
      }).pipe(Effect.provide(scripted([open(send("a", large.slice(2), large, "y", "z"))]))))

    for (const overflow of ["suspend", "sliding", "dropping"] as const) {
      it.effect(`with ${overflow}, a stuck reader keeps no more than that waiting`, () =>
        Effect.gen(function*() {
          const connection = yield* Connection.Connection
          let given = 0
          yield* Effect.fork(connection.messages.forEach(() =>
            Effect.suspend(() => {
              given++
              return Effect.never
            })
          ))
          yield* TestClock.adjust("1 second")
          yield* connection.disconnect
          assert.strictEqual(given, 1)
          const held = (yield* Stream.runCollect(connection.messages)).length
          assert.strictEqual(held, 4)
        }).pipe(
          Effect.provide(scripted([open(send(...Array.from({ length: 64 }, () => large)))], {
            inbox: { maxBytes: 4 * mebibyte, overflow }
          }))
        ))
    }

    it.effect("a bound of no bytes is refused", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Connection.make({ url: "ws://test", inbox: { maxBytes: 0 } }))
        assert.deepStrictEqual(error._op === "InvalidData" ? error.path : [], ["inbox.maxBytes"])
      }).pipe(Effect.scoped, Effect.provide(TestTransport.layer([]))))
  })

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
      assert.strictEqual(error?.message, "The peer sent a message of more than 8 bytes. Raise maxMessageBytes to accept it.")
    }).pipe(
      Effect.provide(scripted(forever(open(send("fine", "much too long"))), { maxMessageBytes: 8 }))
    ))
})
