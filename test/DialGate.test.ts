import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { Connection, ConnectionError, DialGate, FailureClass } from "holdfast"
import { TestTransport } from "holdfast/testing"

const { fail, open, refuse } = TestTransport

const connect = (host = "peer.test") =>
  Connection.make({
    url: `ws://${host}`,
    messageTimeout: Duration.infinity,
    pingInterval: Duration.infinity,
    reconnect: { initialDelay: "100 millis", maxDelay: "100 millis", jitterFactor: 0, maxRetries: "unlimited" }
  })

const dialTimes = Effect.gen(function*() {
  const { dials } = yield* TestTransport.TestTransport
  return (yield* dials).map(({ at }) => at)
})

const forever = function*(entry: TestTransport.Dial) {
  for (;;) yield entry
}

const assertTenAMinute = (times: ReadonlyArray<number>) => {
  times.forEach((time, i) => {
    assert.isTrue(i < 10 || time - (times[i - 10] ?? 0) > 60_000)
  })
}

describe("a dial gate", () => {
  it.scoped("keeps to the limit in any window, and lets waiting dials through later", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 25 }), () => connect())
      yield* TestClock.adjust("3 minutes")
      const times = yield* dialTimes
      assert.strictEqual(times.length, 25)
      assertTenAMinute(times)
    }).pipe(
      Effect.provide(TestTransport.layer(forever(open()))),
      Effect.provide(DialGate.layer({ limit: 10, window: "1 minute" }))
    ))

  it.scoped("asks its budget at the moment of each dial, so that two processes can share one limit", () => {
    const asked: Array<string> = []
    // A limit of ten a minute that both gates share.
    const budget = Effect.map(Effect.makeSemaphore(10), (permits): DialGate.Budget => ({
      take: (host) =>
        Effect.sync(() => asked.push(host)).pipe(
          Effect.zipRight(permits.take(1)),
          Effect.zipRight(Effect.forkDaemon(Effect.delay(permits.release(1), "61 seconds")))
        )
    }))
    return Effect.gen(function*() {
      const shared = yield* budget
      for (const gate of [DialGate.make({ budget: shared }), DialGate.make({ budget: shared })]) {
        yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.provideService(connect(), DialGate.DialGate, gate))
      }
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* dialTimes).length, 10)
      yield* TestClock.adjust("2 minutes")
      const times = yield* dialTimes
      assert.strictEqual(times.length, 16)
      assertTenAMinute(times)
      assert.deepStrictEqual(new Set(asked), new Set(["peer.test:80"]))
    }).pipe(Effect.provide(TestTransport.layer(forever(open()))))
  })

  for (const [how, take] of [
    ["fails", Effect.fail<unknown>("the database is away")],
    ["dies", Effect.die("a bug")]
  ] as const) {
    it.scoped(`keeps to its own limit while its budget ${how}`, () =>
      Effect.gen(function*() {
        yield* Effect.forEach(Array.from({ length: 25 }), () => connect())
        yield* TestClock.adjust("3 minutes")
        const times = yield* dialTimes
        assert.strictEqual(times.length, 25)
        assertTenAMinute(times)
      }).pipe(
        Effect.provide(TestTransport.layer(forever(open()))),
        Effect.provide(DialGate.layer({ limit: 10, window: "1 minute", budget: { take: () => take } }))
      ))
  }

  it.scoped("can be left while its budget grants nothing, and openTimeout has not begun", () =>
    Effect.gen(function*() {
      const connection = yield* connect()
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* connection.state)._tag, "Connecting")
      yield* connection.disconnect
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
      assert.deepStrictEqual(yield* dialTimes, [])
    }).pipe(
      Effect.provide(TestTransport.layer(forever(open()))),
      Effect.provide(DialGate.layer({ budget: { take: () => Effect.never } }))
    ))

  it.scoped("probes with one dial at a time after five failures in a row", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 10 }), () => connect())
      yield* TestClock.adjust("63 seconds")
      const times = yield* dialTimes
      const [previous = 0, last = 0] = times.slice(-2)
      assert.strictEqual(last - previous, 30_000)
      assert.isAtMost(times.length, 17)
    }).pipe(
      Effect.provide(TestTransport.layer(forever(fail()))),
      Effect.provide(DialGate.layer())
    ))

  it.scoped("makes dials that wait for the limit probe one at a time if the host goes down meanwhile", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 25 }), () => connect())
      yield* TestClock.adjust("20 minutes")
      const times = yield* dialTimes
      // Each dial hangs until openTimeout.
      times.slice(10).forEach((time, i) => {
        assert.isAtLeast(time - (times[i + 9] ?? 0), 10_000)
      })
      assert.isAbove(times.length, 30)
    }).pipe(
      Effect.provide(TestTransport.layer(forever(TestTransport.hang))),
      Effect.provide(DialGate.layer({ limit: 10, window: "1 minute" }))
    ))

  it.scoped("lets dials that wait for a probe through when the host is back, within the limit", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 25 }), () => connect())
      yield* TestClock.adjust("20 minutes")
      const times = yield* dialTimes
      assert.strictEqual(times.length, 10 + 25)
      assertTenAMinute(times)
    }).pipe(
      Effect.provide(TestTransport.layer((function*() {
        for (let i = 0; i < 10; i++) yield TestTransport.hang
        yield* forever(open())
      })())),
      Effect.provide(DialGate.layer({ limit: 10, window: "1 minute" }))
    ))

  it.scoped("lets all dials through after one has succeeded", () =>
    Effect.gen(function*() {
      const connections = yield* Effect.forEach(Array.from({ length: 6 }), () => connect())
      yield* TestClock.adjust("1 minute")
      for (const connection of connections) assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(
      Effect.provide(TestTransport.layer((function*() {
        for (let i = 0; i < 8; i++) yield fail()
        yield* forever(open())
      })())),
      Effect.provide(DialGate.layer())
    ))

  it.scoped("has at most one dial under way while the host is down", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 10 }), () => connect())
      const transport = yield* TestTransport.TestTransport
      // The first ten dials begin before any has failed.
      yield* TestClock.adjust("11 seconds")
      for (let i = 0; i < 30; i++) {
        yield* TestClock.adjust("5 seconds")
        assert.isAtMost(yield* transport.open, 1)
      }
      assert.isAtLeast((yield* dialTimes).length, 13)
    }).pipe(
      Effect.provide(TestTransport.layer(forever(TestTransport.hang))),
      Effect.provide(DialGate.layer())
    ))

  it.scoped("resets the failure count when the host is back", () =>
    Effect.gen(function*() {
      yield* connect()
      yield* TestClock.adjust("1 minute")
      const times = yield* dialTimes
      // Five failures, a probe 1 second later that stays open for 10 seconds, then the usual retries.
      assert.deepStrictEqual(times.slice(1).map((time, i) => time - (times[i] ?? 0)), [100, 100, 100, 100, 1_000, 10_100, 100])
    }).pipe(
      Effect.provide(TestTransport.layer((function*() {
        for (let i = 0; i < 5; i++) yield fail()
        yield open(TestTransport.send("hello"), TestTransport.wait("10 seconds"), TestTransport.reset)
        yield fail()
        yield* forever(open())
      })())),
      Effect.provide(DialGate.layer())
    ))

  it.scoped("makes all dials to a host wait for one Retry-After, but not those to other hosts", () =>
    Effect.gen(function*() {
      yield* connect()
      yield* TestClock.adjust(0)
      yield* connect()
      yield* connect("other.test")
      yield* TestClock.adjust("16900 millis")
      assert.strictEqual((yield* dialTimes).length, 2)
      yield* TestClock.adjust("200 millis")
      assert.strictEqual((yield* dialTimes).length, 4)
    }).pipe(
      Effect.provide(TestTransport.layer((function*() {
        yield refuse(429, { retryAfter: "17 seconds" })
        yield* forever(open())
      })())),
      Effect.provide(DialGate.layer())
    ))

  it.scoped("has no limit by default", () =>
    Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 1_000 }), () => connect())
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* dialTimes).length, 1_000)
    }).pipe(
      Effect.provide(TestTransport.layer(forever(open()))),
      Effect.provide(DialGate.layer())
    ))

  it.effect("makes all dials wait for a failure that classify makes a RetryAfter", () =>
    Effect.gen(function*() {
      const refused = new ConnectionError.HandshakeRejected({ status: 509, retryAfter: Option.some(Duration.seconds(17)), body: "" })
      const classify: FailureClass.Classify = (error, standard) =>
        error._tag === "HandshakeRejected" && error.status === 509 ? FailureClass.obey(error.retryAfter) : standard
      const dialAfterRefusal = (options: DialGate.Options) =>
        Effect.gen(function*() {
          const gate = DialGate.make(options).through("peer.test")
          const before = yield* Clock.currentTimeMillis
          yield* Effect.ignore(gate(refused))
          const dialled = yield* Effect.fork(gate(Clock.currentTimeMillis))
          yield* TestClock.adjust("1 minute")
          return (yield* Fiber.join(dialled)) - before
        })
      assert.strictEqual(yield* dialAfterRefusal({ classify }), 17_000)
      assert.strictEqual(yield* dialAfterRefusal({}), 0)
    }))

  it.effect("counts a dial for the whole window", () =>
    Effect.gen(function*() {
      const gate = DialGate.make({ limit: 1, window: "10 seconds" }).through("peer.test")
      yield* gate(Effect.void)
      yield* TestClock.adjust("9 seconds")
      const dialled = yield* Effect.fork(gate(Clock.currentTimeMillis))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(dialled), 10_001)
    }))

  it.effect("makes dials that already wait for the limit wait for a later Retry-After too", () =>
    Effect.gen(function*() {
      const gate = DialGate.make({ limit: 1, window: "10 seconds" }).through("peer.test")
      const refused = new ConnectionError.HandshakeRejected({
        status: 429,
        retryAfter: Option.some(Duration.seconds(60)),
        body: ""
      })
      yield* Effect.fork(Effect.ignore(gate(Effect.delay(refused, "2 seconds"))))
      yield* TestClock.adjust("1 second")
      const dialled = yield* Effect.fork(gate(Clock.currentTimeMillis))
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* Fiber.join(dialled), 62_000)
    }))

  it.scoped("does not count the wait against openTimeout", () =>
    Effect.gen(function*() {
      yield* connect()
      const waiting = yield* connect()
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* waiting.state)._tag, "Connected")
      assert.strictEqual((yield* dialTimes).length, 2)
    }).pipe(
      Effect.provide(TestTransport.layer(forever(open()))),
      Effect.provide(DialGate.layer({ limit: 1, window: "1 minute" }))
    ))
})

describe("the options of a dial gate", () => {
  const isOptions = (options: unknown): options is DialGate.Options => typeof options === "object"
  const refused = [
    [{ limit: Number.NaN }, `limit: Expected a whole number from 1, but received "NaN"`],
    [{ limit: 0 }, `limit: Expected a whole number from 1, but received "0"`],
    [{ limit: -1 }, `limit: Expected a whole number from 1, but received "-1"`],
    [{ limit: 1, window: "soon" }, `window: Expected a duration, such as "20 seconds", but received "soon"`],
    [{ limit: 1, window: 0 }, `window: Expected a duration longer than zero, but received "0"`],
    [{ failures: 0 }, `failures: Expected a whole number from 1, but received "0"`]
  ] as const
  for (const [given, sentence] of refused) {
    it.effect(`are refused at once: ${sentence}`, () =>
      Effect.gen(function*() {
        const options: unknown = given
        assert(isOptions(options))
        const dial = DialGate.make(options).through("peer.test")(Effect.void)
        for (const started of [dial, Effect.provide(DialGate.DialGate, DialGate.layer(options))]) {
          const defect = yield* Effect.flip(Effect.catchAllDefect(started, Effect.fail))
          assert.strictEqual(defect instanceof Error ? defect.message : defect, `The options of the dial gate are wrong. ${sentence}.`)
        }
      }))
  }
})
