// A woken fibre may run at once, inside the call that wakes it, or later. These tests hold under both: the project
// "eager fibres" of the test runner repeats them with a scheduler that runs fibres at once.
import { assert, describe, it } from "@effect/vitest"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection, Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { collect, forever, idle, quiet, rough, scripted } from "./scripted.ts"

const { answer, fail, open, send } = TestTransport

const numbers: NonEmptyReadonlyArray<string> = ["0", ...Array.from({ length: 99 }, (_, i) => String(i + 1))]
const tiny = { inbox: { capacity: 2 } }

describe("wakes", () => {
  // A socket that gives all messages as one batch, one second after it opened.
  const socket: Transport.Socket = {
    ...idle,
    receive: (handler) =>
      Effect.sleep("1 second").pipe(
        Effect.zipRight(Effect.suspend(() => handler(numbers) ?? Effect.void)),
        Effect.zipRight(Effect.never)
      )
  }

  for (const inbox of [{ capacity: 2 }, { maxBytes: 3 }]) {
    it.scoped(`a reader that makes room while the writer looks for it gets every message (${Object.keys(inbox).join()})`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet, inbox }).pipe(
          Effect.provideService(Transport.Transport, rough(() => Effect.succeed(socket)))
        )
        const messages = yield* collect(connection.messages)
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* messages.seen, numbers)
      }))
  }

  it.scoped("a reader gets the gap of dropped messages at once", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet, inbox: { capacity: 2, overflow: "dropping" } }).pipe(
        Effect.provideService(Transport.Transport, rough(() => Effect.succeed(socket)))
      )
      const items = yield* collect(connection.items)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* items.seen).map((item) => item._tag === "Gap" ? item.dropped : item.data), ["0", "1", 98])
    }))

  it.effect("a listener that comes while the socket waits for room gets the messages in order", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const seen: Array<unknown> = []
      yield* Effect.fork(connection.messages.listen((batch) => {
        seen.push(...batch)
      }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen, [...numbers])
    }).pipe(Effect.provide(scripted([open(send(...numbers))], tiny))))

  it.effect("a slow reader that leaves makes room for a listener's messages", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const seen: Array<unknown> = []
      const slow = yield* Effect.fork(connection.messages.forEach(() => Effect.never))
      yield* Effect.yieldNow()
      yield* Effect.fork(connection.messages.listen((batch) => {
        seen.push(...batch)
      }))
      yield* TestClock.adjust("1 second")
      assert.isBelow(seen.length, numbers.length)
      yield* slow.interruptAsFork(slow.id())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(seen.slice(-3), ["97", "98", "99"])
    }).pipe(Effect.provide(scripted([open(send(...numbers))], tiny))))

  it.effect("a message that waited goes out once, though its answer makes others follow", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      yield* Effect.fork(connection.messages.forEach((message) =>
        String(message).length < 6 ? connection.send(`${String(message)}+`, { deadline: "1 second" }) : Effect.void
      ))
      yield* Effect.forEach(["a", "b", "c"], (message) => Effect.fork(connection.send(message, { deadline: "1 minute" })))
      yield* TestClock.adjust("1 minute")
      const counts = new Map((yield* sent).map((message) => [String(message), 0]))
      for (const message of yield* sent) counts.set(String(message), (counts.get(String(message)) ?? 0) + 1)
      assert.deepStrictEqual([...counts].filter(([, count]) => count !== 1), [])
      assert.deepStrictEqual([...counts.keys()].filter((message) => message.length === 1), ["a", "b", "c"])
    }).pipe(Effect.provide(scripted([fail(), open(answer((message) => [message]))]))))

  it.effect("a reader of the state acts after the event of that state", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* Effect.fork(connection.changes.pipe(
        Stream.filter((state) => state._tag === "Connected" && state.epoch < 3),
        Stream.runForEach(() => connection.reconnect("at once"))
      ))
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 second")
      const tags = (yield* events.seen).map(({ _tag }) => _tag)
      assert.deepStrictEqual(tags, ["Dialling", "Opened", "Lost", "Dialling", "Opened", "Lost", "Dialling", "Opened"])
    }).pipe(Effect.provide(scripted(forever(open())))))

  it.effect("a reader of the state that dials again when the connection is given up does so after that event", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      let left = 2
      yield* Effect.fork(connection.changes.pipe(
        Stream.filter((state) => state._tag === "Failed" && left-- > 0),
        Stream.runForEach(() => connection.connect)
      ))
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 second")
      const tags = (yield* events.seen).map(({ _tag }) => _tag).filter((tag) => tag !== "AttemptFailed")
      assert.deepStrictEqual(tags, ["Dialling", "Failed", "Dialling", "Failed", "Dialling", "Failed"])
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { enabled: false } }))))
})
