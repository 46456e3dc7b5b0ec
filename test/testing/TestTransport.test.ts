import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"

const dial = Effect.flatMap(Transport.Transport, (transport) =>
  transport.dial({
    url: Redacted.make("ws://peer.test"),
    protocols: [],
    headers: {},
    maxMessageBytes: 1_000,
    closeTimeout: Duration.seconds(1)
  }))

describe("a scripted socket", () => {
  it.scoped("delivers a message that arrives during the handler after the handler has returned", () =>
    Effect.gen(function*() {
      const socket = yield* dial
      const log: Array<string> = []
      const receiving = yield* Effect.fork(Effect.flip(socket.receive((batch) => {
        log.push(`${String(batch)} begins`)
        if (!batch.includes("bye")) Effect.runSync(socket.send(batch[0]))
        log.push(`${String(batch)} is done`)
      })))
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(log, ["hello begins", "hello is done", "who? begins", "who? is done", "bye begins", "bye is done"])
      // The socket ended while the handler ran with "who?", after "bye" had arrived.
      assert.strictEqual((yield* Fiber.join(receiving))._tag, "MessageTooLarge")
    }).pipe(Effect.provide(TestTransport.layer([
      TestTransport.open(
        TestTransport.answer((message) => message === "hello" ? ["who?"] : ["bye", "x".repeat(2_000)]),
        TestTransport.send("hello"),
        TestTransport.wait("1 second"),
        TestTransport.close()
      )
    ]))))

  it.scoped("stops sending at its high-water mark while the client does not receive", () =>
    Effect.gen(function*() {
      const socket = yield* dial
      yield* TestClock.adjust("1 second")
      const sizes: Array<number> = []
      yield* Effect.flip(socket.receive((batch) => {
        sizes.push(batch.length)
      }))
      assert.deepStrictEqual(sizes, [16, 4])
    }).pipe(Effect.provide(TestTransport.layer([
      TestTransport.open(TestTransport.send(...Array.from({ length: 20 }, String)), TestTransport.close())
    ]))))
})
