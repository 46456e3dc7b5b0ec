import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection, FailureClass } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { scripted, forever, dialTimes, waits, collect } from "./scripted.ts"

const { close, fail, open, reset, send, wait } = TestTransport

describe("backoff", () => {
  it.effect("waits 1, 2, 4, 8, 16, 32, 60, 60 seconds, then gives up", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [1, 2, 4, 8, 16, 32, 60, 60])
      const exit = yield* messages.exit
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert(error?._tag === "RetriesExhausted")
      assert.strictEqual(error.attempts, 8)
      assert.deepStrictEqual(error.elapsed, Duration.seconds(183))
      assert.deepStrictEqual(
        error.history.map(({ at }) => at / 1000),
        [0, 1, 3, 7, 15, 31, 63, 123, 183]
      )
      assert.strictEqual(error.last._tag, "DialFailed")
      assert.strictEqual(
        error.message,
        "Gave up after 8 retries in 3m 3s; the last failure: The dial failed with ECONNREFUSED: scripted."
      )
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { maxRetries: 8 } }))))

  // A clock that, like Effect's own, never wakes from a sleep longer than Node's timers allow.
  const withNodeTimers = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.clockWith((clock) =>
      Effect.withClock(effect, {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
        currentTimeMillis: clock.currentTimeMillis,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) => Duration.toMillis(duration) > 2 ** 31 - 1 ? Effect.never : clock.sleep(duration)
      }))

  it.effect("waits as long as the policy says, even for a month", () =>
    Effect.gen(function*() {
      const month = { initialDelay: "30 days", maxDelay: "30 days" } as const
      const context = yield* withNodeTimers(Layer.build(scripted([fail(), open()], { reconnect: month })))
      const connection = yield* Connection.Connection.pipe(Effect.provide(context))
      yield* TestClock.adjust("29 days")
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.scoped))

  it.effect("retries at once with an initial delay of zero, with the same states and events as after a wait", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const states = yield* collect(Stream.map(connection.changes, ({ _tag }) => _tag))
      const events = yield* collect(Stream.map(connection.events, ({ _tag }) => _tag))
      assert.deepStrictEqual(yield* states.seen, ["Connecting", "Reconnecting", "Connecting", "Reconnecting"])
      assert.deepStrictEqual(yield* events.seen, [
        "Dialling",
        "AttemptFailed",
        "Waiting",
        "Dialling",
        "AttemptFailed",
        "Waiting"
      ])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [0, 1, 2, 4])
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { initialDelay: 0, maxRetries: 4 } }))))

  it.effect("keeps waits with jitter below the cap, and spreads them", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const all = yield* waits
      assert.strictEqual(all.length, 40)
      all.forEach((seconds, n) => {
        const base = Math.min(2 ** n, 60)
        assert.isAtLeast(seconds, base * 0.75)
        assert.isAtMost(seconds, Math.min(base * 1.25, 60))
      })
      assert.isAtLeast(new Set(all.slice(6)).size, 30)
    }).pipe(
      Effect.provide(scripted(forever(fail()), { reconnect: { jitterFactor: 0.25, maxRetries: 40 } })),
      Effect.withRandom(Random.make("seed"))
    ))

  it.effect("never retries with maxRetries 0", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert(error._tag === "RetriesExhausted")
      assert.strictEqual(error.attempts, 0)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { maxRetries: 0 } }))))

  it.effect("never gives up with unlimited retries", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("10 hours")
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      assert.isAbove((yield* dialTimes).length, 590)
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { maxRetries: "unlimited" } }))))

  it.effect("does not give up after four proven connections with maxRetries 3", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("5 hours")
      assert.deepStrictEqual(yield* messages.seen, ["1", "2", "3", "4", "5"])
      assert.deepStrictEqual(yield* waits, [3601, 3601, 3601, 3601])
    }).pipe(
      Effect.provide(scripted(
        ["1", "2", "3", "4", "5"].map((text) => open(send(text), wait("1 hour"), reset)),
        { reconnect: { maxRetries: 3 } }
      ))
    ))

  it.effect("keeps growing when a server accepts and closes at once, until the budget is spent", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [1, 2, 4, 8])
      assert.strictEqual((yield* connection.state)._tag, "Failed")
    }).pipe(Effect.provide(scripted(forever(open(close(1000))), { reconnect: { maxRetries: 4 } }))))

  it.effect("keeps growing when a connection with a message is shorter than stableAfter", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [5, 6, 8])
    }).pipe(
      Effect.provide(scripted(forever(open(send("hello"), wait("4 seconds"), close())), {
        reconnect: { maxRetries: 3 }
      }))
    ))

  it.effect("keeps growing after long connections without a message, unless provenBy is open", () =>
    Effect.gen(function*() {
      const silent = forever(open(wait("10 seconds"), close()))
      const run = (provenBy: "message" | "open") =>
        Effect.zipRight(TestClock.adjust("44 seconds"), waits).pipe(
          Effect.provide(scripted(silent, { reconnect: { maxRetries: 3, provenBy } }))
        )
      assert.deepStrictEqual(yield* run("message"), [11, 12, 14])
      assert.deepStrictEqual(yield* run("open"), [11, 11, 11, 11])
    }))

  it.effect("starts over after a proven connection", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* waits, [1, 2, 4, 6 + 1, 2])
      const retries = (yield* events.seen).flatMap((event) =>
        event._tag === "Waiting" ? [[event.attempt, event.retriesLeft]] : []
      )
      assert.deepStrictEqual(retries, [[1, 2], [2, 1], [3, 0], [1, 2], [2, 1]])
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(
      Effect.provide(scripted([
        fail(),
        fail(),
        fail(),
        open(send("hello"), wait("6 seconds"), reset),
        fail(),
        open(send("again"))
      ], { reconnect: { maxRetries: 3 } }))
    ))
})

describe("an infinite wait", () => {
  it.effect("lasts until a reconnect is requested", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("30 days")
      assert.deepStrictEqual(yield* dialTimes, [0])
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      yield* connection.reconnect("enough")
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(scripted([fail(), open()], {
      classify: () => FailureClass.RetryAfter({ floor: Duration.infinity })
    }))))
})
