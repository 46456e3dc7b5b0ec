import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { Connection, ConnectionError, DialGate, FailureClass } from "holdfast"
import { BinanceFeed, Failure, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"

const { open, refuse, reset } = TestTransport

const rejected = (status: number, retryAfter?: Duration.DurationInput) =>
  new ConnectionError.HandshakeRejected({
    status,
    retryAfter: Option.map(Option.fromNullable(retryAfter), Duration.decode),
    body: ""
  })

const classOf = (error: ConnectionError.AttemptError) => Failure.classify(error, FailureClass.classify(error))
const seconds = (n: number) => FailureClass.RetryAfter({ floor: Duration.seconds(n) })

const forever = function*(dial: TestTransport.Dial) {
  for (;;) yield dial
}

const dialTimes = Effect.flatMap(TestTransport.TestTransport, ({ dials }) => Effect.map(dials, (all) => all.map(({ at }) => at)))

const quick = { initialDelay: "100 millis", maxDelay: "100 millis", jitterFactor: 0, maxRetries: "unlimited" } as const
const quiet = { messageTimeout: Duration.infinity, pingInterval: Duration.infinity, reconnect: quick }

const withoutRest = HttpClient.make(() => Effect.never)

// Reads the trades of one symbol.
const reading = (options: Partial<BinanceFeed.Options> = {}) =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({ venue: Venue.spot, ...options, connection: { ...quiet, ...options.connection } })
    const fiber = yield* Effect.fork(feed.trades("BTCUSDT").forEach(() => Effect.void))
    yield* TestClock.adjust(0)
    return fiber
  }).pipe(Effect.provideService(HttpClient.HttpClient, withoutRest))

describe("status 418", () => {
  it("is retried after the ban; all other failures keep their standard class", () => {
    assert.deepStrictEqual([rejected(418), rejected(418, "17 seconds"), rejected(418, "3 days")].map(classOf), [5, 17, 3_600].map(seconds))
    for (const error of [rejected(404), rejected(429), rejected(503, "1 second"), new ConnectionError.InvalidUrl({ reason: "" })]) {
      assert.deepStrictEqual(classOf(error), FailureClass.classify(error))
    }
  })

  it("is not the only one that passes: 403 of the firewall does, too", () => {
    assert.deepStrictEqual(classOf(rejected(403)), seconds(10))
  })

  it.scoped("is retried by a connection with this classifier", () =>
    Effect.gen(function*() {
      yield* Connection.make({ ...quiet, url: "ws://peer.test", classify: Failure.classify })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* dialTimes, [0, 17_000])
    }).pipe(Effect.provide(TestTransport.layer([refuse(418, { retryAfter: "17 seconds" }), open()]))))

  it.scoped("is retried by a feed", () =>
    Effect.gen(function*() {
      yield* reading()
      yield* TestClock.adjust("18 seconds")
      assert.deepStrictEqual(yield* dialTimes, [0, 17_000])
    }).pipe(Effect.provide(TestTransport.layer([refuse(418, { retryAfter: "17 seconds" }), open()]))))

  it.scoped("makes the gate of a feed hold the next connection too", () =>
    Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection: quiet, streamsPerConnection: 1 }).pipe(
        Effect.provideService(HttpClient.HttpClient, withoutRest)
      )
      yield* Effect.fork(feed.trades("BTCUSDT").forEach(() => Effect.void))
      yield* TestClock.adjust("1 second")
      yield* Effect.fork(feed.trades("ETHUSDT").forEach(() => Effect.void))
      yield* TestClock.adjust("15 seconds")
      assert.deepStrictEqual(yield* dialTimes, [0])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* dialTimes, [0, 17_000, 17_000])
    }).pipe(Effect.provide(TestTransport.layer([refuse(418, { retryAfter: "17 seconds" }), open(), open()]))))

  it.scoped("is classified by the user of a feed last", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const fiber = yield* reading({
        connection: {
          classify: (_, standard) => {
            asked.push(standard._tag)
            return FailureClass.Fatal()
          }
        }
      })
      const error = yield* Effect.flip(Fiber.join(fiber))
      assert.strictEqual(error._tag, "HandshakeRejected")
      assert.deepStrictEqual(asked, ["RetryAfter"])
    }).pipe(Effect.provide(TestTransport.layer([refuse(418, { retryAfter: "17 seconds" })]))))
})

describe("the rate of dials", () => {
  const resets = TestTransport.layer(forever(open(reset)))

  it.scoped("is limited by a feed to 300 in five minutes", () =>
    Effect.gen(function*() {
      yield* reading()
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual((yield* dialTimes).length, 300)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* dialTimes).length, 600)
    }).pipe(Effect.provide(resets)))

  it.scoped("is limited by the gate that is provided instead", () =>
    Effect.gen(function*() {
      yield* reading()
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual((yield* dialTimes).length, 4 * 10)
    }).pipe(
      Effect.provide(resets),
      Effect.provide(DialGate.layer({ ...Venue.spot.dials, limit: 10, window: "1 minute" }))
    ))
})
