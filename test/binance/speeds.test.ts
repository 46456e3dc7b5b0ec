// How often the updates of a book come: the speeds of each venue.
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, Protocol, StreamKind, Venue } from "holdfast/binance"
import type { Venue as MarketVenue } from "holdfast/market"
import { Continuity, MarketFeed } from "holdfast/market"
import { TestTransport } from "holdfast/testing"
import { acknowledge, answers, connection, snapshot } from "../utils/venue.ts"

const { open } = TestTransport

const provide = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  effect.pipe(Effect.provide(TestTransport.layer([open(acknowledge), open(acknowledge)])), Effect.provide(answers(() => snapshot(1))))

const topicsOf = (feed: BinanceFeed.BinanceFeed) =>
  Effect.zipRight(TestClock.adjust("1 second"), Effect.map(feed.subscriptions, (all) => all.map(({ topic }) => topic)))

const venues: ReadonlyArray<readonly [venue: Venue.Venue, market: StreamKind.Documented["market"], usual: Venue.DepthSpeed]> = [
  [Venue.spot, "spot", "1000ms"],
  [Venue.us, "spot", "1000ms"],
  [Venue.futures, "usd-m", "250ms"],
  [Venue.futuresTestnet, "usd-m", "250ms"],
  [Venue.coinFutures, "coin-m", "250ms"]
]

for (const [venue, market, usual] of venues) {
  describe(`the speeds of ${venue.name}`, () => {
    it("are those that Binance documents", () => {
      for (const name of ["<symbol>@depth", "<symbol>@depth<levels>"]) {
        const row = StreamKind.documented.find((row) => row.market === market && row.name === name)
        assert.deepStrictEqual([...venue.depthSpeeds], [...row?.speeds ?? []])
      }
    })

    for (const speed of venue.depthSpeeds) {
      it.scoped(`are for books and their streams: ${speed}`, () =>
        provide(Effect.gen(function*() {
          const feed = yield* BinanceFeed.make({ venue, connection })
          yield* feed.orderBook("ABC", { speed })
          yield* Effect.forkScoped(Stream.runDrain(feed.depth("DEF", speed)))
          yield* Effect.forkScoped(Stream.runDrain(feed.partialDepth("GHI", 5, speed)))
          const end = speed === usual ? "" : `@${speed}`
          assert.deepStrictEqual(yield* topicsOf(feed), [`abc@depth${end}`, `def@depth${end}`, `ghi@depth5${end}`])
        })))
    }

    it.scoped("are the fastest by default", () =>
      provide(Effect.gen(function*() {
        const feed = yield* BinanceFeed.make({ venue, connection })
        yield* feed.orderBook("ABC")
        assert.deepStrictEqual(yield* topicsOf(feed), ["abc@depth@100ms"])
      })))
  })
}

describe("a speed that a venue does not have", () => {
  const wrong: ReadonlyArray<readonly [venue: Venue.Venue, speed: Venue.DepthSpeed, book: string, stream: string]> = [
    [
      Venue.spot,
      "250ms",
      `Expected one of 1000ms, 100ms, but received "250ms"`,
      "There is no stream abc@depth@250ms: it has no speed 250ms. The speeds are 1000ms, 100ms. Did you mean abc@depth@100ms?"
    ],
    [
      Venue.futures,
      "1000ms",
      `Expected one of 250ms, 500ms, 100ms, but received "1000ms"`,
      "There is no stream abc@depth@1000ms: it has no speed 1000ms. The speeds are 250ms, 500ms, 100ms. Did you mean abc@depth@100ms?"
    ]
  ]
  for (const [venue, speed, book, stream] of wrong) {
    it.scoped(`is refused: ${speed} at ${venue.name}`, () =>
      provide(Effect.gen(function*() {
        const feed = yield* BinanceFeed.make({ venue, connection })
        assert.strictEqual((yield* Effect.flip(feed.orderBook("ABC", { speed }))).message, book)
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(feed.depth("ABC", speed)))).message, stream)
      })))
  }

  it.scoped("is refused where a venue has no choice", () =>
    provide(Effect.gen(function*() {
      const kind: MarketVenue.Kind = { type: "depth", continuity: Continuity.unknown, decoder: () => MarketEvent.fromStream("abc@depth") }
      const stream = (name: string) => ({ name, symbol: name, group: "", kind })
      const feed = yield* MarketFeed.make({
        name: "example",
        protocol: { ...Protocol.make(5), cadence: () => "exempt" },
        endpoint: () => ({ url: "ws://example.test" }),
        stream,
        books: {
          stream: (symbol) => stream(symbol),
          rules: { idOf: () => 0, follows: () => true, levelsOf: () => [], timeOf: () => 0 },
          levels: (requested) => requested
        },
        limits: { topicsPerConnection: 1 }
      })
      assert.strictEqual(
        (yield* Effect.flip(feed.orderBook("ABC", { speed: "100ms" }))).message,
        `Expected no speed, since the venue has no choice, but received "100ms"`
      )
    })))
})
