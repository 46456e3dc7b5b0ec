// Whether all that is desired is had, and why not: on a scripted venue and the test clock.
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection } from "holdfast"
import { BinanceFeed, Venue } from "holdfast/binance"
import { Observe } from "holdfast/observe"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, asksForSymbols, asksForTickers, connection, tickers, trade } from "../utils/venue.ts"

const { fail, open, reset, send, wait } = TestTransport

const symbols = ["BTCUSDT", "ETHUSDT"]

// A REST interface on which trades of BTCUSDT go on, one a second, up to the hundredth.
const rest = Effect.map(Effect.clock, (clock) =>
  answers((url) => {
    if (asksForSymbols(url)) return { symbols: symbols.map((symbol) => ({ symbol })) }
    if (asksForTickers(url)) return tickers(url, symbols, (symbol) => symbol === "BTCUSDT" ? Math.min(Math.floor(clock.unsafeCurrentTimeMillis() / 1_000), 100) : 1)
    return []
  }))

const observed = (names: ReadonlyArray<string>, options: Omit<Observe.Options, "feeds"> = {}) =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
    yield* Effect.forkScoped(Effect.ignore(Stream.runDrain(feed.raw(names))))
    return yield* Observe.make({ feeds: [feed], desired: names, ...options })
  })

const told = (observe: Observe.Observe) =>
  Effect.map(observe.readiness, ({ ready, reasons }) => ({
    ready,
    reasons: reasons.map(({ connection, reason, streams }) => [reason, connection, streams.join(" ")])
  }))

const ready = { ready: true, reasons: [] }

const run = <A, E>(
  script: Parameters<typeof TestTransport.layer>[0],
  test: Effect.Effect<A, E, Effect.Effect.Context<ReturnType<typeof observed>>>
) =>
  Effect.flatMap(rest, (layer) => test.pipe(Effect.scoped, Effect.provide(layer), Effect.provide(TestTransport.layer(script))))

describe("readiness", () => {
  it.effect("is lost with the connection, and comes back with the acknowledgement", () =>
    run(
      [open(acknowledge, wait("1 second"), send(trade(1)), wait("1 second"), reset), fail(), open(wait("3 seconds"), acknowledge)],
      Effect.gen(function*() {
        const observe = yield* observed(["btcusdt@trade"])
        assert.deepStrictEqual(yield* told(observe), { ready: false, reasons: [["missing", null, "btcusdt@trade"]] })
        yield* TestClock.adjust("1500 millis")
        assert.deepStrictEqual(yield* told(observe), ready)
        // Lost after two seconds, refused after one more, open after two more. The second request is acknowledged.
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* told(observe), {
          ready: false,
          reasons: [["disconnected", "binance/stream#1", "btcusdt@trade"]]
        })
        const [reason] = (yield* observe.readiness).reasons
        assert.match(reason?.message ?? "", /^Connection binance\/stream#1 is reconnecting, and 1 stream with it\. The connection closed with code 1006/)
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(yield* told(observe), {
          ready: false,
          reasons: [["unacknowledged", "binance/stream#1", "btcusdt@trade"]]
        })
        yield* TestClock.adjust("8 seconds")
        assert.deepStrictEqual(yield* told(observe), ready)
      })
    ))

  it.effect("is kept by a quiet stream, and lost when REST shows newer data that did not arrive", () => {
    // It moves to another connection, which is silent for long, too.
    return run(
      [open(acknowledge, send(trade(1)), wait("1 day")), open(acknowledge, wait("1 minute"), send(trade(100)))],
      Effect.gen(function*() {
        const observe = yield* observed(["btcusdt@trade", "ethusdt@trade"])
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* told(observe), ready)
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(yield* told(observe), { ready: false, reasons: [["stale", "binance/stream#1", "btcusdt@trade"]] })
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(yield* told(observe), { ready: false, reasons: [["stale", "binance/stream#2", "btcusdt@trade"]] })
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(yield* told(observe), ready)
      })
    )
  }, 120_000)

  it.effect("names what has ended, and says why", () =>
    run(
      [open(acknowledge, wait("1 hour"))],
      Effect.gen(function*() {
        const observe = yield* observed(["btcusdt@trade"], {
          desired: ["btcusdt@trade", "dogeusdt@trade"],
          whyEnded: (stream) => stream === "dogeusdt@trade" ? "It was delisted." : undefined
        })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual((yield* observe.readiness).reasons, [{
          reason: "missing",
          connection: null,
          streams: ["dogeusdt@trade"],
          message: "1 desired stream has no subscription. It was delisted."
        }])
      })
    ))

  it.effect("is that of connections without a feed, too", () =>
    run(
      [open(wait("1 second"), reset), fail(), open()],
      Effect.gen(function*() {
        const chat = yield* Connection.make({
          url: "ws://chat.test",
          messageTimeout: Duration.infinity,
          reconnect: { jitterFactor: 0, initialDelay: "1 second" }
        })
        const observe = yield* Observe.make({ connections: { chat } })
        yield* TestClock.adjust("500 millis")
        assert.deepStrictEqual(yield* told(observe), ready)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* told(observe), { ready: false, reasons: [["disconnected", "chat", ""]] })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* told(observe), ready)
        yield* observe.disconnect("chat")
        assert.deepStrictEqual(yield* told(observe), { ready: false, reasons: [["disconnected", "chat", ""]] })
        assert.strictEqual((yield* Effect.flip(observe.rotate("chat"))).message, "Connection chat cannot do that. Only connections of a feed can be renewed.")
        assert.strictEqual((yield* Effect.flip(observe.rotate("other"))).message, "There is no connection other.")
      })
    ))

  it.effect("is told once to those who ask what has changed", () =>
    run(
      [open(acknowledge, wait("1 hour"))],
      Effect.gen(function*() {
        const observe = yield* observed(["btcusdt@trade"])
        yield* TestClock.adjust("1 second")
        const all = yield* observe.news(undefined)
        assert.isTrue(all.isWhole)
        assert.deepStrictEqual((yield* observe.news(all.version)).changes, [])
      })
    ))
})
