// The wall clock is set back or forward by an hour while something waits. Nothing may come sooner or later for that.
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection, DialGate, Session, SessionEvent, type SessionProtocol } from "holdfast"
import type { Transport } from "holdfast"
import { Rest, Venue } from "holdfast/binance"
import { TestTransport } from "holdfast/testing"
import * as WallClock from "./utils/WallClock.ts"

const { answer, open, openAfter, refuse, send, vanish, wait } = TestTransport

const off = { messageTimeout: Duration.infinity, pingInterval: Duration.infinity }

const dials = Effect.gen(function*() {
  const transport = yield* TestTransport.TestTransport
  return (yield* transport.dials).length
})

const connect = Connection.make({ url: "ws://peer.test", ...off, reconnect: { jitterFactor: 0 } })

const protocol = (overrides: Partial<SessionProtocol.SessionProtocol<string>> = {}): SessionProtocol.SessionProtocol<string> => ({
  subscribe: (topics, id) => `${id} +${topics.join(" +")}`,
  unsubscribe: (topics, id) => `${id} -${topics.join(" -")}`,
  parse: (message) => {
    const [head = "", ...rest] = String(message).split(" ")
    return head === "ok"
      ? { _tag: "Acknowledged", id: Number(rest[0]) }
      : { _tag: "Data", topic: head, data: rest.join(" ") }
  },
  maxBatch: 1,
  pace: { limit: 2, window: "1 second" },
  cadence: () => "exempt",
  ...overrides
})

const acknowledge = answer((message) => [`ok ${String(message).split(" ")[0] ?? ""}`])

const subscribed = (options: Partial<SessionProtocol.SessionProtocol<string>> = {}) =>
  Session.make({
    connection: { url: "ws://peer.test", ...off },
    protocol: protocol(options)
  })

type Jump = Effect.Effect<void>
type Adjust = WallClock.WallClock["adjust"]

const underJumps = (
  name: string,
  script: ReadonlyArray<TestTransport.Dial>,
  test: (
    adjust: Adjust,
    jump: Jump,
    by: number
  ) => Effect.Effect<void, unknown, Transport.Transport | TestTransport.TestTransport | Scope.Scope>
) => {
  for (const by of [0, -3_600_000, 3_600_000]) {
    it.scoped(`${name}, when the wall clock is set by ${by} ms`, () =>
      Effect.gen(function*() {
        const wall = yield* WallClock.make
        const tested = test(wall.adjust, wall.move(by), by)
        yield* Effect.withClock(Effect.provide(tested, TestTransport.layer(script)), wall.clock)
      }))
  }
}

describe("a dial gate", () => {
  underJumps("keeps its window", [open(), open(), open()], (adjust, jump) =>
    Effect.gen(function*() {
      yield* Effect.forEach([1, 2, 3], () => connect)
      yield* adjust("10 seconds")
      assert.strictEqual(yield* dials, 2)
      yield* jump
      yield* adjust("49 seconds")
      assert.strictEqual(yield* dials, 2)
      yield* adjust("2 seconds")
      assert.strictEqual(yield* dials, 3)
    }).pipe(Effect.provideService(DialGate.DialGate, DialGate.make({ limit: 2, window: "1 minute" }))))

  underJumps("holds every dial as long as Retry-After says", [refuse(429, { retryAfter: "17 seconds" }), open(), open()], (adjust, jump) =>
    Effect.gen(function*() {
      yield* connect
      yield* adjust("1 second")
      yield* connect
      yield* adjust("4 seconds")
      yield* jump
      yield* adjust("11 seconds")
      assert.strictEqual(yield* dials, 1)
      yield* adjust("2 seconds")
      assert.strictEqual(yield* dials, 3)
    }).pipe(Effect.provideService(DialGate.DialGate, DialGate.make())))

  // The sum of this time and the wait is not exact, so the wait seems to end short of its time.
  it.scoped("lets a dial through although the clock rounds", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust(Duration.nanos(1_000_121n))
      yield* Connection.make({ url: "ws://peer.test", ...off, reconnect: { initialDelay: "10 millis", jitterFactor: 0 } })
      yield* TestClock.adjust("150 millis")
      assert.strictEqual(yield* dials, 2)
    }).pipe(
      Effect.provideService(DialGate.DialGate, DialGate.make()),
      Effect.provide(TestTransport.layer([refuse(429, { retryAfter: "100 millis" }), open()]))
    ))
})

describe("a connection that pings", () => {
  const pinging = Connection.make({
    url: "ws://peer.test",
    messageTimeout: Duration.infinity,
    pingInterval: "20 seconds",
    pongTimeout: "10 seconds",
    reconnect: { jitterFactor: 0 }
  })

  underJumps("finds out at once whether its peer is still there", [open(wait("1 second"), vanish), open()], (adjust, jump, by) =>
    Effect.gen(function*() {
      yield* pinging
      yield* adjust("2 seconds")
      yield* jump
      yield* adjust("13 seconds")
      // Without a jump, the ping after 20 seconds finds it out.
      assert.strictEqual(yield* dials, by === 0 ? 1 : 2)
    }))

  underJumps("keeps a peer that answers", [open(), open()], (adjust, jump) =>
    Effect.gen(function*() {
      const connection = yield* pinging
      yield* adjust("2 seconds")
      yield* jump
      yield* adjust("15 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      assert.strictEqual(yield* dials, 1)
    }))

  underJumps("asks its peer no more once it is replaced", [open(vanish), openAfter("3 seconds")], (adjust, jump) =>
    Effect.gen(function*() {
      const connection = yield* pinging
      yield* adjust("2 seconds")
      yield* jump
      // The ping after the jump has until 13 seconds.
      yield* adjust("2 seconds")
      yield* connection.reconnect("tired of it")
      yield* adjust("15 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      assert.strictEqual(yield* dials, 2)
      yield* connection.send("are you there?")
    }))
})

describe("a session", () => {
  underJumps("keeps its pace", [open(acknowledge)], (adjust, jump) =>
    Effect.gen(function*() {
      const session = yield* subscribed()
      yield* Effect.fork(Effect.forEach(["a", "b"], session.subscribe, { concurrency: "unbounded", discard: true }))
      yield* adjust("100 millis")
      yield* jump
      const third = yield* Effect.fork(session.subscribe("c"))
      yield* adjust("800 millis")
      assert.isTrue(Option.isNone(yield* Fiber.poll(third)))
      yield* adjust("200 millis")
      assert.isTrue(Option.isSome(yield* Fiber.poll(third)))
    }))

  const ticks = (topic: string, times: number) => Array.from({ length: times }, () => [send(`${topic} tick`), wait("1 second")]).flat()

  underJumps("finds a late topic when it is due, and not sooner", [
    open(acknowledge, wait("500 millis"), send("b tick"), ...ticks("a", 30))
  ], (adjust, jump) =>
    Effect.gen(function*() {
      const session = yield* subscribed({ cadence: () => "2 seconds" })
      const stale = yield* Effect.fork(Stream.runHead(Stream.filter(session.events, SessionEvent.$is("Idle"))))
      yield* Effect.fork(Effect.forEach(["a", "b"], session.subscribe, { concurrency: "unbounded", discard: true }))
      yield* adjust("3 seconds")
      yield* jump
      yield* adjust("6 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(stale)))
      yield* adjust("5 seconds")
      const event = Option.getOrThrow(yield* Fiber.join(stale))
      assert.strictEqual(event.topic, "b")
      assert.isAtMost(Duration.toSeconds(event.idleFor), 12)
    }))

  underJumps("shows its times by the wall clock of now", [open(acknowledge, wait("1 second"), send("a tick"))], (adjust, jump, by) =>
    Effect.gen(function*() {
      const session = yield* subscribed()
      yield* Effect.fork(session.subscribe("a"))
      yield* adjust("5 seconds")
      yield* jump
      const [topic] = yield* session.subscriptions
      assert(topic !== undefined)
      assert.strictEqual(topic.since, 1_000 + by)
      assert.deepStrictEqual(topic.lastData, Option.some(1_000 + by))
    }))
})

describe("the REST client", () => {
  // Answers the first requests with these, and all later ones with an empty list.
  const client = (...answers: ReadonlyArray<Response>) => {
    let asked = 0
    const made = HttpClient.make((request) =>
      Effect.sync(() => HttpClientResponse.fromWeb(request, answers[asked++] ?? new Response("[]"))))
    return { asked: () => asked, rest: Effect.provideService(Rest.make(Venue.spot), HttpClient.HttpClient, made) }
  }

  underJumps("gives up when its time is over", [], (adjust, jump) =>
    Effect.gen(function*() {
      const { rest } = client(...Array.from({ length: 1_000 }, () => new Response("", { status: 503 })))
      const { aggTrades } = yield* rest
      const asking = yield* Effect.fork(Effect.exit(aggTrades("BTCUSDT", 1)))
      yield* adjust("30 seconds")
      yield* jump
      yield* adjust("265 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(asking)))
      yield* adjust("20 seconds")
      assert.isTrue(Option.isSome(yield* Fiber.poll(asking)))
    }))

  underJumps("reads the date of a Retry-After against the date of its answer", [], (adjust, jump) =>
    Effect.gen(function*() {
      yield* jump
      const { asked, rest } = client(
        new Response(`{"code":-1003,"msg":"Too much request weight used."}`, {
          status: 429,
          headers: { "retry-after": "Fri, 27 Nov 2026 10:00:17 GMT", "date": "Fri, 27 Nov 2026 10:00:00 GMT" }
        })
      )
      const { aggTrades } = yield* rest
      yield* Effect.fork(aggTrades("BTCUSDT", 1))
      yield* adjust("16 seconds")
      assert.strictEqual(asked(), 1)
      yield* adjust("2 seconds")
      assert.strictEqual(asked(), 2)
    }))
})
