import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Connection, FailureClass } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { bug, scripted, forever, dialTimes, waits, collect } from "./scripted.ts"

const { close, fail, open, refuse, send, wait } = TestTransport

describe("failure classes", () => {
  it.effect("429 waits at least as long as its Retry-After", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      const [first] = yield* waits
      assert.isAtLeast(first ?? 0, 17)
      assert.strictEqual((yield* dialTimes).length, 2)
    }).pipe(Effect.provide(scripted([refuse(429, { retryAfter: "17 seconds" }), open()]))))

  it.effect("404 gives up at once, with the refusal as the error", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const exit = yield* Effect.exit(Stream.runDrain(connection.messages))
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert(error?._tag === "HandshakeRejected")
      assert.strictEqual(error.message, `The server refused the upgrade with status 404: "no such stream". Check the path of the URL.`)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(Effect.provide(scripted([refuse(404, { body: "no such stream" }), open()]))))

  it.effect("with reconnection off, the messages fail with the error of the attempt", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* messages.seen, ["only"])
      const exit = yield* messages.exit
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert(error?._tag === "ConnectionClosed")
      assert.strictEqual(error.message, `The connection closed with code 1001: "going away", after 3s.`)
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(
      Effect.provide(scripted([open(send("only"), wait("3 seconds"), close(1001, "going away")), open()], {
        reconnect: { enabled: false }
      }))
    ))

  const refusals = [
    ...[301, 400, 403, 404, 410, 421].map((status) => refuse(status)),
    fail("CERT_HAS_EXPIRED"),
    fail("ERR_SSL_WRONG_VERSION_NUMBER"),
    open(close(1002)),
    open(close(1015))
  ]
  // Proven: open for longer than `stableAfter`, with a message.
  const proven = open(send("hello"), wait("10 seconds"), close(1001))

  it.effect("what refuses a proven connection for a while is met with patience", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      const state = yield* connection.state
      assert(state._tag === "Connected")
      assert.strictEqual((yield* dialTimes).length, 1 + 2 * refusals.length + 1)
    }).pipe(Effect.provide(
      scripted([proven, ...refusals, ...refusals, open()], { reconnect: { maxRetries: "unlimited" } })
    )))

  for (const code of ["ERR_SUBPROTOCOL", "ERR_EXTENSION"]) {
    it.effect(`${code} gives up at once, also after a proven connection`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* TestClock.adjust("1 hour")
        const state = yield* connection.state
        assert(state._tag === "Failed")
        assert.strictEqual((yield* dialTimes).length, 2)
      }).pipe(Effect.provide(scripted([proven, fail(code), open()], { reconnect: { maxRetries: "unlimited" } }))))
  }

  it.effect("the retry budget bounds this patience", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      const state = yield* connection.state
      assert(state._tag === "Failed")
      assert.strictEqual(state.error._tag, "RetriesExhausted")
      assert.strictEqual((yield* dialTimes).length, 1 + 3)
    }).pipe(Effect.provide(
      scripted((function*() {
        yield proven
        for (;;) yield refuse(404)
      })(), { reconnect: { maxRetries: 3 } })
    )))

  it.effect("a connection that was open, but not proven, earns no patience", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      const state = yield* connection.state
      assert(state._tag === "Failed")
      assert(state.error._tag === "HandshakeRejected")
    }).pipe(Effect.provide(scripted([open(send("hello"), close(1001)), refuse(404), open()]))))

  it.effect("connect after disconnect begins without patience", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("5 seconds")
      yield* connection.disconnect
      yield* connection.connect
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* connection.state)._tag, "Failed")
    }).pipe(Effect.provide(scripted([open(send("hello"), wait("1 day")), refuse(404), open()]))))

  it.effect("close code 1008 gets three retries, then gives up", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [1, 2, 4])
      const state = yield* connection.state
      assert(state._tag === "Failed")
      assert(state.error._tag === "ConnectionClosed")
    }).pipe(Effect.provide(scripted(forever(open(close(1008, "too many messages")))))))

  it.effect("a bug in classify ends the messages with that defect", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const exit = yield* Effect.exit(Stream.runDrain(connection.messages))
      assert(Exit.isFailure(exit))
      assert.deepStrictEqual(Chunk.toReadonlyArray(Cause.defects(exit.cause)), [bug])
    }).pipe(Effect.provide(scripted([fail()], {
      classify: () => {
        throw bug
      }
    }))))

  it.effect("after a bug in classify awaitOpen fails, the log has the defect, and connect starts again", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ cause, logLevel, message }) => {
        lines.push(`${logLevel.label} ${String(message)} ${Cause.pretty(cause).split("\n")[0] ?? ""}`)
      })
      yield* Effect.gen(function*() {
        const connection = yield* Connection.Connection
        const error = yield* Effect.flip(connection.awaitOpen)
        assert(error._tag === "NotConnected")
        assert.strictEqual(
          error.message,
          "There is no open connection: the option classify ended it with a defect (a bug). Fix it, then call connect."
        )
        assert.deepStrictEqual(error.defect?.cause, Cause.die(bug))
        const state = yield* connection.state
        assert(state._tag === "Disconnected")
        assert.strictEqual(state.defect, error.defect)
        assert.strictEqual((yield* Effect.flip(connection.reconnect("please")))._tag, "NotConnected")
        assert.deepStrictEqual(lines, ["ERROR The option classify ended the connection with a defect. Call connect to dial again. Error: a bug"])
        const events = yield* Stream.runCollect(Stream.takeUntil(connection.events, ({ _tag }) => _tag === "Died"))
        assert.deepStrictEqual(Chunk.toReadonlyArray(events).map(({ _tag }) => _tag), ["Dialling", "AttemptFailed", "Died"])
        yield* connection.connect
        yield* connection.awaitOpen
        assert.deepStrictEqual(yield* dialTimes, [0, 0])
      }).pipe(Effect.provide(
        scripted([fail(), open()], {
          classify: () => {
            throw bug
          }
        }).pipe(
          Layer.provideMerge(Logger.replace(Logger.defaultLogger, logger)),
          Layer.provideMerge(Logger.minimumLogLevel(LogLevel.Warning))
        )
      ))
    }))

  it.effect("a schedule that dies is named as such", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert.strictEqual(
        error.message,
        "There is no open connection: the option reconnect ended it with a defect (a bug). Fix it, then call connect."
      )
      yield* connection.disconnect
      assert.strictEqual((yield* Effect.flip(connection.send("hello"))).message, error.message)
    }).pipe(Effect.provide(
      Connection.layer({ url: "ws://peer.test", reconnect: Schedule.mapEffect(Schedule.forever, () => Effect.die(bug)) }).pipe(
        Layer.provide(TestTransport.layer([fail()]))
      )
    )))

  it.effect("a url that dies counts as a dial that failed, and says why", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert.strictEqual(
        error.message,
        "Gave up after 0 retries in 0ms; the last failure: The option url gave no URL: a bug."
      )
    }).pipe(Effect.provide(scripted([open()], { url: Effect.die(bug), reconnect: { maxRetries: 0 } }))))

  it.effect("an onOpen that throws counts as a handshake that failed, and says why", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert.strictEqual(error.message, "Gave up after 0 retries in 0ms; the last failure: The handshake onOpen failed: a bug.")
    }).pipe(Effect.provide(scripted([open()], {
      onOpen: () => {
        throw bug
      },
      reconnect: { maxRetries: 0 }
    }))))

  it.effect("classify overrides the standard table", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* connection.awaitOpen.pipe(Effect.fork)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(
      Effect.provide(scripted([refuse(404), open()], {
        classify: (error, standard) => error._tag === "HandshakeRejected" ? FailureClass.Retry() : standard
      }))
    ))

  it.effect("an effect for the URL runs before every dial, and again after it fails or dies", () =>
    Effect.gen(function*() {
      const { dials } = yield* TestTransport.TestTransport
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* dials).length, 1)
      assert.deepStrictEqual(yield* dialTimes, [3])
    }).pipe(
      Effect.provide(scripted([open()], {
        url: Effect.suspend((() => {
          const answers = [Effect.fail("no token"), Effect.die(new Error("boom")), Effect.succeed("ws://peer.test")]
          return () => answers.shift() ?? Effect.never
        })())
      }))
    ))

  it.effect("an effect for the URL that never completes is a timeout", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const failure = yield* Effect.fork(Effect.flip(connection.awaitOpen))
      yield* TestClock.adjust("10 seconds")
      const error = yield* failure
      assert(error._tag === "ConnectionTimeout")
      assert.strictEqual(error.message, "The connection did not open within 10s.")
    }).pipe(Effect.provide(scripted([], { url: Effect.never, reconnect: { enabled: false } }))))
})
