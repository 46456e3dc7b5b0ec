// What is fetched for a gap, and what is not.
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

const { answer, open, send } = TestTransport

const Request = Schema.parseJson(Schema.Struct({ id: Schema.Number }))

// Acknowledges whatever it is asked.
const acknowledge = answer((message) => {
  const { id } = Schema.decodeUnknownSync(Request)(message)
  return [JSON.stringify({ result: null, id })]
})

const answers = (body: (query: URLSearchParams) => ReadonlyArray<unknown>) => {
  const asked: Array<string> = []
  const layer = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request, url) =>
      Effect.sync(() => {
        asked.push(url.search)
        return HttpClientResponse.fromWeb(request, new Response(JSON.stringify(body(url.searchParams))))
      })
    )
  )
  return { asked, layer }
}

const options: BinanceFeed.Options = {
  venue: Venue.spot,
  connection: { messageTimeout: Duration.infinity, pingInterval: Duration.infinity },
  repairLimit: 100
}

const seenBy = <A extends MarketEvent.MarketEvent>(
  events: (feed: BinanceFeed.BinanceFeed) => BinanceFeed.Events<A>,
  show: (event: A) => unknown
) =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make(options)
    const seen: Array<unknown> = []
    yield* Effect.forkScoped(Stream.runForEach(events(feed), (event) =>
      Effect.sync(() => {
        seen.push(MarketEvent.isGap(event) ? `${event.data.from} to ${event.data.to}: ${event.data.cause._tag}` : show(event))
      })))
    yield* TestClock.adjust("5 minutes")
    return seen
  })

describe("a repair", () => {
  it.scoped("by a venue that answers only with what is known is given up, and not asked for in a storm", () => {
    const trade = (id: number) => ({ id, price: "1", qty: "1", time: id, isBuyerMaker: true })
    const { asked, layer } = answers(() => Array.from({ length: 1_000 }, (_, i) => trade(i + 1)))
    const frame = (t: number) =>
      JSON.stringify({ stream: "btcusdt@trade", data: { e: "trade", E: t, T: t, s: "BTCUSDT", t, p: "1", q: "1", m: true } })
    return Effect.gen(function*() {
      const seen = yield* seenBy((feed) => feed.trades("BTCUSDT"), ({ data }) => "t" in data ? data.t : data)
      assert.deepStrictEqual(seen, [2_000, "2001 to 2009: NotServedYet", 2_010])
      assert.isAtMost(asked.length, 10)
    }).pipe(
      Effect.provide(TestTransport.layer([open(acknowledge, send(frame(2_000), frame(2_010)))])),
      Effect.provide(layer)
    )
  })

  for (const [missing, expected] of [[100, "fetches"], [101, "tells of a gap instead of"]] as const) {
    it.scoped(`${expected} ${missing} candles where 100 may be fetched`, () => {
      const minute = 60_000
      const candle = (t: number) => [t, "1", "1", "1", "1", "1", t + minute - 1, "1", 1, "1", "1", "0"]
      const { asked, layer } = answers((query) => {
        const [from, to] = [Number(query.get("startTime")), Number(query.get("endTime"))]
        return Array.from({ length: (to - from) / minute + 1 }, (_, i) => candle(from + i * minute))
      })
      const frame = (t: number) =>
        JSON.stringify({
          stream: "btcusdt@kline_1m",
          data: {
            e: "kline",
            E: t,
            s: "BTCUSDT",
            k: { t, T: t + minute - 1, s: "BTCUSDT", i: "1m", f: 1, L: 2, o: "1", c: "1", h: "1", l: "1", v: "1", n: 1, x: true, q: "1", V: "1", Q: "1" }
          }
        })
      const after = (missing + 1) * minute
      return Effect.gen(function*() {
        const seen = yield* seenBy((feed) => feed.klines("BTCUSDT", "1m"), ({ data }) => "k" in data ? data.k.t : data)
        if (missing === 100) {
          assert.deepStrictEqual(seen, Array.from({ length: 102 }, (_, i) => i * minute))
        } else {
          assert.deepStrictEqual(seen, [0, `${minute} to ${after - 1}: HoleTooLarge`, after])
          assert.deepStrictEqual(asked, [])
        }
      }).pipe(
        Effect.provide(TestTransport.layer([open(acknowledge, send(frame(0), frame(after)))])),
        Effect.provide(layer)
      )
    })
  }
})
