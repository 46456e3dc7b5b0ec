import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { Rest, Venue } from "holdfast/binance"

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
      yield* TestClock.adjust("5 minutes")
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
    ["no such path", 404, "<html>Not Found</html>", undefined]
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
          Response.json({ code: -1, msg: `no route ${url.pathname}${url.search} for ${request.headers["authorization"] ?? "nobody"}.` }, { status: 404 })
        ))
      )
      const { aggTrades } = yield* Rest.make(Venue.make({ ws: "ws://peer.test", rest: "http://me:PASSWORD@peer.test/PATHSECRET" })).pipe(
        Effect.provideService(HttpClient.HttpClient, client)
      )
      const error = yield* Effect.flip(Effect.withTracer(aggTrades("BTCUSDT", 1), tracer))
      assert(error._tag === "RestRejected")
      assert.strictEqual(error.message, "The venue refused the request aggTrades with status 404: no route … for nobody (-1).")
      assert.notMatch(JSON.stringify(spans.map(({ attributes, name }) => [name, ...attributes])), /PASSWORD|PATHSECRET|BTCUSDT/)
    }))
})
