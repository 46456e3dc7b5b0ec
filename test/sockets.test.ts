import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection, ConnectionEvent, Item } from "holdfast"
import * as NodeTransport from "holdfast/NodeTransport"
import { Exchange, Fault } from "holdfast/binance/exchange"

const quick = { initialDelay: "20 millis", maxDelay: "200 millis", stableAfter: 0, maxRetries: 20 } as const

// A connection to the embedded exchange, over real sockets.
const connect = (options: Partial<Connection.Options> = {}, exchangeOptions: Exchange.Options = {}) =>
  Effect.gen(function*() {
    const exchange = yield* Exchange.make({ tradesPerSecond: 20, ...exchangeOptions })
    const context = yield* Layer.build(
      Connection.layer({
        url: `${exchange.wsUrl}/stream?streams=btcusdt@bookTicker`,
        ...options,
        reconnect: { ...quick, ...options.reconnect }
      }).pipe(Layer.provide(NodeTransport.layer))
    )
    const connection = yield* Connection.Connection.pipe(Effect.provide(context))
    return { exchange, connection }
  })

const event = <Tag extends ConnectionEvent.ConnectionEvent["_tag"]>(
  connection: Connection.Connection,
  tag: Tag,
  count = 1
) =>
  connection.events.pipe(
    Stream.filter(ConnectionEvent.$is(tag)),
    Stream.take(count),
    Stream.runLast,
    Effect.map(Option.getOrThrow)
  )

// Reads a message, triggers the fault, then reads until the gap and one message after it. Returns the cause of the loss.
const heal = (fault: Fault.Fault, options: Partial<Connection.Options> = {}) =>
  Effect.gen(function*() {
    const { connection, exchange } = yield* connect(options)
    const isTriggered = yield* Ref.make(false)
    yield* connection.items.pipe(
      Stream.tap(() =>
        Effect.flatMap(Ref.getAndSet(isTriggered, true), (already) => already ? Effect.void : exchange.fault(fault))
      ),
      Stream.dropUntil(Item.$is("Gap")),
      Stream.runHead,
      Effect.zipRight(connection.awaitOpen)
    )
    const message = yield* Stream.runHead(connection.messages)
    assert.isTrue(Option.isSome(message))
    const lost = yield* event(connection, "Lost")
    return lost.cause
  })

describe("over real sockets, a connection heals from", () => {
  it.scopedLive("a FIN without a close frame", () =>
    Effect.gen(function*() {
      const cause = yield* heal(Fault.Drop())
      assert(cause._tag === "ConnectionClosed")
      assert.strictEqual(cause.code, 1006)
    }))

  it.scopedLive("a reset", () =>
    Effect.gen(function*() {
      const cause = yield* heal(Fault.Reset())
      assert(cause._tag === "ConnectionClosed")
      assert.deepStrictEqual([cause.code, cause.errno], [1006, "ECONNRESET"])
    }))

  for (const code of [1000, 1001, 1011, 1012, 1013, 4000]) {
    it.scopedLive(`close code ${code}`, () =>
      Effect.gen(function*() {
        const cause = yield* heal(Fault.Close({ code, reason: "on purpose" }), {
          // The standard table waits five seconds after 1013.
          classify: (_, standard) => standard._tag === "RetryAfter" ? { _tag: "Retry" } : standard
        })
        assert(cause._tag === "ConnectionClosed")
        assert.deepStrictEqual([cause.code, cause.reason], [code, "on purpose"])
      }))
  }

  it.scopedLive("a peer that sends nothing more", () =>
    Effect.gen(function*() {
      const cause = yield* heal(Fault.Mute(), { messageTimeout: "300 millis" })
      assert(cause._tag === "ConnectionTimeout")
      assert.strictEqual(cause.deadline, "message")
    }))

  it.scopedLive("a peer that vanished", () =>
    Effect.gen(function*() {
      const cause = yield* heal(Fault.Vanish(), { pingInterval: "100 millis", pongTimeout: "200 millis" })
      assert(cause._tag === "ConnectionTimeout")
      assert.strictEqual(cause.deadline, "pong")
    }))

  it.scopedLive("a frame that breaks the protocol", () =>
    Effect.gen(function*() {
      const cause = yield* heal(Fault.Violation())
      assert(cause._tag === "ConnectionClosed")
      assert.strictEqual(cause.code, 1002)
    }))

  it.scopedLive("an oversize message", () =>
    Effect.gen(function*() {
      const cause = yield* heal(Fault.Oversize({ bytes: 10_000 }), { maxMessageBytes: 5_000 })
      assert(cause._tag === "MessageTooLarge")
      assert.strictEqual(cause.limit, 5_000)
    }))

  it.scopedLive("a restart of the server, with its port closed meanwhile", () =>
    Effect.gen(function*() {
      const { connection, exchange } = yield* connect()
      yield* Stream.runHead(connection.messages)
      yield* exchange.fault(Fault.Restart({ downtime: "300 millis" }))
      const opened = yield* event(connection, "Opened")
      assert.strictEqual(opened.epoch, 1)
      const again = yield* event(connection, "Opened")
      assert.strictEqual(again.epoch, 2)
      assert.isTrue(Option.isSome(yield* Stream.runHead(connection.messages)))
    }))

  it.scopedLive("an announced shutdown", () =>
    Effect.gen(function*() {
      const { connection, exchange } = yield* connect()
      yield* Stream.runHead(connection.messages)
      yield* exchange.fault(Fault.Shutdown({ notice: "50 millis" }))
      const announced = yield* Stream.runHead(
        Stream.filter(connection.messages, (message) => String(message).includes("serverShutdown"))
      )
      assert.isTrue(Option.isSome(announced))
      const lost = yield* event(connection, "Lost")
      assert(lost.cause._tag === "ConnectionClosed")
      assert.strictEqual(lost.cause.code, 1001)
    }))

  it.scopedLive("a close at the exchange's age limit for connections", () =>
    Effect.gen(function*() {
      const { connection } = yield* connect({}, { maxAge: "100 millis" })
      const opened = yield* event(connection, "Opened", 3)
      assert.strictEqual(opened.epoch, 3)
    }))
})

describe("over real sockets, a dial", () => {
  const refusedWith = (status: number, retryAfter?: string) =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make()
      yield* exchange.fault(Fault.RefuseUpgrades({ times: 100, status, retryAfter }))
      const connection = yield* Connection.make({
        url: `${exchange.wsUrl}/ws`,
        reconnect: { enabled: false }
      }).pipe(Effect.provide(NodeTransport.layer))
      const error = yield* Effect.flip(connection.awaitOpen)
      assert(error._tag === "HandshakeRejected")
      assert.strictEqual(error.status, status)
      assert.strictEqual(error.body, "Refused on purpose.")
      return error
    })

  for (const status of [404, 429, 503]) {
    it.scopedLive(`that is refused with ${status} fails with that status`, () => refusedWith(status))
  }

  it.scopedLive("reads Retry-After in seconds", () =>
    Effect.gen(function*() {
      const error = yield* refusedWith(429, "17")
      assert.deepStrictEqual(error.retryAfter, Option.some(Duration.seconds(17)))
    }))

  it.scopedLive("reads Retry-After as a date", () =>
    Effect.gen(function*() {
      const error = yield* refusedWith(418, new Date(Date.parse("2126-01-01T00:00:00Z")).toUTCString())
      assert.isTrue(Option.exists(error.retryAfter, Duration.greaterThan(Duration.days(3650))))
    }))

  for (const text of ["a 5", "-5", "1.5", "soon", "2126-01-01"]) {
    it.scopedLive(`reads no Retry-After in "${text}"`, () =>
      Effect.gen(function*() {
        const error = yield* refusedWith(429, text)
        assert.deepStrictEqual(error.retryAfter, Option.none())
      }))
  }

  // TestClock rules the waits of this test; only the sockets are real.
  for (const [form, retryAfter] of [["seconds", "17"], ["a date", "Thu, 01 Jan 1970 00:00:17 GMT"], ["a date as C writes it", "Thu Jan  1 00:00:17 1970"]] as const) {
    it.scoped(`is retried no sooner than Retry-After in ${form}`, () =>
      Effect.gen(function*() {
        const exchange = yield* Exchange.make()
        yield* exchange.fault(Fault.RefuseUpgrades({ times: 1, status: 429, retryAfter }))
        const connection = yield* Connection.make({ url: `${exchange.wsUrl}/ws`, messageTimeout: Duration.infinity }).pipe(
          Effect.provide(NodeTransport.layer)
        )
        const waiting = yield* event(connection, "Waiting")
        assert.isAtLeast(waiting.until, 17_000)
        yield* TestClock.adjust("16999 millis")
        assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
        yield* TestClock.adjust("5 seconds")
        yield* connection.awaitOpen
      }))
  }

  it.scopedLive("to a port without a server is refused, and retried", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(Effect.map(Exchange.make(), (exchange) => exchange.port))
      const connection = yield* Connection.make({
        url: `ws://127.0.0.1:${port}/ws`,
        reconnect: { ...quick, maxRetries: 2 }
      }).pipe(Effect.provide(NodeTransport.layer))
      const error = yield* Effect.flip(connection.awaitOpen)
      assert(error._tag === "RetriesExhausted" && error.last._tag === "DialFailed")
      assert.strictEqual(error.last.code, "ECONNREFUSED")
      assert.strictEqual(error.attempts, 2)
    }))

  it.scopedLive("that takes too long fails, and leaves no socket", () =>
    Effect.gen(function*() {
      const exchange = yield* Exchange.make()
      yield* exchange.fault(Fault.DelayUpgrades({ times: 1, delay: "1 minute" }))
      const connection = yield* Connection.make({
        url: `${exchange.wsUrl}/ws`,
        openTimeout: "100 millis",
        reconnect: quick
      }).pipe(Effect.provide(NodeTransport.layer))
      yield* connection.awaitOpen
      const failed = yield* event(connection, "AttemptFailed")
      assert(failed.cause._tag === "ConnectionTimeout")
      assert.strictEqual(failed.cause.deadline, "open")
      const { accepted, open } = yield* exchange.stats
      assert.deepStrictEqual([accepted, open], [1, 1])
    }))
})

describe("over real sockets", () => {
  it.scopedLive("disconnect closes the socket, and connect starts again", () =>
    Effect.gen(function*() {
      const { connection, exchange } = yield* connect()
      const reading = yield* Effect.fork(Stream.runCount(connection.messages))
      yield* event(connection, "Opened")
      yield* connection.disconnect
      assert.isTrue(Exit.isSuccess(yield* reading.await))
      yield* Effect.repeat(exchange.stats, { until: ({ open }) => open === 0 })
      yield* connection.connect
      assert.isTrue(Option.isSome(yield* Stream.runHead(connection.messages)))
    }))

  it.scopedLive("the server answers a message that is sent", () =>
    Effect.gen(function*() {
      const { connection } = yield* connect()
      yield* connection.send(`{"method":"LIST_SUBSCRIPTIONS","id":7}`, { deadline: "5 seconds" })
      const answer = yield* Stream.runHead(Stream.filter(connection.messages, (text) => String(text).includes(`"id":7`)))
      assert.deepStrictEqual(answer, Option.some(`{"result":["btcusdt@bookTicker"],"id":7}`))
    }))

  it.scopedLive("the time of closing does not count as open, and send waits for the next connection meanwhile", () =>
    Effect.gen(function*() {
      const { connection, exchange } = yield* connect({ closeTimeout: "2 seconds", reconnect: { stableAfter: "1500 millis" } })
      yield* Stream.runHead(connection.messages)
      yield* exchange.fault(Fault.Vanish())
      yield* connection.reconnect("on purpose")
      yield* Effect.yieldNow()
      assert.strictEqual((yield* Effect.flip(connection.send("now")))._tag, "NotConnected")
      const [epoch] = yield* Effect.all([
        Effect.map(Effect.zipRight(connection.awaitOpen, connection.state), (state) => state._tag === "Connected" ? state.epoch : state._tag),
        connection.send("as soon as may be", { deadline: "10 seconds" })
      ], { concurrency: 2 })
      assert.strictEqual(epoch, 2)
      const lost = yield* event(connection, "Lost")
      assert.isFalse(lost.proven)
      assert.isTrue(Duration.lessThan(lost.openFor, "2 seconds"))
    }))

  it.scopedLive("a stall of the event loop does not end the connection", () =>
    Effect.gen(function*() {
      const { connection } = yield* connect({
        messageTimeout: "500 millis",
        pingInterval: "100 millis",
        pongTimeout: "500 millis"
      })
      yield* Stream.runHead(connection.messages)
      yield* Effect.sync(() => {
        const until = process.hrtime.bigint() + 2_500_000_000n
        while (process.hrtime.bigint() < until);
      })
      yield* Stream.runDrain(Stream.take(connection.messages, 20))
      const state = yield* connection.state
      assert(state._tag === "Connected")
      assert.strictEqual(state.epoch, 1)
    }))
})
