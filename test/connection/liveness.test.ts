import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { Connection, Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"
import type { Overrides } from "./scripted.ts"
import * as WallClock from "../utils/WallClock.ts"
import { collect, dialTimes, idle, rough, scripted, waits } from "./scripted.ts"

const { fail, hang, open, openAfter, reset, send, vanish, wait } = TestTransport

describe("liveness", () => {
  it.effect("a silent peer is a timeout of phase message, and the connection heals", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const items = yield* collect(connection.items)
      yield* TestClock.adjust("1 minute")
      const [first, gap, second] = yield* items.seen
      assert(first?._tag === "Data" && second?._tag === "Data" && gap?._tag === "Gap")
      assert(gap.cause._tag === "ConnectionTimeout")
      assert.strictEqual(gap.cause.deadline, "message")
      assert.strictEqual(gap.cause.message, "No message came for 30s.")
      assert.deepStrictEqual(gap.downtime, Duration.seconds(1))
      assert.deepStrictEqual(yield* dialTimes, [0, 41])
    }).pipe(
      Effect.provide(scripted([open(wait("10 seconds"), send("a")), open(send("b"))], { messageTimeout: "30 seconds" }))
    ))

  it.effect("a missed pong terminates the socket without a closing handshake, and the connection heals", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { endings } = yield* TestTransport.TestTransport
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 minute")
      const lost = (yield* events.seen).find((event) => event._tag === "Lost")
      assert(lost?.cause._tag === "ConnectionTimeout")
      assert.strictEqual(lost.cause.deadline, "pong")
      assert.deepStrictEqual(yield* dialTimes, [0, 31])
      assert.deepStrictEqual(yield* endings, { closed: 0, terminated: 1, abandoned: 0 })
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(
      Effect.provide(scripted([open(send("a"), vanish), open(send("b"))], {
        pingInterval: "20 seconds",
        pongTimeout: "10 seconds"
      }))
    ))

  it.effect("a transport that cannot ping has no pong deadline", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(
      Effect.provide(scripted([open(vanish), open()], { pingInterval: "20 seconds" }, {
        capabilities: { ping: false }
      }))
    ))

  it.effect("logs once if pings are on and the transport cannot ping", () =>
    Effect.gen(function*() {
      const logged = (options: Overrides, ping: boolean) =>
        Effect.gen(function*() {
          const lines: Array<string> = []
          const logger = Logger.make(({ message }) => {
            if (String(message).includes("ping")) lines.push(String(message))
          })
          yield* TestClock.adjust("1 minute").pipe(Effect.provide(
            scripted([fail(), open(send("a"), reset), open()], options, { capabilities: { ping } }).pipe(
              Layer.provideMerge(Logger.replace(Logger.defaultLogger, logger))
            )
          ))
          return lines
        })
      const unable = "This transport cannot ping. A dead peer is detected after 30s without a message."
      assert.deepStrictEqual(yield* logged({ pingInterval: "20 seconds", messageTimeout: "30 seconds" }, false), [unable])
      assert.deepStrictEqual(yield* logged({ pingInterval: "20 seconds", messageTimeout: "30 seconds" }, true), [])
      assert.deepStrictEqual(yield* logged({ messageTimeout: "30 seconds" }, false), [])
      assert.deepStrictEqual(yield* logged({ pingInterval: "20 seconds" }, false), [
        "This transport cannot ping, and there is no messageTimeout. A dead peer will not be detected."
      ])
    }))

  it.effect("no deadline applies while a slow reader suspends reading", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* dialTimes).length, 1)
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* messages.seen).length, 100)
      // Reading goes on, so the deadlines apply again.
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* dialTimes).length, 2)
    }).pipe(
      Effect.provide(scripted([open(vanish, send(...Array.from({ length: 100 }, String))), open()], {
        messageTimeout: "30 seconds",
        pingInterval: "20 seconds",
        inbox: { capacity: 8 }
      }))
    ))

  it.effect("by default, a quiet peer that answers pings is left alone, and is proven", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* dialTimes).length, 2)
      const lost = (yield* events.seen).find((event) => event._tag === "Lost")
      assert(lost?._tag === "Lost")
      assert.isTrue(lost.proven)
    }).pipe(Effect.provide(
      Connection.layer({ url: "ws://peer.test" }).pipe(
        Layer.provideMerge(TestTransport.layer([open(wait("30 minutes"), reset), open()]))
      )
    )))

  it.effect("by default, a transport that cannot ping gives a silent peer 30 seconds", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("31 seconds")
      const lost = (yield* events.seen).find((event) => event._tag === "Lost")
      assert(lost?._tag === "Lost")
      assert.strictEqual(lost.cause.message, "No message came for 30s.")
      assert.isFalse(lost.proven)
    }).pipe(Effect.provide(
      Connection.layer({ url: "ws://peer.test" }).pipe(
        Layer.provideMerge(TestTransport.layer([open(), open()], { capabilities: { ping: false } }))
      )
    )))

  // A peer that answers no ping, and whose socket moves bytes as `progress` says.
  const moving = (progress: (now: number) => Transport.Progress, options: Overrides) =>
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      let dials = 0
      yield* Connection.make({ url: "ws://peer.test", pingInterval: Duration.infinity, ...options }).pipe(
        Effect.provideService(Transport.Transport, rough((count) => {
          dials = count + 1
          return Effect.succeed({
            ...idle,
            ping: Effect.never,
            progress: () => progress(clock.unsafeCurrentTimeMillis())
          })
        }))
      )
      yield* TestClock.adjust("10 minutes")
      return dials
    }).pipe(Effect.scoped)

  const still = { received: 0, control: 0, sent: 0, unsent: 0 }
  const deadlines: ReadonlyArray<readonly [string, Overrides]> = [
    ["message", { messageTimeout: "30 seconds" }],
    ["pong", { pingInterval: "20 seconds", pongTimeout: "10 seconds" }]
  ]
  for (const [deadline, options] of deadlines) {
    it.effect(`bytes of an unfinished message keep the ${deadline} deadline from passing`, () =>
      Effect.map(moving((now) => ({ ...still, received: now }), options), (dials) => {
        assert.strictEqual(dials, 1)
      }))

    it.effect(`unsent bytes that the peer takes keep the ${deadline} deadline from passing`, () =>
      Effect.map(moving((now) => ({ ...still, sent: now, unsent: 1 }), options), (dials) => {
        assert.strictEqual(dials, 1)
      }))

    it.effect(`bytes that only the operating system has taken do not keep the ${deadline} deadline from passing`, () =>
      Effect.map(moving((now) => ({ ...still, sent: now }), options), (dials) => {
        assert.isAbove(dials, 1)
      }))
  }

  it.effect("pings and pongs are no messages", () =>
    Effect.map(moving((now) => ({ ...still, received: now, control: now }), { messageTimeout: "30 seconds" }), (dials) => {
      assert.isAbove(dials, 1)
    }))

  for (const jump of [-3_600_000, 3_600_000]) {
    it.effect(`a wall clock that is set by ${jump} ms changes no deadline and no length of time`, () =>
      Effect.gen(function*() {
        const wall = yield* WallClock.make
        const context = yield* Effect.withClock(wall.clock)(Layer.build(scripted(
          [open(send("a"), wait("15 seconds"), send("b"), vanish), open(send("c"))],
          { messageTimeout: "30 seconds", pingInterval: "20 seconds", pongTimeout: "10 seconds" }
        )))
        const connection = Context.get(context, Connection.Connection)
        const events = yield* collect(connection.events)
        yield* TestClock.adjust("10 seconds")
        yield* wall.move(jump)
        // The last message came after 15 seconds, and no pong after 20.
        yield* TestClock.adjust("1 minute")
        const seen = yield* events.seen
        const lost = seen.find((event) => event._tag === "Lost")
        assert(lost?._tag === "Lost" && lost.cause._tag === "ConnectionTimeout")
        assert.strictEqual(lost.cause.deadline, "pong")
        assert.deepStrictEqual(lost.openFor, Duration.seconds(30))
        const opened = seen.filter((event) => event._tag === "Opened").at(1)
        assert(opened?._tag === "Opened")
        assert.deepStrictEqual(opened.outage, Option.some(Duration.seconds(1)))
      }).pipe(Effect.scoped))
  }

  it.effect("a dial that neither opens nor fails ends after openTimeout", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* waits, [11, 12])
      const { open: stillOpen } = yield* TestTransport.TestTransport
      assert.strictEqual(yield* stillOpen, 1)
    }).pipe(Effect.provide(scripted([hang, openAfter("11 seconds"), open()]))))
})
