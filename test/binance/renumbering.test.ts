// A venue that begins its ids anew, as test networks do when they are emptied.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { BinanceFeed, MarketEvent, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"

const { answer, open, reset, send, wait } = TestTransport

const Request = Schema.parseJson(Schema.Struct({ id: Schema.Number }))

// Acknowledges whatever it is asked.
const acknowledge = answer((message) => {
  const { id } = Schema.decodeUnknownSync(Request)(message)
  return [JSON.stringify({ result: null, id })]
})

const connection = {
  messageTimeout: Duration.infinity,
  pingInterval: Duration.infinity,
  reconnect: { jitterFactor: 0, stableAfter: 0 }
} as const

const answers = (body: () => unknown) =>
  Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) => Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(JSON.stringify(body())))))
  )

const minute = 60_000
// What a venue says before it begins anew, and after.
const epochs = (...epochs: ReadonlyArray<ReadonlyArray<string>>) =>
  TestTransport.layer(epochs.map((frames) => open(acknowledge, wait("1 second"), send(...frames), wait("1 second"), reset)))

const trade = (t: number, T: number) =>
  JSON.stringify({ stream: "btcusdt@trade", data: { e: "trade", E: T, T, s: "BTCUSDT", t, p: "1", q: "1", m: true } })

const depth = (u: number, E: number) =>
  JSON.stringify({
    stream: "btcusdt@depth@100ms",
    data: { e: "depthUpdate", E, s: "BTCUSDT", U: u, u, b: [["1.0", String(u)]], a: [] }
  })

const seenBy = (events: (feed: BinanceFeed.BinanceFeed) => BinanceFeed.Events<MarketEvent.MarketEvent>) =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
    const seen: Array<unknown> = []
    yield* Effect.forkScoped(Stream.runForEach(events(feed), (event) =>
      Effect.sync(() => {
        const { data } = event
        if (MarketEvent.isGap(event)) seen.push(`gap from ${event.data.from}: ${event.data.cause.message}`)
        else if ("t" in data) seen.push(data.t)
        else if ("u" in data) seen.push(data.u)
      })))
    yield* TestClock.adjust("20 seconds")
    return seen
  }).pipe(Effect.provide(answers(() => [])))

const anew = "What is missing here cannot be fetched. The venue's ids begin anew."

describe("ids that begin anew", () => {
  it.scoped("are told of by a gap without an end, and followed", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"))
      assert.deepStrictEqual(seen, [1_000, 1_001, 1_002, `gap from 1003: ${anew}`, 3, 4])
    }).pipe(Effect.provide(epochs(
      [trade(1_000, 1), trade(1_001, 2), trade(1_000, 1), trade(1_002, 2)],
      // What is older comes twice: that is nothing new.
      [trade(1, 2), trade(2, minute), trade(3, 2 * minute), trade(4, 2 * minute), trade(3, 2 * minute)]
    ))))

  it.scoped("are followed by whoever goes on from an id of the old ones", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT", { after: 9_000 }))
      assert.deepStrictEqual(seen, [`gap from 9001: ${anew}`, 3, 4])
    }).pipe(Effect.provide(epochs([trade(1, minute), trade(2, minute + 1), trade(3, 3 * minute), trade(4, 3 * minute)]))))

  it.scoped("are told of where updates of a book are read", () =>
    Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.depth("BTCUSDT"))
      assert.deepStrictEqual(seen, [900, 901, `gap from 902: ${anew}`, 7, 8])
    }).pipe(Effect.provide(epochs([depth(900, 1), depth(901, 2)], [depth(900, 1), depth(7, 2 * minute), depth(8, 2 * minute)]))))

  it.scoped("make a book take a new snapshot", () => {
    let lastUpdateId = 900
    return Effect.gen(function*() {
      const feed = yield* BinanceFeed.make({ venue: Venue.spot, connection })
      const book = yield* feed.orderBook("BTCUSDT")
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 901)
      lastUpdateId = 8
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual((yield* book.top(1)).lastUpdateId, 9)
    }).pipe(
      Effect.provide(TestTransport.layer([
        open(acknowledge, send(depth(901, 1)), wait("2 seconds"), reset),
        open(acknowledge, send(depth(901, 1), depth(7, 2 * minute)), wait("1 second"), send(depth(8, 2 * minute), depth(9, 2 * minute)))
      ])),
      Effect.provide(answers(() => ({ lastUpdateId, bids: [["1.0", "1"]], asks: [["1.1", "2"]] })))
    )
  })
})
