// Several streams that are read as one, and one of them ends.
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, asksForSymbols, combined, connection } from "../utils/venue.ts"

const { answer, open, send, wait } = TestTransport

const Request = Schema.parseJson(Schema.Struct({ id: Schema.Number, params: Schema.Array(Schema.String) }))

/** Refuses every request that names one of these topics. */
const refuse = (...topics: ReadonlyArray<string>) =>
  answer((message) => {
    const { id, params } = Schema.decodeUnknownSync(Request)(message)
    return [JSON.stringify(params.some((topic) => topics.includes(topic)) ? { error: { code: 2, msg: "Invalid request" }, id } : { result: null, id })]
  })

const trade = (symbol: string, t: number) =>
  combined(`${symbol.toLowerCase()}@trade`, { e: "trade", E: t, T: t, s: symbol, t, p: "1", q: "1", m: true })

const describeEvent = (event: MarketEvent.MarketEvent): string => {
  if (MarketEvent.isEnded(event)) return `${event.data.stream} ended: ${event.data.error._tag}`
  return MarketEvent.isGap(event) ? `gap in ${event.data.stream}` : `${event.symbol} ${event.type}`
}

const make = BinanceFeed.make({ venue: Venue.spot, connection })

const failureOf = <A, E>(exit: Exit.Exit<A, E>) => {
  assert(Exit.isFailure(exit))
  return Effect.flip(Effect.failCause(exit.cause))
}

const listing = (...symbols: ReadonlyArray<string>) =>
  answers((url) => asksForSymbols(url) ? { symbols: symbols.map((symbol) => ({ symbol })) } : [])

const market = (...dials: ReadonlyArray<TestTransport.Dial>) => Layer.merge(TestTransport.layer(dials), listing("BTCUSDT", "ETHUSDT"))

const several = market(open(
  refuse("ethusdt@trade"),
  wait("1 second"),
  send(trade("BTCUSDT", 1)),
  wait("59 seconds"),
  send(trade("BTCUSDT", 2))
))

const whole = ["ethusdt@trade ended: SubscriptionRefused", "BTCUSDT trade", "BTCUSDT trade"]

describe("of several streams, one that fails", () => {
  const readers: ReadonlyArray<
    readonly [
      how: string,
      read: (
        events: BinanceFeed.Events<MarketEvent.Trade | MarketEvent.Ended>,
        see: (event: MarketEvent.MarketEvent) => void
      ) => Effect.Effect<void, BinanceFeed.FeedError>
    ]
  > = [
    ["a stream", (events, see) => Stream.runForEach(events, (event) => Effect.sync(() => {
      see(event)
    }))],
    ["forEach", (events, see) => events.forEach((event) => Effect.sync(() => {
      see(event)
    }))],
    ["listen", (events, see) => events.listen((batch) => {
      batch.forEach(see)
    })]
  ]
  for (const [how, read] of readers) {
    it.scoped(`is told in its place, and the others go on: ${how}`, () =>
      Effect.gen(function*() {
        const feed = yield* make
        const seen: Array<string> = []
        const reading = yield* Effect.fork(read(feed.trades(["BTCUSDT", "ETHUSDT"]), (event) => seen.push(describeEvent(event))))
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(seen, whole)
        assert(Option.isNone(yield* Fiber.poll(reading)))
      }).pipe(Effect.provide(several)))
  }

  it.scoped("fails them with the last error once all have ended", () =>
    Effect.gen(function*() {
      const feed = yield* make
      const seen: Array<string> = []
      const exit = yield* Effect.exit(Stream.runForEach(feed.raw(["btcusdt@trad", "ethusdt@trade"]), (event) =>
        Effect.sync(() => seen.push(describeEvent(event)))))
      const error = yield* failureOf(exit)
      assert.strictEqual(error._tag, "SubscriptionRefused")
      assert.deepStrictEqual(seen, ["btcusdt@trad ended: StreamUnknown"])
    }).pipe(Effect.provide(several)))

  for (const symbols of ["ETHUSDT", ["ETHUSDT"], ["ETHUSDT", "ethusdt"]]) {
    it.scoped(`fails at once where it is the only one: ${JSON.stringify(symbols)}`, () =>
      Effect.gen(function*() {
        const feed = yield* make
        const error = yield* failureOf(yield* Effect.exit(Stream.runForEach(feed.trades(symbols), () => Effect.die("an event"))))
        assert.strictEqual(error._tag, "SubscriptionRefused")
      }).pipe(Effect.provide(several)))
  }

  it.scoped("fails them all where failOnEnded says so", () =>
    Effect.gen(function*() {
      const feed = yield* make
      const trades: Stream.Stream<MarketEvent.Trade | MarketEvent.Gap, BinanceFeed.FeedError> = feed.trades(["BTCUSDT", "ETHUSDT"]).pipe(MarketEvent.failOnEnded)
      const error = yield* failureOf(yield* Effect.exit(Stream.runDrain(trades)))
      assert.strictEqual(error._tag, "SubscriptionRefused")
    }).pipe(Effect.provide(several)))

  it.scoped("is asked for anew by the next reader", () =>
    Effect.gen(function*() {
      const feed = yield* make
      yield* Effect.fork(Stream.runDrain(feed.trades(["BTCUSDT", "ETHUSDT"])))
      yield* TestClock.adjust("30 seconds")
      const events = yield* Effect.fork(Stream.runCollect(Stream.take(feed.trades("ETHUSDT"), 1)))
      yield* TestClock.adjust("90 seconds")
      assert.lengthOf(yield* Fiber.join(events), 1)
    }).pipe(Effect.provide(market(open(refuse("ethusdt@trade"), wait("20 seconds"), acknowledge, wait("60 seconds"), send(trade("ETHUSDT", 1)))))))

  it.scoped("is no longer subscribed if the venue does not list its symbol", () =>
    Effect.gen(function*() {
      const feed = yield* make
      const seen: Array<string> = []
      yield* Effect.fork(Stream.runForEach(feed.trades(["BTCUSDT", "NOPEUSDT"]), (event) => Effect.sync(() => seen.push(describeEvent(event)))))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(seen, ["nopeusdt@trade ended: StreamUnknown"])
      assert.deepStrictEqual((yield* feed.subscriptions).map(({ topic }) => topic), ["btcusdt@trade"])
    }).pipe(Effect.provide(market(open(acknowledge)))))

  it.scoped("does not hide a defect, which ends them all", () =>
    Effect.gen(function*() {
      const feed = yield* make
      const reading = yield* Effect.fork(Effect.exit(Stream.runDrain(feed.trades(["BTCUSDT", "ETHUSDT"], (symbol) => ({ after: symbol === "BTCUSDT" ? 1 : undefined })))))
      yield* TestClock.adjust("2 minutes")
      const exit = yield* Fiber.join(reading)
      assert(Exit.isFailure(exit))
      assert.match(String(exit.cause), /a bug of the client/)
    }).pipe(
      Effect.provide(Layer.succeed(HttpClient.HttpClient, HttpClient.make(() => Effect.die("a bug of the client")))),
      Effect.provide(TestTransport.layer([open(acknowledge, wait("10 seconds"), send(trade("BTCUSDT", 5)))]))
    ))
})
