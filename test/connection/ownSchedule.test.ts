import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection, ReconnectPolicy } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { bug, collect, dialTimes, forever, quiet, waits } from "./scripted.ts"

const { close, fail, open, refuse, reset, send, wait } = TestTransport

const scheduled = (
  script: Iterable<TestTransport.Dial>,
  reconnect: Schedule.Schedule<unknown, ReconnectPolicy.Loss>,
  options: Partial<Connection.Options> = {}
) =>
  Connection.layer({ url: "ws://peer.test", ...quiet, ...options, reconnect }).pipe(
    Layer.provideMerge(TestTransport.layer(script))
  )

const composed = ReconnectPolicy.exponential("2 seconds", 3).pipe(
  ReconnectPolicy.capped("10 seconds"),
  ReconnectPolicy.recurs(4)
)

describe("a given schedule", () => {
  it.effect("decides the waits; when it ends, the connection is given up", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [2, 6, 10, 10])
      const exit = yield* messages.exit
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert(error?._tag === "RetriesExhausted")
      assert.strictEqual(error.attempts, 4)
      assert.deepStrictEqual(error.elapsed, Duration.seconds(28))
      assert.strictEqual(error.history.length, 5)
      assert.strictEqual(error.last._tag, "DialFailed")
    }).pipe(Effect.provide(scheduled(forever(fail()), composed))))

  it.effect("may have random waits", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const all = yield* waits
      assert.strictEqual(all.length, 40)
      for (const seconds of all.slice(2)) {
        assert.isAtLeast(seconds, 5)
        assert.isAtMost(seconds, 10)
      }
      assert.isAbove(new Set(all).size, 30)
    }).pipe(
      Effect.provide(scheduled(
        forever(fail()),
        ReconnectPolicy.exponential("2 seconds", 3).pipe(
          ReconnectPolicy.capped("10 seconds"),
          ReconnectPolicy.jittered(0.5, "10 seconds"),
          ReconnectPolicy.recurs(40)
        )
      )),
      Effect.withRandom(Random.make("seed"))
    ))

  it.effect("gets the facts of each loss", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      // The schedule waits as long as the connection was open, and 1 second after a failed dial.
      assert.deepStrictEqual(yield* waits, [1, 3 + 3, 1])
    }).pipe(Effect.provide(scheduled(
      [fail(), open(send("hello"), wait("3 seconds"), reset), fail(), open()],
      Schedule.identity<ReconnectPolicy.Loss>().pipe(
        Schedule.addDelay(({ openFor, opened }) => opened ? openFor : "1 second")
      )
    ))))

  it.effect("starts over after a proven connection, and only then", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      // One connection is open for ten seconds, the next for one.
      assert.deepStrictEqual(yield* waits, [2, 6, 10 + 2, 6, 1 + 10, 10])
      assert.strictEqual((yield* connection.state)._tag, "Failed")
    }).pipe(Effect.provide(scheduled([
      fail(),
      fail(),
      open(send("hello"), wait("10 seconds"), reset),
      fail(),
      open(send("hello"), wait("1 second"), close()),
      fail(),
      fail(),
      fail()
    ], composed))))

  it.effect("has an unknown number of remaining retries", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 minute")
      const retries = (yield* events.seen).flatMap((event) =>
        event._tag === "Waiting" ? [[event.attempt, event.retriesLeft]] : []
      )
      assert.deepStrictEqual(retries, [[1, "unknown"], [2, "unknown"]])
    }).pipe(Effect.provide(scheduled([fail(), fail(), open()], composed))))

  it.effect("does not decide about a fatal failure", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* dialTimes, [0])
      const state = yield* connection.state
      assert(state._tag === "Failed")
      assert.strictEqual(state.error._tag, "HandshakeRejected")
    }).pipe(Effect.provide(scheduled([refuse(404), open()], composed))))

  it.effect("does not override the limit of a Limited failure", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [2, 6, 10])
      const state = yield* connection.state
      assert(state._tag === "Failed")
      assert.strictEqual(state.error._tag, "ConnectionClosed")
    }).pipe(Effect.provide(scheduled(forever(open(close(1008))), composed))))

  it.effect("waits no shorter than the server asks for", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      const [first, second] = yield* waits
      assert.isAtLeast(first ?? 0, 17)
      assert.isAtMost(first ?? 0, 17 * 1.25)
      assert.strictEqual(second, 6)
    }).pipe(Effect.provide(scheduled([refuse(429, { retryAfter: "17 seconds" }), fail(), open()], composed))))

  it.effect("with a bug ends the messages with that defect", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const exit = yield* Effect.exit(Stream.runDrain(connection.messages))
      assert(Exit.isFailure(exit))
      assert.deepStrictEqual(Chunk.toReadonlyArray(Cause.defects(exit.cause)), [bug])
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
    }).pipe(Effect.provide(scheduled([fail(), open()], Schedule.mapEffect(composed, () => Effect.die(bug))))))

  it.effect("that interrupts ends the messages with a defect too", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const exit = yield* Effect.exit(Stream.runDrain(connection.messages))
      assert.isTrue(Exit.isInterrupted(exit))
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
    }).pipe(Effect.provide(scheduled([fail(), open()], Schedule.mapEffect(composed, () => Effect.interrupt)))))
})

describe("reconnect", () => {
  // Each dial after a connection fails once.
  const script = function*() {
    for (;;) {
      yield open(send("hello"))
      yield fail()
    }
  }

  const replacedDaily = Effect.gen(function*() {
    const connection = yield* Connection.Connection
    for (let day = 0; day < 5; day++) {
      yield* TestClock.adjust("1 day")
      yield* connection.reconnect("once a day")
    }
    yield* TestClock.adjust("1 day")
    assert.strictEqual((yield* connection.state)._tag, "Connected")
    const day = Duration.toSeconds("1 day")
    assert.deepStrictEqual((yield* dialTimes).map((seconds) => seconds % day), [0, 0, 2, 0, 2, 0, 2, 0, 2, 0, 2])
  })

  it.effect("of a proven connection makes a given schedule start over", () =>
    replacedDaily.pipe(Effect.provide(scheduled(
      script(),
      ReconnectPolicy.exponential("2 seconds", 3).pipe(ReconnectPolicy.recurs(3))
    ))))

  it.effect("of a proven connection makes a policy start over", () =>
    replacedDaily.pipe(Effect.provide(
      Connection.layer({
        url: "ws://peer.test",
        ...quiet,
        reconnect: { initialDelay: "2 seconds", maxRetries: 3, jitterFactor: 0 }
      }).pipe(Layer.provideMerge(TestTransport.layer(script())))
    )))
})
