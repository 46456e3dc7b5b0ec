import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { Rest, Venue } from "holdfast/binance"
import type { RequestListener, Server } from "node:http"
import { createServer } from "node:http"

// A venue that answers its requests with these in turn, and all later ones with an empty list.
const venue = (...answers: ReadonlyArray<Response>) => {
  const asked: Array<string> = []
  const client = HttpClient.make((request, url) => {
    asked.push(`${url.pathname}${url.search}`)
    return Effect.succeed(HttpClientResponse.fromWeb(request, answers[asked.length - 1] ?? new Response("[]")))
  })
  return { asked, rest: Effect.provideService(Rest.make(Venue.spot), HttpClient.HttpClient, client) }
}

const refused = (status: number, retryAfter?: string) =>
  new Response(`{"code":-1003,"msg":"Too much request weight used."}`, {
    status,
    ...(retryAfter === undefined ? {} : { headers: { "retry-after": retryAfter } })
  })

describe("the REST client", () => {
  it.effect("waits as long as Retry-After says, for all its users", () =>
    Effect.gen(function*() {
      const { asked, rest } = venue(refused(429, "17"))
      const { aggTrades } = yield* rest
      const one = yield* Effect.fork(aggTrades("BTCUSDT", 1))
      yield* TestClock.adjust("1 second")
      const other = yield* Effect.fork(aggTrades("ETHUSDT", 1))
      yield* TestClock.adjust("15 seconds")
      assert.strictEqual(asked.length, 1)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual([yield* Fiber.join(one), yield* Fiber.join(other)], [[], []])
    }))

  it.effect("fails at once when a ban is longer than a request may wait", () =>
    Effect.gen(function*() {
      const { asked, rest } = venue(refused(418, String(3 * 24 * 3_600)))
      const { aggTrades } = yield* rest
      const error = yield* Effect.flip(aggTrades("BTCUSDT", 1))
      assert(error._tag === "RestLimited")
      assert.strictEqual(error.status, 418)
      assert.strictEqual(error.message, "The venue refused the request aggTrades with status 418. The next request follows after 3d.")
      // It sends no request before the ban is over.
      yield* TestClock.adjust("1 day")
      const later = yield* Effect.flip(aggTrades("BTCUSDT", 1))
      assert(later._tag === "RestLimited")
      assert.deepStrictEqual(later.retryAfter, Duration.days(2))
      assert.strictEqual(asked.length, 1)
      yield* TestClock.adjust("2 days")
      assert.deepStrictEqual(yield* aggTrades("BTCUSDT", 1), [])
    }))

  it.effect("retries a request without an answer until it gives up", () =>
    Effect.gen(function*() {
      const { asked, rest } = venue(...Array.from({ length: 1_000 }, () => refused(503)))
      const { aggTrades } = yield* rest
      const asking = yield* Effect.fork(Effect.exit(aggTrades("BTCUSDT", 1)))
      yield* TestClock.adjust("6 minutes")
      const exit = yield* Fiber.join(asking)
      assert(Exit.isFailure(exit))
      const error = yield* Effect.flip(Effect.failCause(exit.cause))
      assert.strictEqual(error.message, "The request aggTrades failed: status 503.")
      assert.isAbove(asked.length, 10)
    }))

  it.effect("does not retry a rejected request", () =>
    Effect.gen(function*() {
      const { asked, rest } = venue(new Response(`{"code":-1121,"msg":"Invalid symbol."}`, { status: 400 }))
      const { trades } = yield* rest
      const error = yield* Effect.flip(trades("NOSUCH", 1))
      assert.strictEqual(error.message, "The venue refused the request historicalTrades with status 400: Invalid symbol (-1121).")
      assert.strictEqual(asked.length, 1)
    }))

  for (const [what, status, body] of [
    ["Binance's firewall", 403, "<html><body>403 Forbidden</body></html>"],
    ["a timeout", 408, ""],
    ["the filter of a country", 451, "{}"],
    ["-1000", 400, `{"code":-1000,"msg":"An unknown error occurred."}`],
    ["-1001", 400, `{"code":-1001,"msg":"Internal error."}`],
    ["-1003", 400, `{"code":-1003,"msg":"Too many requests queued."}`],
    ["-1007", 400, `{"code":-1007,"msg":"Timeout."}`],
    ["-1008", 503, `{"code":-1008,"msg":"Server is currently overloaded."}`],
    ["a page without a code", 400, "<html>Bad Request</html>"]
  ] as const) {
    it.effect(`tries again after a refusal that may pass: ${what}`, () =>
      Effect.gen(function*() {
        const { asked, rest } = venue(...Array.from({ length: 2 }, () => new Response(body, { status })), new Response("[]"))
        const { aggTrades } = yield* rest
        const asking = yield* Effect.fork(aggTrades("BTCUSDT", 1))
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(yield* Fiber.join(asking), [])
        assert.strictEqual(asked.length, 3)
      }))
  }

  for (const [what, status, body, code] of [
    ["no such symbol", 400, `{"code":-1121,"msg":"Invalid symbol."}`, -1121],
    ["no such interval", 400, `{"code":-1120,"msg":"Invalid interval."}`, -1120],
    ["no key", 401, `{"code":-2014,"msg":"API-key format invalid."}`, -2014],
    ["no such method", 405, "<html>Method Not Allowed</html>", undefined]
  ] as const) {
    it.effect(`takes a refusal for final that says so: ${what}`, () =>
      Effect.gen(function*() {
        const { asked, rest } = venue(new Response(body, { status }))
        const { aggTrades } = yield* rest
        const error = yield* Effect.flip(aggTrades("BTCUSDT", 1))
        assert(error._tag === "RestRejected")
        assert.strictEqual(error.code, code)
        assert.strictEqual(asked.length, 1)
      }))
  }

  it.effect("keeps to the weight limit in every minute", () =>
    Effect.gen(function*() {
      const { asked, rest } = venue()
      const { depth } = yield* rest
      yield* Effect.fork(Effect.all(
        Array.from({ length: 60 }, () => Effect.ignore(depth("BTCUSDT", 5_000))),
        { concurrency: "unbounded" }
      ))
      yield* TestClock.adjust("1 second")
      // 250 each, of 90 % of 6,000.
      assert.strictEqual(asked.length, 21)
      yield* TestClock.adjust("58 seconds")
      assert.strictEqual(asked.length, 21)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(asked.length, 42)
    }))

  const sharing: ReadonlyArray<readonly [name: string, venues: readonly [Venue.Venue, Venue.Venue], clients: number]> = [
    ["COIN-M and USD-M futures", [Venue.futures, Venue.coinFutures], 1],
    ["clients of one venue", [Venue.futures, Venue.futures], 1],
    ["spot and futures", [Venue.spot, Venue.futures], 2]
  ]
  for (const [name, venues, limits] of sharing) {
    it.effect(`shares ${limits === 1 ? "the" : "no"} weight limit between ${name}`, () =>
      Effect.gen(function*() {
        const asked: Array<string> = []
        const client = HttpClient.make((request, url) => {
          asked.push(url.host)
          return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(`{"symbols":[]}`)))
        })
        for (const venue of venues) {
          const { symbols } = yield* Effect.provideService(Rest.make({ ...venue, weightPerMinute: 100 }), HttpClient.HttpClient, client)
          yield* Effect.fork(Effect.all(Array.from({ length: 200 }, () => Effect.ignore(symbols)), { concurrency: "unbounded" }))
        }
        yield* TestClock.adjust("59 seconds")
        // 1 each of 90 % of 100 on futures, and 20 on spot.
        assert.strictEqual(asked.length, limits === 1 ? 90 : 90 + 4)
      }))
  }

  it.effect("is held for all clients of a limit by a refusal of one", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const client = HttpClient.make((request, url) => {
        asked.push(url.host)
        const status = url.host === "dapi.binance.com" ? 429 : 200
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response(`{"symbols":[]}`, { status, headers: { "retry-after": "30" } })))
      })
      const coin = yield* Effect.provideService(Rest.make(Venue.coinFutures), HttpClient.HttpClient, client)
      const usd = yield* Effect.provideService(Rest.make(Venue.futures), HttpClient.HttpClient, client)
      yield* Effect.fork(Effect.ignore(coin.symbols))
      yield* TestClock.adjust("1 second")
      yield* Effect.fork(usd.symbols)
      yield* TestClock.adjust("28 seconds")
      assert.deepStrictEqual(asked, ["dapi.binance.com"])
      yield* TestClock.adjust("2 seconds")
      assert.include(asked, "fapi.binance.com")
    }))

  it.effect("is not made with an option out of range", () =>
    Effect.gen(function*() {
      const client = HttpClient.make(() => Effect.never)
      const refusals = yield* Effect.forEach(
        [{ timeout: 0 }, { timeout: "-1 seconds" }, { giveUpAfter: Number.NaN }] satisfies ReadonlyArray<Rest.Options>,
        (options) =>
          Effect.map(
            Effect.flip(Effect.provideService(Rest.make(Venue.spot, options), HttpClient.HttpClient, client)),
            (error) => error._op === "InvalidData" ? `${error.path.join(".")}: ${error.message}` : error._op
          )
      )
      assert.deepStrictEqual(refusals, [
        `timeout: Expected a duration longer than zero, but received "0"`,
        `timeout: Expected a duration, such as "20 seconds", but received "-1 seconds"`,
        `giveUpAfter: Expected a duration, such as "20 seconds", but received "NaN"`
      ])
    }))

  it.effect("shows neither the path nor the query of its URL, in errors and in spans", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const native = yield* Effect.tracer
      const tracer = Tracer.make({
        ...native,
        span: (...args) => {
          const span = native.span(...args)
          spans.push(span)
          return span
        }
      })
      const client = HttpClient.make((request, url) =>
        Effect.succeed(HttpClientResponse.fromWeb(
          request,
          Response.json({ code: -1100, msg: `no route ${url.pathname}${url.search} for ${request.headers["authorization"] ?? "nobody"}.` }, { status: 404 })
        ))
      )
      const { aggTrades } = yield* Rest.make(Venue.make({ ws: "ws://peer.test", rest: "http://me:PASSWORD@peer.test/PATHSECRET" })).pipe(
        Effect.provideService(HttpClient.HttpClient, client)
      )
      const error = yield* Effect.flip(Effect.withTracer(aggTrades("BTCUSDT", 1), tracer))
      assert(error._tag === "RestRejected")
      assert.strictEqual(error.message, "The venue refused the request aggTrades with status 404: no route … for nobody (-1100).")
      assert.notMatch(JSON.stringify(spans.map(({ attributes, name }) => [name, ...attributes])), /PASSWORD|PATHSECRET|BTCUSDT/)
    }))
})

const json = (body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}) =>
  new Response(JSON.stringify(body), { status, headers })

const stored = (id: number, extra: object = {}) => ({ id, price: "1", qty: "1", time: id, isBuyerMaker: true, ...extra })
const aggregated = (a: number) => ({ a, p: "1", q: "1", f: a, l: a, T: a, m: true })
const minute = 60_000
const candle = (t: number, T = t + minute - 1) => [t, "1", "1", "1", "1", "1", T, "1", 1, "1", "1", "0"]

describe("a refusal that passes", () => {
  const refusals: ReadonlyArray<readonly [name: string, refusal: () => Response]> = [
    ["403 of a firewall", () => new Response("<HTML><H1>403 ERROR</H1>Request blocked.</HTML>", { status: 403 })],
    ["404 of a proxy", () => new Response("<h1>Not Found</h1>", { status: 404 })],
    ["408", () => new Response("", { status: 408 })],
    ["410", () => new Response("", { status: 410 })],
    ["451", () => new Response(null, { status: 451 })],
    ["302", () => new Response(null, { status: 302, headers: { location: "http://elsewhere.test" } })],
    ["503 with the code of an unknown symbol", () => json({ code: -1121, msg: "Invalid symbol." }, 503)],
    ...[-1000, -1001, -1003, -1004, -1006, -1007, -1008, -1016, -1034].map((code) =>
      [`400 with ${code}`, () => json({ code, msg: "Try again." }, 400)] as const)
  ]
  for (const [name, refusal] of refusals) {
    it.effect(`is asked again: ${name}`, () =>
      Effect.gen(function*() {
        // The request is answered after four minutes.
        let asked = 0
        let isOver = false
        const client = HttpClient.make((request) => {
          asked++
          return Effect.sync(() => HttpClientResponse.fromWeb(request, isOver ? json([aggregated(1)]) : refusal()))
        })
        const { aggTrades } = yield* Effect.provideService(Rest.make(Venue.spot), HttpClient.HttpClient, client)
        const asking = yield* Effect.fork(aggTrades("BTCUSDT", 1))
        for (let i = 0; i < 24; i++) yield* TestClock.adjust("10 seconds")
        isOver = true
        yield* TestClock.adjust("11 seconds")
        assert.strictEqual((yield* Fiber.join(asking)).length, 1)
        assert.isAtMost(asked, 40)
      }))
  }

  it.effect("says its status and the venue's words when it lasts", () =>
    Effect.gen(function*() {
      const client = HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, json({ code: -1008, msg: "Server is overloaded." }, 400))))
      const { aggTrades } = yield* Effect.provideService(Rest.make(Venue.spot, { giveUpAfter: 0 }), HttpClient.HttpClient, client)
      const error = yield* Effect.flip(aggTrades("BTCUSDT", 1))
      assert.strictEqual(error.message, "The request aggTrades failed: status 400: Server is overloaded (-1008).")
    }))
})

describe("an answer", () => {
  // The first answer is wrong, the second is right.
  const again = (venue: Venue.Venue, wrong: string, right: unknown, headers: Readonly<Record<string, string>> = {}) => {
    const answers = [() => new Response(wrong, { headers }), () => json(right)]
    let asked = 0
    const client = HttpClient.make((request) =>
      Effect.sync(() => HttpClientResponse.fromWeb(request, (answers[asked++] ?? (() => json(right)))())))
    return {
      asked: () => asked,
      rest: Effect.provideService(Rest.make(venue), HttpClient.HttpClient, client)
    }
  }

  it.effect("is put in order, and has each trade once", () =>
    Effect.gen(function*() {
      const { rest } = venue(json([9, 7, 7, 8, 10, 8].map((id) => stored(id))), json([3, 2, 1].map(aggregated)))
      const { aggTrades, trades } = yield* rest
      assert.deepStrictEqual((yield* trades("BTCUSDT", 7)).map(({ t }) => t), [7, 8, 9, 10])
      assert.deepStrictEqual((yield* aggTrades("BTCUSDT", 1)).map(({ a }) => a), [1, 2, 3])
    }))

  it.effect("has candles in order, and each once", () =>
    Effect.gen(function*() {
      const { rest } = venue(json([candle(2 * minute), candle(0), candle(minute), candle(0)]))
      const { klines } = yield* rest
      assert.deepStrictEqual((yield* klines("BTCUSDT", "1m", 0, 2 * minute)).map(({ k }) => k.t), [0, minute, 2 * minute])
    }))

  it.effect("has the levels of a book in order", () =>
    Effect.gen(function*() {
      const { rest } = venue(json({ lastUpdateId: 1, bids: [["9.5", "1"], ["10", "1"]], asks: [["100", "1"], ["11", "1"]] }))
      const { depth } = yield* rest
      const { asks, bids } = yield* depth("BTCUSDT", 5)
      assert.deepStrictEqual([bids, asks], [[["10", "1"], ["9.5", "1"]], [["11", "1"], ["100", "1"]]])
    }))

  const wrongTrades: ReadonlyArray<readonly [name: string, body: string]> = [
    ["HTML", "<html><body>Maintenance</body></html>"],
    ["cut off", `[{"id":7,"price":"1","qty":"1"`],
    ["empty", ""],
    ["of another shape", `{"code":0}`],
    ["trades from before", JSON.stringify([1, 2, 3, 7].map((id) => stored(id)))],
    ["an id that is no number of a trade", JSON.stringify([stored(7), stored(1.5)])],
    ["two trades with one id", JSON.stringify([stored(7), stored(7, { price: "2" })])],
    ["more trades than were asked for", JSON.stringify(Array.from({ length: 1_001 }, (_, i) => stored(7 + i)))],
    ["too deep", "[".repeat(100_000)]
  ]
  for (const [name, body] of wrongTrades) {
    it.effect(`is asked for again: ${name}`, () =>
      Effect.gen(function*() {
        const { asked, rest } = again(Venue.spot, body, [stored(7), stored(8)])
        const { trades } = yield* rest
        const asking = yield* Effect.fork(trades("BTCUSDT", 7))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual((yield* Fiber.join(asking)).map(({ t }) => t), [7, 8])
        assert.strictEqual(asked(), 2)
      }))
  }

  const wrongCandles: ReadonlyArray<readonly [name: string, page: ReadonlyArray<unknown>]> = [
    ["of another interval", [candle(0, 5 * minute - 1)]],
    ["that overlap", [candle(0), candle(minute / 2)]],
    ["that end before they open", [candle(minute, 0)]],
    ["from before", [candle(-minute), candle(0)]],
    ["from after", [candle(0), candle(10 * minute)]],
    ["that differ at one moment", [candle(0), [...candle(0).slice(0, 5), "2", ...candle(0).slice(6)]]]
  ]
  for (const [name, page] of wrongCandles) {
    it.effect(`is asked for again: candles ${name}`, () =>
      Effect.gen(function*() {
        const { asked, rest } = again(Venue.spot, JSON.stringify(page), [candle(0), candle(minute)])
        const { klines } = yield* rest
        const asking = yield* Effect.fork(klines("BTCUSDT", "1m", 0, 2 * minute))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual((yield* Fiber.join(asking)).map(({ k }) => k.t), [0, minute])
        assert.strictEqual(asked(), 2)
      }))
  }

  const wrongBooks: ReadonlyArray<readonly [name: string, side: ReadonlyArray<readonly [string, string]>]> = [
    ["more levels than were asked for", Array.from({ length: 6 }, (_, i) => [`1${i}`, "1"] as const)],
    ["a price twice", [["10.0", "1"], ["10.00", "2"]]]
  ]
  for (const [name, asks] of wrongBooks) {
    it.effect(`is asked for again: a book with ${name}`, () =>
      Effect.gen(function*() {
        const wrong = { lastUpdateId: 1, bids: [], asks }
        const { asked, rest } = again(Venue.spot, JSON.stringify(wrong), { lastUpdateId: 2, bids: [], asks: [] })
        const { depth } = yield* rest
        const asking = yield* Effect.fork(depth("BTCUSDT", 5))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(asking)).lastUpdateId, 2)
        assert.strictEqual(asked(), 2)
      }))
  }

  it.effect("is not read beyond 16 MiB", () =>
    Effect.gen(function*() {
      const mebi = new TextEncoder().encode(" ".repeat(1_048_576))
      let sent = 0
      let isCancelled = false
      const endless = () =>
        new ReadableStream<Uint8Array>({
          pull: (controller) => {
            sent++
            controller.enqueue(mebi)
          },
          cancel: () => {
            isCancelled = true
          }
        })
      const client = HttpClient.make((request) => Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(endless()))))
      const { trades } = yield* Effect.provideService(Rest.make(Venue.spot, { giveUpAfter: 0 }), HttpClient.HttpClient, client)
      const error = yield* Effect.flip(trades("BTCUSDT", 7))
      assert.strictEqual(error.message, "The request historicalTrades failed: its answer is longer than 16 MiB.")
      assert.isAtMost(sent, 20)
      assert.isTrue(isCancelled)
    }))
})

describe("an API key", () => {
  // A venue that wants this key for older trades, and has the trades 1 to 3000.
  const keyed = (venue: Venue.Venue, options: Rest.Options) => {
    const asked: Array<readonly [path: string, key: string | undefined]> = []
    const client = HttpClient.make((request, url) =>
      Effect.sync(() => {
        const key = request.headers["x-mbx-apikey"]
        asked.push([url.pathname, key])
        const fromId = Number(url.searchParams.get("fromId") ?? 2_001)
        const answer = url.pathname.endsWith("historicalTrades") && key !== "right"
          ? json({ code: key === undefined ? -2014 : -2015, msg: "Invalid API-key, IP, or permissions for action." }, 401)
          : json(Array.from({ length: Math.min(1_000, 3_001 - fromId) }, (_, i) => stored(fromId + i)))
        return HttpClientResponse.fromWeb(request, answer)
      })
    )
    return { asked, rest: Effect.provideService(Rest.make(venue, options), HttpClient.HttpClient, client) }
  }
  const ids = (trades: ReadonlyArray<{ readonly t: number }>) => [trades[0]?.t, trades.length]

  it.effect("fetches older trades of futures, and goes with no other request", () =>
    Effect.gen(function*() {
      const { asked, rest } = keyed(Venue.futures, { apiKey: Redacted.make("right") })
      const { aggTrades, beyondReach, trades } = yield* rest
      assert.deepStrictEqual(ids(yield* trades("BTCUSDT", 5)), [5, 1_000])
      yield* Effect.fork(aggTrades("BTCUSDT", 5))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(asked.slice(0, 2), [["/fapi/v1/historicalTrades", "right"], ["/fapi/v1/aggTrades", undefined]])
      assert.isUndefined(beyondReach())
    }))

  it.effect("is not needed for the latest trades of futures", () =>
    Effect.gen(function*() {
      const { asked, rest } = keyed(Venue.futures, {})
      const { beyondReach, trades } = yield* rest
      assert.deepStrictEqual(ids(yield* trades("BTCUSDT", 2_500)), [2_500, 501])
      assert.deepStrictEqual(ids(yield* trades("BTCUSDT", 5)), [2_001, 1_000])
      assert.deepStrictEqual(asked.map(([path]) => path), ["/fapi/v1/historicalTrades", "/fapi/v1/trades", "/fapi/v1/trades"])
      assert.match(beyondReach() ?? "", /^Without an API key, the venue serves only the latest 1000 trades/)
    }))

  it.effect("that is refused leaves the latest trades", () =>
    Effect.gen(function*() {
      for (const venue of [Venue.futures, Venue.spot]) {
        const { rest } = keyed(venue, { apiKey: Redacted.make("wrong") })
        const { beyondReach, trades } = yield* rest
        assert.deepStrictEqual(ids(yield* trades("BTCUSDT", 5)), [2_001, 1_000])
        assert.match(beyondReach() ?? "", /^The venue refused the API key/)
      }
    }))

  const listen = (answer: RequestListener) =>
    Effect.acquireRelease(
      Effect.async<{ readonly server: Server; readonly url: string }>((resume) => {
        const server = createServer(answer).listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          resume(Effect.succeed({ server, url: `http://127.0.0.1:${port}` }))
        })
      }),
      ({ server }) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    )

  it.scopedLive("does not go along with a redirect", () =>
    Effect.gen(function*() {
      const keys: Array<unknown> = []
      const elsewhere = yield* listen((request, response) => {
        keys.push(request.headers["x-mbx-apikey"])
        response.end("[]")
      })
      const front = yield* listen((request, response) => {
        response.writeHead(302, { location: `${elsewhere.url}${request.url ?? ""}` }).end()
      })
      const venue = { ...Venue.futures, rest: front.url }
      const options = { apiKey: Redacted.make("right"), giveUpAfter: 0 }
      const { aggTrades, trades } = yield* Effect.provide(Rest.make(venue, options), FetchHttpClient.layer)
      assert.strictEqual((yield* Effect.flip(trades("BTCUSDT", 5)))._tag, "RestUnavailable")
      assert.deepStrictEqual(keys, [])
      // A request without the key does.
      assert.deepStrictEqual(yield* aggTrades("BTCUSDT", 5), [])
      assert.deepStrictEqual(keys, [undefined])
    }))
})

describe("a budget", () => {
  it.effect("grants each request at the moment when it is sent", () =>
    Effect.gen(function*() {
      const granted: Array<number> = []
      const gate = yield* Effect.makeSemaphore(0)
      const asked: Array<string> = []
      const client = HttpClient.make((request, url) => {
        asked.push(url.pathname)
        return Effect.sync(() => HttpClientResponse.fromWeb(request, asked.length === 1 ? refused(429, "10") : new Response("[]")))
      })
      const budget: Rest.Budget = {
        take: (weight) => Effect.zipRight(gate.take(1), Effect.sync(() => granted.push(weight)))
      }
      const { aggTrades, trades } = yield* Effect.provideService(Rest.make(Venue.spot, { budget }), HttpClient.HttpClient, client)
      const one = yield* Effect.fork(aggTrades("BTCUSDT", 1))
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(asked.length, 0)
      yield* gate.release(1)
      yield* TestClock.adjust("9 seconds")
      yield* gate.release(10)
      // The wait of Retry-After comes before the next grant.
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(granted, [4])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(granted, [4, 4])
      assert.deepStrictEqual(yield* Fiber.join(one), [])
      yield* Effect.fork(trades("BTCUSDT", 1))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(granted, [4, 4, 25])
    }))

  it.effect("that fails or dies leaves the client's own limit", () =>
    Effect.gen(function*() {
      for (const take of [() => Effect.fail("gone"), () => Effect.die(new Error("gone"))]) {
        const { asked, rest } = (() => {
          const asked: Array<string> = []
          const client = HttpClient.make((request, url) => {
            asked.push(url.pathname)
            return Effect.sync(() => HttpClientResponse.fromWeb(request, json({ lastUpdateId: 1, bids: [], asks: [] })))
          })
          return { asked, rest: Effect.provideService(Rest.make(Venue.spot, { budget: { take } }), HttpClient.HttpClient, client) }
        })()
        const { depth } = yield* rest
        const running = yield* Effect.fork(Effect.forEach(Array.from({ length: 60 }), () => depth("BTCUSDT", 5_000), { concurrency: "unbounded" }))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(asked.length, 21)
        yield* Fiber.interrupt(running)
        // All clients of the venue share its limit.
        yield* TestClock.adjust("2 minutes")
      }
    }))
})
