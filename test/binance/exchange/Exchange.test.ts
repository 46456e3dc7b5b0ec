import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { request } from "node:http"
import { Connection } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { MarketEvent, Payloads } from "holdfast/binance"
import type { Access } from "holdfast/binance/exchange"
import { Decimal, Exchange, Fault } from "holdfast/binance/exchange"

const start = Exchange.make({ tradesPerSecond: 20 })

const dial = (exchange: Exchange.Exchange, path: string) =>
  Connection.make({ url: `${exchange.wsUrl}${path}`, reconnect: { enabled: false } }).pipe(
    Effect.tap((connection) => connection.awaitOpen),
    Effect.provide(NodeTransport.layer)
  )

const json = (text: unknown): unknown => JSON.parse(String(text))

const firstOf = (connection: Connection.Connection, has: string) =>
  connection.messages.pipe(
    Stream.filter((message) => String(message).includes(has)),
    Stream.runHead,
    Effect.map(Option.getOrThrow),
    Effect.map(json)
  )

const ask = (connection: Connection.Connection, request: string) =>
  Effect.zipRight(connection.send(request), Effect.map(Stream.runHead(connection.messages), Option.getOrThrow))

describe("the control messages", () => {
  const answers: ReadonlyArray<readonly [request: string, answer: string]> = [
    [`{"method":"SUBSCRIBE","params":["nosuch@thing"],"id":1}`, `{"result":null,"id":1}`],
    [`{"method":"LIST_SUBSCRIPTIONS","id":"abc"}`, `{"result":[],"id":"abc"}`],
    [`{"method":"UNSUBSCRIBE","params":["btcusdt@trade"]}`, `{"result":null,"id":null}`],
    [`{"method":"GET_PROPERTY","params":["combined"],"id":2}`, `{"result":false,"id":2}`],
    [`{"method":"SET_PROPERTY","params":["combined",true],"id":3}`, `{"result":null,"id":3}`],
    [`{"method":"SET_PROPERTY","params":["combined",1],"id":3}`, `{"code":1,"msg":"Invalid value type: expected Boolean"}`],
    [`{"method":"GET_PROPERTY","params":["colour"],"id":4}`, `{"code":0,"msg":"Unknown property","id":4}`],
    [`{"method":"SUBSCRIBE","id":5}`, '{"code":2,"msg":"Invalid request: missing field `params`","id":5}'],
    [`{"params":[]}`, '{"code":2,"msg":"Invalid request: missing field `method`","id":null}'],
    [`{"method":"DANCE","id":6}`, '{"code":2,"msg":"Invalid request: unknown variant `DANCE`"}'],
    [
      `{"method":"LIST_SUBSCRIPTIONS","id":1.5}`,
      `{"code":2,"msg":"Invalid request: request ID must be an integer, a string of up to 36 characters, or null"}`
    ],
    [`[]`, `{"code":2,"msg":"Invalid request: expected an object"}`]
  ]
  for (const [request, answer] of answers) {
    it.scopedLive(request, () =>
      Effect.gen(function*() {
        const connection = yield* dial(yield* start, "/ws")
        assert.strictEqual(yield* ask(connection, request), answer)
      }))
  }

  it.scopedLive("that are not JSON are answered with an error", () =>
    Effect.gen(function*() {
      const connection = yield* dial(yield* start, "/ws")
      const answer = yield* ask(connection, "{")
      assert.match(String(answer), /^\{"code":3,"msg":"Invalid JSON: /)
    }))

  it.scopedLive("subscribe to streams, and unsubscribe from them", () =>
    Effect.gen(function*() {
      const connection = yield* dial(yield* start, "/stream")
      yield* connection.send(`{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}`)
      yield* firstOf(connection, `"stream":"btcusdt@bookTicker"`)
      yield* connection.send(`{"method":"UNSUBSCRIBE","params":["btcusdt@bookTicker"],"id":2}`)
      yield* firstOf(connection, `"id":2`)
      yield* connection.send(`{"method":"SUBSCRIBE","params":["ethusdt@bookTicker"],"id":3}`)
      yield* firstOf(connection, `"id":3`)
      const next = yield* firstOf(connection, `"stream"`)
      assert.include(JSON.stringify(next), "ethusdt@bookTicker")
    }))

  it.scopedLive("of more than 1,024 streams are refused", () =>
    Effect.gen(function*() {
      const connection = yield* dial(yield* start, "/ws")
      const params = Array.from({ length: 1_025 }, (_, i) => `s${i}@trade`)
      assert.strictEqual(
        yield* ask(connection, JSON.stringify({ method: "SUBSCRIBE", params, id: 1 })),
        `{"error":{"code":4,"msg":"Too many subscriptions"},"id":1}`
      )
    }))
})

describe("the streams", () => {
  const schemas: ReadonlyArray<readonly [stream: string, isValid: (event: unknown) => boolean]> = [
    ["btcusdt@trade", Schema.is(Payloads.Trade)],
    ["btcusdt@aggTrade", Schema.is(Payloads.AggTrade)],
    ["btcusdt@kline_1s", Schema.is(Payloads.Kline)],
    ["btcusdt@ticker", Schema.is(Payloads.Ticker)],
    ["btcusdt@miniTicker", Schema.is(Payloads.MiniTicker)],
    ["btcusdt@bookTicker", Schema.is(Payloads.BookTicker)],
    ["btcusdt@depth@100ms", Schema.is(Payloads.Depth)],
    ["btcusdt@depth", Schema.is(Payloads.Depth)],
    ["btcusdt@depth5", Schema.is(Payloads.PartialDepth)]
  ]

  for (const [name, isValid] of schemas) {
    it.scopedLive(`${name} sends events of its schema, without an envelope`, () =>
      Effect.gen(function*() {
        const connection = yield* dial(yield* start, `/ws/${name}`)
        assert.isTrue(isValid(yield* firstOf(connection, "")))
      }))
  }

  it.scopedLive("of all symbols send a list, in microseconds on request", () =>
    Effect.gen(function*() {
      const connection = yield* dial(yield* start, "/stream?streams=!miniTicker@arr&timeUnit=MICROSECOND")
      const message = Option.getOrThrow(yield* Stream.runHead(connection.messages))
      const events = yield* MarketEvent.decode(message, 0)
      assert.deepStrictEqual(events.map(({ symbol }) => symbol), ["BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT"])
      assert.isAbove(events[0]?.timestamp ?? 0, 1e15)
    }))

  it.scopedLive("send every trade of the market, once and in order", () =>
    Effect.gen(function*() {
      const exchange = yield* start
      const connection = yield* dial(exchange, "/ws/btcusdt@trade/btcusdt@aggTrade")
      const events = yield* connection.messages.pipe(Stream.take(100), Stream.map(json), Stream.runCollect)
      const ids = [...events].flatMap((event) => Schema.is(Payloads.Trade)(event) ? [event.t] : [])
      const first = ids[0] ?? 0
      assert.isAbove(ids.length, 20)
      assert.deepStrictEqual(ids, ids.map((_, i) => first + i))
      const truth = exchange.markets.get("BTCUSDT")
      for (const event of events) {
        if (!Schema.is(Payloads.Trade)(event)) continue
        const trade = truth?.trades.from(event.t, 1)[0]
        assert.strictEqual(event.p, Decimal.format(trade?.price ?? 0, 2))
        assert.strictEqual(event.q, Decimal.format(trade?.quantity ?? 0, 5))
      }
    }))
})

describe("the REST interface", () => {
  const get = (exchange: Exchange.Exchange, path: string) =>
    HttpClient.get(`${exchange.restUrl}/api/v3/${path}`).pipe(
      Effect.flatMap((response) =>
        Effect.map(response.json, (body) => ({ status: response.status, headers: response.headers, body }))
      ),
      Effect.provide(FetchHttpClient.layer)
    )

  const traded = (exchange: Exchange.Exchange) =>
    Effect.flatMap(dial(exchange, "/ws/btcusdt@trade"), (connection) =>
      Stream.runDrain(Stream.take(connection.messages, 30)))

  it.scopedLive("returns the trades of the streams, from any id", () =>
    Effect.gen(function*() {
      const exchange = yield* start
      yield* traded(exchange)
      const Trades = Schema.Array(Schema.Struct({ id: Schema.Int, price: Schema.String }))
      const historical = yield* get(exchange, "historicalTrades?symbol=BTCUSDT&fromId=5&limit=10")
      const trades = yield* Schema.decodeUnknown(Trades)(historical.body)
      assert.deepStrictEqual(trades.map(({ id }) => id), [5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
      const Aggregates = Schema.Array(Schema.Struct({ a: Schema.Int, f: Schema.Int, l: Schema.Int }))
      const aggregates = yield* Schema.decodeUnknown(Aggregates)(
        (yield* get(exchange, "aggTrades?symbol=BTCUSDT&fromId=2&limit=3")).body
      )
      assert.deepStrictEqual(aggregates.map(({ a }) => a), [2, 3, 4])
      assert.strictEqual(aggregates[1]?.f, (aggregates[0]?.l ?? 0) + 1)
      const recent = yield* Schema.decodeUnknown(Trades)((yield* get(exchange, "trades?symbol=BTCUSDT&limit=3")).body)
      assert.strictEqual(recent.length, 3)
    }))

  it.scopedLive("returns snapshots that the diffs continue", () =>
    Effect.gen(function*() {
      const exchange = yield* start
      const connection = yield* dial(exchange, "/ws/btcusdt@depth@100ms")
      yield* Stream.runDrain(Stream.take(connection.messages, 2))
      const { body, headers } = yield* get(exchange, "depth?symbol=BTCUSDT&limit=1000")
      const snapshot = yield* Schema.decodeUnknown(Payloads.PartialDepth)(body)
      const after = yield* connection.messages.pipe(
        Stream.map(json),
        Stream.filter(Schema.is(Payloads.Depth)),
        Stream.dropWhile(({ u }) => u <= snapshot.lastUpdateId),
        Stream.runHead,
        Effect.map(Option.getOrThrow)
      )
      assert.isAtMost(after.U, snapshot.lastUpdateId + 1)
      assert.isAtLeast(snapshot.bids.length, 30)
      assert.strictEqual(headers["x-mbx-used-weight-1m"], "50")
    }))

  it.scopedLive("returns klines, the time, and the instruments", () =>
    Effect.gen(function*() {
      const exchange = yield* start
      yield* traded(exchange)
      const klines = yield* Schema.decodeUnknown(Schema.Array(Schema.Array(Schema.Unknown)))(
        (yield* get(exchange, "klines?symbol=BTCUSDT&interval=1s&limit=2")).body
      )
      assert.deepStrictEqual(klines.map(({ length }) => length), [12, 12])
      assert.include(JSON.stringify((yield* get(exchange, "time")).body), "serverTime")
      assert.include(JSON.stringify((yield* get(exchange, "exchangeInfo")).body), `"symbol":"SOLUSDT"`)
    }))

  it.scopedLive("refuses unknown symbols, intervals and numbers, as Binance does", () =>
    Effect.gen(function*() {
      const exchange = yield* start
      const invalid = yield* get(exchange, "depth?symbol=NOSUCH")
      assert.deepStrictEqual([invalid.status, invalid.body], [400, { code: -1121, msg: "Invalid symbol." }])
      assert.strictEqual((yield* get(exchange, "klines?symbol=BTCUSDT&interval=7m")).status, 400)
      assert.strictEqual((yield* get(exchange, "trades?symbol=BTCUSDT&limit=many")).status, 400)
      assert.deepStrictEqual((yield* get(exchange, "klines?symbol=BTCUSDT&interval=1s&limit=0")).body, [])
    }))

  it.scopedLive("fails on command, as often as the fault says", () =>
    Effect.gen(function*() {
      const exchange = yield* start
      yield* exchange.fault(Fault.FailRest({ times: 1, status: 429, retryAfter: "7" }))
      const refused = yield* get(exchange, "time")
      assert.deepStrictEqual([refused.status, refused.headers["retry-after"]], [429, "7"])
      assert.strictEqual((yield* get(exchange, "time")).status, 200)
    }))
})

describe("the exchange", () => {
  it.scopedLive("drops a client that does not answer pings", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ pingInterval: "50 millis", pongTimeout: "100 millis" })
      const connection = yield* dial(exchange, "/ws")
      // From now on the exchange reads nothing from the client, pongs included.
      yield* exchange.fault(Fault.Vanish())
      const exit = yield* Effect.flip(Stream.runDrain(connection.messages))
      assert.strictEqual(exit._tag, "ConnectionClosed")
    }))

  it.scopedLive("refuses a path that cannot be decoded", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(dial(yield* start, "/ws/%E0%A4"))
      assert(error._tag === "HandshakeRejected")
      assert.strictEqual(error.status, 400)
    }))

  it.scopedLive("does not start on an invalid port", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Exchange.make({ port: 70_000 }))
      assert.include(error.message, "70000")
    }))

  it.scopedLive("comes back from concurrent restarts, even if their callers are interrupted", () =>
    Effect.gen(function*() {
      const exchange = yield* start
      const restart = exchange.fault(Fault.Restart({ downtime: "100 millis" }))
      const waiting = yield* Effect.fork(restart)
      const other = yield* Effect.fork(restart)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(waiting)
      yield* Fiber.join(other)
      yield* dial(exchange, "/ws")
    }))

  it.scopedLive("counts the events it has sent, but not its answers", () =>
    Effect.gen(function*() {
      const exchange = yield* start
      const connection = yield* dial(exchange, "/ws")
      yield* ask(connection, `{"method":"LIST_SUBSCRIPTIONS","id":1}`)
      assert.strictEqual((yield* exchange.stats).sent, 0)
    }))

  it.scopedLive("does not start on a port in use", () =>
    Effect.gen(function*() {
      const { port } = yield* start
      const error = yield* Effect.flip(Exchange.make({ port }))
      assert.include(error.message, "EADDRINUSE")
    }))

  it.live("frees its port when the scope closes", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(Effect.gen(function*() {
        const exchange = yield* start
        yield* dial(exchange, "/ws/btcusdt@trade")
        return exchange.port
      }))
      yield* Effect.scoped(Exchange.make({ port }))
    }))
})

describe("a recording", () => {
  const messages = [0, 1, 2].map((receivedAt) => ({
    receivedAt,
    message: `{"stream":"btcusdt@trade","data":{"recorded":${receivedAt}}}`
  }))
  const path = "/stream?streams=btcusdt@trade"

  const next = (connection: Connection.Connection) => Effect.map(Stream.runHead(connection.messages), Option.getOrThrow)

  const dialQuietly = (exchange: Exchange.Exchange) =>
    Connection.make({
      url: `${exchange.wsUrl}${path}`,
      messageTimeout: Duration.infinity,
      pingInterval: Duration.infinity
    }).pipe(Effect.provide(NodeTransport.layer))

  it.scoped("is played at the given speed", () =>
    Effect.gen(function*() {
      for (const [speed, millis] of [[10, 100], [0.5, 2_000]] as const) {
        const exchange = yield* Exchange.make({ replay: { messages, speed } })
        const connection = yield* dialQuietly(exchange)
        for (const [i, { message }] of messages.entries()) {
          if (i > 0) {
            yield* TestClock.adjust(millis - 1)
            // Messages arrive in order: the answer comes next, so the recorded message has not been sent yet.
            assert.strictEqual(
              yield* ask(connection, `{"method":"LIST_SUBSCRIPTIONS","id":${i}}`),
              `{"result":["btcusdt@trade"],"id":${i}}`
            )
            yield* TestClock.adjust(1)
          }
          assert.strictEqual(yield* next(connection), message)
        }
      }
    }))

  it.scopedLive("can be cut before its first message", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ replay: { messages, cuts: [{ after: 0, fault: Fault.Reset() }] } })
      const connection = yield* dialQuietly(exchange)
      const items = [...yield* Stream.runCollect(Stream.take(connection.items, 4))]
      assert.deepStrictEqual(items.map(({ _tag }) => _tag), ["Gap", "Data", "Data", "Data"])
    }))

  it.scopedLive("alone feeds its streams, while the market feeds the others", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ tradesPerSecond: 100, replay: { messages, speed: 5 } })
      const connection = yield* dial(exchange, path)
      const recorded = yield* Stream.runCollect(Stream.take(connection.messages, messages.length))
      assert.deepStrictEqual([...recorded], messages.map(({ message }) => message))
      yield* firstOf(yield* dial(exchange, "/stream?streams=ethusdt@trade"), "ethusdt@trade")
    }))

  it.scopedLive("waits for a subscriber", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make({ replay: { messages } })
      const connection = yield* dial(exchange, "/stream")
      yield* ask(connection, `{"method":"LIST_SUBSCRIPTIONS","id":1}`)
      assert.strictEqual((yield* exchange.stats).replayed, 0)
      yield* connection.send(`{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":2}`)
      const received = yield* Stream.runCollect(Stream.take(connection.messages, 1 + messages.length))
      assert.deepStrictEqual([...received], [`{"result":null,"id":2}`, ...messages.map(({ message }) => message)])
    }))
})

describe("requests of others", () => {
  // Asks by HTTP, and for an upgrade, with headers that a client of ours cannot set.
  const statusOf = (exchange: Exchange.Exchange, path: string, headers: Readonly<Record<string, string>>) =>
    Effect.async<number>((resume) => {
      const sent = request({ host: "127.0.0.1", port: exchange.port, path, headers })
      sent.on("response", ({ statusCode = 0 }) => {
        sent.destroy()
        resume(Effect.succeed(statusCode))
      })
      sent.on("upgrade", ({ statusCode = 0 }, socket) => {
        socket.destroy()
        resume(Effect.succeed(statusCode))
      })
      sent.end()
    })
  const upgrade = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==" }
  const rows: ReadonlyArray<readonly [isAllowed: boolean, headers: Readonly<Record<string, string>>, access?: Access.Options]> = [
    [true, {}],
    [true, { origin: "http://localhost:3000" }],
    [true, { origin: "https://127.0.0.1" }],
    [true, { host: "[::1]:80", origin: "http://app.localhost" }],
    [false, { origin: "https://evil.example" }],
    [false, { origin: "null" }],
    [false, { origin: "http://localhost.evil.example" }],
    [false, { origin: "http://127.0.0.1.evil.example" }],
    [false, { origin: "http://evil.example/127.0.0.1" }],
    [false, { host: "evil.example" }],
    [false, { host: "evil.example:9443", origin: "http://localhost" }],
    [false, { host: "127.0.0.1@evil.example" }],
    [true, { origin: "https://app.example" }, { origins: ["https://App.example"] }],
    [false, { origin: "https://app.example:444" }, { origins: ["https://app.example"] }],
    [true, { origin: "null" }, { origins: "any" }],
    [true, { host: "exchange.test:1" }, { hosts: ["exchange.test"] }],
    [false, { host: "other.test" }, { hosts: ["exchange.test"] }],
    [true, { host: "other.test" }, { hosts: "any" }]
  ]
  for (const [isAllowed, headers, access] of rows) {
    it.scopedLive(`are ${isAllowed ? "answered" : "refused"}: ${JSON.stringify(headers)}${access === undefined ? "" : ` with ${JSON.stringify(access)}`}`, () =>
      Effect.gen(function*() {
        const exchange = yield* Exchange.make({ access })
        assert.strictEqual((yield* statusOf(exchange, "/api/v3/time", headers)) === 403, !isAllowed)
        assert.strictEqual(yield* statusOf(exchange, "/ws", { ...headers, ...upgrade }), isAllowed ? 101 : 403)
        assert.strictEqual((yield* exchange.stats).accepted, isAllowed ? 1 : 0)
      }))
  }
})
