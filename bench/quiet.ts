/**
 * Measures the memory of streams that have no data: of a feed that reads 10,000 of them as one stream, over scripted connections. Run
 * it with `node --expose-gc --import tsx bench/quiet.ts`.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BinanceFeed, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"

const few = 1_000
const many = 11_000

const symbolOf = (i: number) => `S${i}USDT`

const acknowledge = TestTransport.answer((message) => [JSON.stringify({ result: null, id: Number(/"id":(\d+)/.exec(String(message))?.[1]) })])

const kinds = ["trades", "klines"] as const
type Kind = (typeof kinds)[number]

const rest = Layer.succeed(
  HttpClient.HttpClient,
  HttpClient.make((request, url) => {
    const isList = url.pathname.endsWith("/exchangeInfo")
    const body = isList ? `{"symbols":[${Array.from({ length: many }, (_, i) => `{"symbol":"${symbolOf(i)}"}`).join()}]}` : "[]"
    return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(body)))
  })
)

const settled = Effect.gen(function*() {
  for (let i = 0; i < 4; i++) {
    yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
    globalThis.gc?.()
  }
  return process.memoryUsage().heapUsed
})

const heapWith = (kind: Kind, count: number) =>
  Effect.gen(function*() {
    const feed = yield* BinanceFeed.make({
      venue: Venue.make({ ws: "ws://127.0.0.1", rest: "http://127.0.0.1" }),
      connection: { messageTimeout: Duration.infinity, pingInterval: Duration.infinity }
    })
    const symbols = Array.from({ length: count }, (_, i) => symbolOf(i))
    const events = kind === "trades" ? feed.trades(symbols) : feed.klines(symbols, "1m")
    yield* Effect.forkScoped(events.listen(() => undefined))
    yield* Effect.sleep("20 seconds")
    const subscribed = (yield* feed.subscriptions).length
    if (subscribed !== count) return yield* Effect.dieMessage(`Only ${subscribed} of ${count} streams are subscribed.`)
    return yield* settled
  }).pipe(
    Effect.scoped,
    Effect.provide(TestTransport.layer(Array.from({ length: 40 }, () => TestTransport.open(acknowledge)))),
    Effect.provide(rest)
  )

const program = Effect.forEach(kinds, (kind) =>
  Effect.gen(function*() {
    // What all feeds need is in both figures.
    const small = yield* heapWith(kind, few)
    const large = yield* heapWith(kind, many)
    yield* Console.log(`${kind}: ${((large - small) / (many - few) / 1_024).toFixed(2)} KiB of heap for each quiet stream`)
  }))

void Effect.runPromise(program)
