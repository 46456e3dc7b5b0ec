// Tests a program that uses a Connection: the test scripts the peer, and advances TestClock.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection } from "holdfast"
import { TestTransport } from "holdfast/testing"

// The program under test: sums the numbers it receives, and restarts from zero at each gap.
const sums = Effect.map(Connection.Connection, ({ items }) =>
  Stream.mapAccum(items, 0, (sum, item) => {
    const next = item._tag === "Gap" ? 0 : sum + Number(item.data)
    return [next, next]
  })).pipe(Stream.unwrap)

const PeerTest = TestTransport.layer([
  TestTransport.refuse(429, { retryAfter: "17 seconds" }),
  TestTransport.open(TestTransport.send("1", "2"), TestTransport.wait("10 seconds"), TestTransport.reset),
  TestTransport.open(TestTransport.send("5"))
])

describe("the sums", () => {
  it.effect("restart after an outage", () =>
    Effect.gen(function*() {
      const reading = yield* Effect.fork(Stream.runCollect(Stream.take(sums, 4)))
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual([...(yield* Fiber.join(reading))], [1, 3, 0, 5])

      const { dials } = yield* TestTransport.TestTransport
      assert.strictEqual((yield* dials).length, 3)
    }).pipe(Effect.provide(Connection.layer({ url: "ws://peer.test" }).pipe(Layer.provideMerge(PeerTest)))))
})
