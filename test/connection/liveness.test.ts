import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as TestClock from "effect/TestClock"
import { Connection } from "holdfast"
import { TestTransport } from "holdfast/testing"
import type { Overrides } from "./scripted.ts"
import { scripted, dialTimes, waits, collect } from "./scripted.ts"

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

  it.effect("a dial that neither opens nor fails ends after openTimeout", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* waits, [11, 12])
      const { open: stillOpen } = yield* TestTransport.TestTransport
      assert.strictEqual(yield* stillOpen, 1)
    }).pipe(Effect.provide(scripted([hang, openAfter("11 seconds"), open()]))))
})
