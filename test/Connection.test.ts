import { assert, describe, it } from "@effect/vitest"
import * as v8 from "node:v8"
import * as vm from "node:vm"
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import type { ConnectionEvent } from "holdfast"
import { Connection, ConnectionError, ConnectionState, FailureClass, Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"

const { close, expect, fail, hang, open, openAfter, refuse, reset, send, vanish, wait } = TestTransport

type Overrides = Omit<Connection.Options, "url"> & { readonly url?: Connection.Options["url"] }

const bug = new Error("a bug")

const noJitter = { jitterFactor: 0 }

// Liveness is switched off unless a test is about it.
const scripted = (
  script: Iterable<TestTransport.Dial>,
  options: Overrides = {},
  transport?: Parameters<typeof TestTransport.layer>[1]
) =>
  Connection.layer({
    url: "ws://peer.test:8080/secret-path?token=secret-token",
    messageTimeout: Duration.infinity,
    pingInterval: Duration.infinity,
    ...options,
    reconnect: { ...noJitter, ...options.reconnect }
  }).pipe(Layer.provideMerge(TestTransport.layer(script, transport)))

const forever = function*(entry: TestTransport.Dial) {
  for (;;) yield entry
}

const dialTimes = Effect.gen(function*() {
  const { dials } = yield* TestTransport.TestTransport
  return (yield* dials).map(({ at }) => at / 1000)
})

// Waits between dials, in seconds.
const waits = Effect.map(dialTimes, (times) => times.slice(1).map((time, i) => time - (times[i] ?? 0)))

const collect = <A, E>(stream: Stream.Stream<A, E>) => {
  return Effect.gen(function*() {
    const seen = yield* Ref.make<ReadonlyArray<A>>([])
    const fiber = yield* Effect.fork(Stream.runForEach(stream, (item) => Ref.update(seen, (all) => [...all, item])))
    yield* TestClock.adjust(0)
    return { seen: Ref.get(seen), exit: Fiber.await(fiber), fiber }
  })
}

const heapUsed = Effect.sync(() => {
  v8.setFlagsFromString("--expose-gc")
  vm.runInNewContext("gc()")
  return process.memoryUsage().heapUsed
})

describe("the ladder", () => {
  it.effect("waits 1, 2, 4, 8, 16, 32, 60, 60 seconds, and then gives up", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [1, 2, 4, 8, 16, 32, 60, 60])
      const exit = yield* messages.exit
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert(error?._tag === "RetriesExhausted")
      assert.strictEqual(error.attempts, 8)
      assert.deepStrictEqual(error.elapsed, Duration.seconds(183))
      assert.deepStrictEqual(
        error.history.map(({ at }) => at / 1000),
        [0, 1, 3, 7, 15, 31, 63, 123, 183]
      )
      assert.strictEqual(error.last._tag, "DialFailed")
      assert.strictEqual(
        error.message,
        "Gave up after 8 retries in 3m 3s; the last failure: The dial failed with ECONNREFUSED: scripted."
      )
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { maxRetries: 8 } }))))

  // Effect's clock sets no timer for longer than Node's can hold.
  const withTimersOfNode = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.clockWith((clock) =>
      Effect.withClock(effect, {
        [Clock.ClockTypeId]: Clock.ClockTypeId,
        unsafeCurrentTimeMillis: () => clock.unsafeCurrentTimeMillis(),
        currentTimeMillis: clock.currentTimeMillis,
        unsafeCurrentTimeNanos: () => clock.unsafeCurrentTimeNanos(),
        currentTimeNanos: clock.currentTimeNanos,
        sleep: (duration) => Duration.toMillis(duration) > 2 ** 31 - 1 ? Effect.never : clock.sleep(duration)
      }))

  it.effect("waits as long as it is told to, a month too", () =>
    Effect.gen(function*() {
      const month = { initialDelay: "30 days", maxDelay: "30 days" } as const
      const context = yield* withTimersOfNode(Layer.build(scripted([fail(), open()], { reconnect: month })))
      const connection = yield* Connection.Connection.pipe(Effect.provide(context))
      yield* TestClock.adjust("29 days")
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.scoped))

  it.effect("with an initial delay of zero the first retry is at once, and is told like any other", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const states = yield* collect(Stream.map(connection.changes, ({ _tag }) => _tag))
      const events = yield* collect(Stream.map(connection.events, ({ _tag }) => _tag))
      assert.deepStrictEqual(yield* states.seen, ["Connecting", "Reconnecting", "Connecting", "Reconnecting"])
      assert.deepStrictEqual(yield* events.seen, [
        "Dialling",
        "AttemptFailed",
        "Waiting",
        "Dialling",
        "AttemptFailed",
        "Waiting"
      ])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [0, 1, 2, 4])
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { initialDelay: 0, maxRetries: 4 } }))))

  it.effect("with jitter no wait is above the cap, nor are two clients' waits the same", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      const all = yield* waits
      assert.strictEqual(all.length, 40)
      all.forEach((seconds, n) => {
        const base = Math.min(2 ** n, 60)
        assert.isAtLeast(seconds, base * 0.75)
        assert.isAtMost(seconds, Math.min(base * 1.25, 60))
      })
      assert.isAtLeast(new Set(all.slice(6)).size, 30)
    }).pipe(
      Effect.provide(scripted(forever(fail()), { reconnect: { jitterFactor: 0.25, maxRetries: 40 } })),
      Effect.withRandom(Random.make("seed"))
    ))

  it.effect("maxRetries 0 never retries", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert(error._tag === "RetriesExhausted")
      assert.strictEqual(error.attempts, 0)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { maxRetries: 0 } }))))

  it.effect("an unlimited budget is never spent", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("10 hours")
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      assert.isAbove((yield* dialTimes).length, 590)
    }).pipe(Effect.provide(scripted(forever(fail()), { reconnect: { maxRetries: "unlimited" } }))))

  it.effect("four healthy lives of an hour with maxRetries 3 are not exhausted", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("5 hours")
      assert.deepStrictEqual(yield* messages.seen, ["1", "2", "3", "4", "5"])
      assert.deepStrictEqual(yield* waits, [3601, 3601, 3601, 3601])
    }).pipe(
      Effect.provide(scripted(
        ["1", "2", "3", "4", "5"].map((text) => open(send(text), wait("1 hour"), reset)),
        { reconnect: { maxRetries: 3 } }
      ))
    ))

  it.effect("a server that accepts and then closes climbs the ladder, and exhausts it", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [1, 2, 4, 8])
      assert.strictEqual((yield* connection.state)._tag, "Failed")
    }).pipe(Effect.provide(scripted(forever(open(close(1000))), { reconnect: { maxRetries: 4 } }))))

  it.effect("one message and then close climbs too, while shorter than stableAfter", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [5, 6, 8])
    }).pipe(
      Effect.provide(scripted(forever(open(send("hello"), wait("4 seconds"), close())), {
        reconnect: { maxRetries: 3 }
      }))
    ))

  it.effect("a long life without any message climbs as well, unless opening alone is proof", () =>
    Effect.gen(function*() {
      const mute = forever(open(wait("10 seconds"), close()))
      const run = (provenBy: "message" | "open") =>
        Effect.zipRight(TestClock.adjust("44 seconds"), waits).pipe(
          Effect.provide(scripted(mute, { reconnect: { maxRetries: 3, provenBy } }))
        )
      assert.deepStrictEqual(yield* run("message"), [11, 12, 14])
      assert.deepStrictEqual(yield* run("open"), [11, 11, 11, 11])
    }))

  it.effect("a proven life forgets the failures before it", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* waits, [1, 2, 4, 6 + 1, 2])
      const told = (yield* events.seen).flatMap((event) =>
        event._tag === "Waiting" ? [[event.attempt, event.retriesLeft]] : []
      )
      assert.deepStrictEqual(told, [[1, 2], [2, 1], [3, 0], [1, 2], [2, 1]])
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(
      Effect.provide(scripted([
        fail(),
        fail(),
        fail(),
        open(send("hello"), wait("6 seconds"), reset),
        fail(),
        open(send("again"))
      ], { reconnect: { maxRetries: 3 } }))
    ))
})

describe("what a failure calls for", () => {
  it.effect("429 with Retry-After waits at least as long", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("1 minute")
      const [first] = yield* waits
      assert.isAtLeast(first ?? 0, 17)
      assert.strictEqual((yield* dialTimes).length, 2)
    }).pipe(Effect.provide(scripted([refuse(429, { retryAfter: "17 seconds" }), open()]))))

  it.effect("404 fails at once, with the refusal itself", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const exit = yield* Effect.exit(Stream.runDrain(connection.messages))
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert(error?._tag === "HandshakeRejected")
      assert.strictEqual(error.message, `The server refused the upgrade with status 404: "no such stream".`)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(Effect.provide(scripted([refuse(404, { body: "no such stream" }), open()]))))

  it.effect("with reconnection off, the stream fails with the cause itself", () =>
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

  it.effect("close 1008 is tried three times more, and is then fatal", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [1, 2, 4])
      const state = yield* connection.state
      assert(state._tag === "Failed")
      assert(state.error._tag === "ConnectionClosed")
    }).pipe(Effect.provide(scripted(forever(open(close(1008, "too many messages")))))))

  it.effect("a bug in classify ends the messages with that defect, and not with silence", () =>
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

  it.effect("after such a bug nobody waits for an open connection for ever, the log tells, and connect starts afresh", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ cause, logLevel, message }) => {
        lines.push(`${logLevel.label} ${String(message)} ${Cause.pretty(cause).split("\n")[0] ?? ""}`)
      })
      yield* Effect.gen(function*() {
        const connection = yield* Connection.Connection
        const error = yield* Effect.flip(connection.awaitOpen)
        assert.strictEqual(error.message, "There is no open connection: its state is Disconnected.")
        assert.strictEqual((yield* Effect.flip(connection.reconnect("please")))._tag, "NotConnected")
        assert.deepStrictEqual(lines, ["ERROR The connection ended by a defect. Error: a bug"])
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

  it.effect("classify overrides the table", () =>
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

  it.effect("a URL effect is asked anew at every dial, and retried when it fails or dies", () =>
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

  it.effect("a URL effect that never answers is a timeout", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const failure = yield* Effect.fork(Effect.flip(connection.awaitOpen))
      yield* TestClock.adjust("10 seconds")
      const error = yield* failure
      assert(error._tag === "ConnectionTimeout")
      assert.strictEqual(error.message, "The connection did not open within 10s.")
    }).pipe(Effect.provide(scripted([], { url: Effect.never, reconnect: { enabled: false } }))))
})

describe("a wait without an end", () => {
  it.effect("is one", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("30 days")
      assert.deepStrictEqual(yield* dialTimes, [0])
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      yield* connection.reconnect("enough")
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(scripted([fail(), open()], {
      classify: () => FailureClass.RetryAfter({ floor: Duration.infinity })
    }))))
})

describe("liveness", () => {
  it.effect("silence ends in a message timeout, and heals", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const frames = yield* collect(connection.frames)
      yield* TestClock.adjust("1 minute")
      const [first, gap, second] = yield* frames.seen
      assert(first?._tag === "Data" && second?._tag === "Data" && gap?._tag === "Gap")
      assert(gap.cause._tag === "ConnectionTimeout")
      assert.strictEqual(gap.cause.phase, "message")
      assert.strictEqual(gap.cause.message, "No message came for 30s.")
      assert.deepStrictEqual(gap.downtime, Duration.seconds(1))
      assert.deepStrictEqual(yield* dialTimes, [0, 41])
    }).pipe(
      Effect.provide(scripted([open(wait("10 seconds"), send("a")), open(send("b"))], { messageTimeout: "30 seconds" }))
    ))

  it.effect("a missed pong drops the socket without waiting for a polite close, and heals", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { endings } = yield* TestTransport.TestTransport
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 minute")
      const lost = (yield* events.seen).find((event) => event._tag === "Lost")
      assert(lost?.cause._tag === "ConnectionTimeout")
      assert.strictEqual(lost.cause.phase, "pong")
      assert.deepStrictEqual(yield* dialTimes, [0, 31])
      assert.deepStrictEqual(yield* endings, { closed: 0, terminated: 1, abandoned: 0 })
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(
      Effect.provide(scripted([open(send("a"), vanish), open(send("b"))], {
        pingInterval: "20 seconds",
        pongTimeout: "10 seconds"
      }))
    ))

  it.effect("a transport that cannot ping is not blamed for its silence", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(
      Effect.provide(scripted([open(vanish), open()], { pingInterval: "20 seconds" }, {
        capabilities: { ping: false }
      }))
    ))

  it.effect("a transport that cannot ping although pings are wanted is told of once, when it opens", () =>
    Effect.gen(function*() {
      const told = (options: Overrides, ping: boolean) =>
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
      const unable = "This transport cannot ping: a peer that is gone shows only by its silence, after 30s of it."
      assert.deepStrictEqual(yield* told({ pingInterval: "20 seconds", messageTimeout: "30 seconds" }, false), [unable])
      assert.deepStrictEqual(yield* told({ pingInterval: "20 seconds", messageTimeout: "30 seconds" }, true), [])
      assert.deepStrictEqual(yield* told({ messageTimeout: "30 seconds" }, false), [])
      assert.deepStrictEqual(yield* told({ pingInterval: "20 seconds" }, false), [
        "This transport cannot ping, and there is no messageTimeout: a peer that is gone is never noticed."
      ])
    }))

  it.effect("a peer held up by our own slow consumer is not blamed", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* dialTimes).length, 1)
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* messages.seen).length, 100)
      // Now nothing holds us up, and silence counts again.
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* dialTimes).length, 2)
    }).pipe(
      Effect.provide(scripted([open(vanish, send(...Array.from({ length: 100 }, String))), open()], {
        messageTimeout: "30 seconds",
        pingInterval: "20 seconds",
        inbox: { capacity: 8 }
      }))
    ))

  it.effect("a dial that neither opens nor fails ends at the open timeout", () =>
    Effect.gen(function*() {
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* waits, [11, 12])
      const { open: stillOpen } = yield* TestTransport.TestTransport
      assert.strictEqual(yield* stillOpen, 1)
    }).pipe(Effect.provide(scripted([hang, openAfter("11 seconds"), open()]))))
})

describe("the handshake of the protocol", () => {
  const login = (handshake: Connection.Handshake) =>
    Effect.zipRight(
      handshake.send("login"),
      Effect.iterate("", { while: (answer) => answer !== "welcome", body: () => handshake.receive })
    )

  it.effect("goes out before anything the user sends, and loses nothing that arrives meanwhile", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      const messages = yield* collect(connection.messages)
      yield* Effect.fork(connection.send("order", { deadline: "1 minute" }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* sent, ["login"])
      assert.strictEqual((yield* connection.state)._tag, "Connecting")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* sent, ["login", "order"])
      assert.deepStrictEqual(yield* messages.seen, ["early", "welcome", "late"])
    }).pipe(
      Effect.provide(scripted([open(expect("login"), send("early"), wait("2 seconds"), send("welcome", "late"))], {
        onOpen: login
      }))
    ))

  it.effect("sees all that comes before its answer, however much the inbox holds", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      assert.deepStrictEqual(yield* messages.seen, ["one", "two", "three", "four", "welcome"])
    }).pipe(Effect.provide(scripted([open(
      expect("login"),
      ...["one", "two", "three", "four", "welcome"].flatMap((message) => [send(message), wait("10 millis")])
    )], { inbox: { capacity: 2 }, onOpen: login }))))

  it.effect("keeps what came with it for a reader who comes late, though the socket ends at once", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 minute")
      const frames = yield* collect(connection.frames)
      yield* TestClock.adjust("1 minute")
      const seen = (yield* frames.seen).map((frame) => frame._tag === "Gap" ? frame.dropped : frame.data)
      assert.deepStrictEqual(seen, ["1", "2", "3", "welcome", 0, "4", "5", "welcome"])
    }).pipe(
      Effect.provide(scripted([
        open(expect("login"), send("1", "2", "3", "welcome"), close(1001)),
        open(expect("login"), send("4", "5", "welcome"), close(1001)),
        hang
      ], { onOpen: login, inbox: { capacity: 4 }, openTimeout: "1 hour" }))
    ))

  it.effect("that stopped waiting for more keeps what came then, though the socket ends before it does", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* messages.seen, ["hello", "late"])
    }).pipe(
      Effect.provide(scripted([open(send("hello"), wait("2 seconds"), send("late"), close(1001)), hang], {
        onOpen: ({ receive }) =>
          receive.pipe(
            Effect.zipRight(Effect.timeoutOption(receive, "1 second")),
            Effect.zipRight(Effect.sleep("4 seconds"))
          ),
        openTimeout: "1 hour"
      }))
    ))

  it.effect("that fails, dies or never ends counts as a failed dial", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* waits, [1, 2, 14])
      const causes = (yield* events.seen).flatMap((event) =>
        event._tag === "AttemptFailed" ? [event.cause.message] : []
      )
      assert.deepStrictEqual(causes, [
        "The handshake after opening failed: wrong password.",
        "The handshake after opening failed: boom.",
        "The connection did not open within 10s.",
        "The handshake after opening failed: wrong password."
      ])
      const { open: stillOpen } = yield* TestTransport.TestTransport
      assert.strictEqual(yield* stillOpen, 0)
    }).pipe(
      Effect.provide(scripted(forever(open(send("data"))), {
        reconnect: { maxRetries: 3 },
        onOpen: (() => {
          const answers: Array<Effect.Effect<void, string>> = [
            Effect.fail("wrong password"),
            Effect.die(new Error("boom")),
            Effect.never
          ]
          return () => answers.shift() ?? Effect.fail("wrong password")
        })()
      }))
    ))

  it.effect("whose socket closes under it is told by the close", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const error = yield* Effect.flip(connection.awaitOpen)
      assert(error._tag === "ConnectionClosed")
      assert.strictEqual(error.code, 4001)
    }).pipe(
      Effect.provide(scripted([open(expect("login"), close(4001, "bad key"))], {
        onOpen: login,
        reconnect: { enabled: false }
      }))
    ))
})

// Transports that do not keep to what is asked of them.
const idle: Transport.Socket = {
  protocol: "",
  pull: Effect.never,
  send: () => Effect.void,
  ping: Effect.void,
  close: () => Effect.void,
  terminate: Effect.void
}
const closed = Effect.fail(new ConnectionError.ConnectionClosed({ code: 1006, reason: "", openFor: Duration.zero }))
const quiet = { messageTimeout: Duration.infinity, pingInterval: Duration.infinity }

const rough = (
  dial: (count: number) => Effect.Effect<Transport.Socket, Transport.DialError, Scope.Scope>
): Transport.Transport => {
  let count = 0
  return {
    capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
    dial: () => Effect.suspend(() => dial(count++))
  }
}

describe("a transport", () => {
  const bad = Effect.die(bug)
  const finalizers = {
    "that can be interrupted while it closes": Effect.interruptible(Effect.sleep("1 second")),
    "that dies as it closes": bad
  }
  const endings = {
    "lost": { socket: { ...idle, pull: Effect.delay(closed, "1 second") }, options: quiet },
    "silent": { socket: idle, options: { ...quiet, messageTimeout: "1 second" } },
    "deaf": {
      socket: { ...idle, ping: Effect.never },
      options: { ...quiet, pingInterval: "500 millis", pongTimeout: "500 millis" }
    }
  } as const

  for (const [how, finalizer] of Object.entries(finalizers)) {
    for (const [why, { options, socket }] of Object.entries(endings)) {
      it.effect(`${how} when it is ${why} is dialled again, and counted as gone`, () =>
        Effect.gen(function*() {
          const url = `ws://${why}.${how.replaceAll(" ", "-")}.test`
          const connection = yield* Connection.make({ url, ...options })
          const opened = yield* collect(Stream.filter(connection.events, ({ _tag }) => _tag === "Opened" || _tag === "Died"))
          yield* TestClock.adjust("4 seconds")
          assert.deepStrictEqual((yield* opened.seen).slice(0, 2).map(({ _tag }) => _tag), ["Opened", "Opened"])
          const disconnected = yield* Effect.fork(connection.disconnect)
          yield* TestClock.adjust("2 seconds")
          yield* Fiber.join(disconnected)
          const { hostname } = new URL(url)
          const open = (yield* Metric.snapshot).filter(({ metricKey, metricState }) =>
            metricKey.name === "websocket.client.connections" && MetricState.isGaugeState(metricState) &&
            Array.from(metricKey.tags).some(({ value }) => value === hostname) && metricState.value !== 0
          )
          assert.deepStrictEqual(open, [])
        }).pipe(
          Effect.provideService(Transport.Transport, rough(() => Effect.as(Effect.addFinalizer(() => finalizer), socket))),
          Effect.scoped
        ))
    }
  }

  it.effect("whose defect as it closes is told in the log", () => {
    const lines: Array<string> = []
    const logger = Logger.make<unknown, void>(({ cause, message }) => {
      lines.push(`${String(message)} ${Cause.pretty(cause).split("\n")[0] ?? ""}`)
    })
    return Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet })
      yield* connection.awaitOpen
      yield* connection.disconnect
      assert.include(lines, "The transport failed to close its socket. Error: a bug")
    }).pipe(
      Effect.provideService(Transport.Transport, rough(() => Effect.as(Effect.addFinalizer(() => bad), idle))),
      Effect.scoped,
      Effect.provide(Logger.replace(Logger.defaultLogger, logger))
    )
  })

  for (const [how, terminate] of Object.entries({ "never drops": Effect.never, "dies as it drops": bad })) {
    it.effect(`that ${how} a silent socket is closed and dialled again all the same`, () => {
      let open = 0
      const counted = Effect.acquireRelease(
        Effect.sync(() => {
          open++
        }),
        () =>
          Effect.sync(() => {
            open--
          })
      )
      return Effect.gen(function*() {
        const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet, messageTimeout: "10 seconds" })
        yield* TestClock.adjust("15 seconds")
        assert.strictEqual((yield* connection.state)._tag, "Connected")
        assert.strictEqual(open, 1)
        yield* connection.disconnect
        assert.strictEqual(open, 0)
      }).pipe(
        Effect.provideService(Transport.Transport, rough(() => Effect.as(counted, { ...idle, terminate }))),
        Effect.scoped
      )
    })
  }

  it.effect("whose ping does not give way is silent all the same", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test" })
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      const lost = yield* collect(Stream.filter(connection.events, ({ _tag }) => _tag === "Lost"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* lost.seen).length, 1)
    }).pipe(
      Effect.provideService(Transport.Transport, rough(() =>
        Effect.succeed({ ...idle, ping: Effect.uninterruptible(Effect.never) }))),
      Effect.scoped
    ))
})

describe("by hand", () => {
  const untouched = Effect.gen(function*() {
    const before = (yield* dialTimes).length
    yield* TestClock.adjust("1 hour")
    assert.strictEqual((yield* dialTimes).length, before)
    const { open: stillOpen } = yield* TestTransport.TestTransport
    assert.strictEqual(yield* stillOpen, 0)
  })

  const stays = (name: string, script: ReadonlyArray<TestTransport.Dial>, state: ConnectionState.Tag) =>
    it.effect(`disconnect while ${name}: no further dial, and the messages end normally`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        const messages = yield* collect(connection.messages)
        yield* TestClock.adjust("500 millis")
        assert.strictEqual((yield* connection.state)._tag, state)
        yield* connection.disconnect
        assert.strictEqual((yield* connection.state)._tag, "Disconnected")
        assert.isTrue(Exit.isSuccess(yield* messages.exit))
        yield* untouched
        const refused = yield* Effect.flip(connection.reconnect("please"))
        assert.strictEqual(refused.message, "There is no open connection: its state is Disconnected.")
        yield* untouched
      }).pipe(Effect.provide(scripted(script))))

  stays("connected", [open(send("hello")), open()], "Connected")
  stays("waiting", [fail(), open()], "Reconnecting")
  stays("dialling", [hang, open()], "Connecting")
  stays("dialling again", [fail(), hang], "Reconnecting")

  it.effect("disconnect while in the protocol's handshake, from inside it too", () =>
    Effect.gen(function*() {
      const inside = yield* Effect.makeSemaphore(1)
      yield* inside.take(1)
      const context = yield* Layer.build(scripted([open(), open()], { onOpen: () => inside.take(1) }))
      const connection = yield* Connection.Connection.pipe(Effect.provide(context))
      yield* TestClock.adjust("1 second")
      yield* connection.disconnect
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
      yield* untouched.pipe(Effect.provide(context))
    }).pipe(Effect.scoped))

  it.effect("connect starts afresh, with a full budget and streams of its own", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* connection.state)._tag, "Failed")
      yield* connection.connect
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* messages.seen, ["back"])
      yield* connection.disconnect
      assert.isTrue(Exit.isSuccess(yield* messages.exit))
      yield* connection.connect
      const again = yield* collect(connection.frames)
      yield* TestClock.adjust("1 second")
      // No gap: this is a new stream, and nothing was missed in it.
      assert.deepStrictEqual((yield* again.seen).map(({ _tag }) => _tag), ["Data"])
    }).pipe(
      Effect.provide(scripted([fail(), fail(), fail(), open(send("back")), open(send("again"))], {
        reconnect: { maxRetries: 1 }
      }))
    ))

  it.effect("reconnect replaces an open connection at once, and costs no retry", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const frames = yield* collect(connection.frames)
      yield* TestClock.adjust("1 second")
      yield* connection.reconnect("new credentials")
      yield* TestClock.adjust("1 second")
      const gap = (yield* frames.seen)[1]
      assert(gap?._tag === "Gap")
      assert.strictEqual(gap.cause.message, `A reconnect was asked for: "new credentials".`)
      assert.deepStrictEqual(yield* dialTimes, [0, 1])
      const { endings } = yield* TestTransport.TestTransport
      assert.deepStrictEqual(yield* endings, { closed: 1, terminated: 0, abandoned: 0 })
    }).pipe(
      Effect.provide(scripted([open(send("a")), open(send("b"))], { reconnect: { maxRetries: 0 } }))
    ))

  it.effect("reconnect cuts a wait short", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("100 millis")
      yield* connection.reconnect("the network is back")
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* dialTimes, [0, 0.1])
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(scripted([fail(), open()]))))

  // Does something in the very moment in which it is told of an event.
  const onEvent = (connection: Connection.Connection, tag: ConnectionEvent.ConnectionEvent["_tag"], effect: Effect.Effect<void, unknown>) =>
    Effect.gen(function*() {
      const runFork = Runtime.runFork(yield* Effect.runtime())
      yield* Effect.fork(connection.events.listen((events) => {
        if (events.some(({ _tag }) => _tag === tag)) runFork(effect)
      }))
      yield* TestClock.adjust(0)
    })

  for (const tag of ["Lost", "Waiting"] as const) {
    it.effect(`whoever is told "${tag}" may disconnect in that moment, and nothing is left to wait for`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* onEvent(connection, tag, connection.disconnect)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* connection.state)._tag, "Disconnected")
        // The next dial would have been then.
        assert.notInclude(Chunk.toReadonlyArray(yield* TestClock.sleeps()), 2_000)
        yield* untouched
      }).pipe(Effect.provide(scripted([open(wait("1 second"), reset), open()]))))

    it.effect(`whoever is told "${tag}" may want the next dial in that moment`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* onEvent(connection, tag, connection.reconnect("the network is back"))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* dialTimes, [0, 1])
        assert.strictEqual((yield* connection.state)._tag, "Connected")
      }).pipe(Effect.provide(scripted([open(wait("1 second"), reset), open()]))))
  }

  it.effect("a transport that interrupts its dial is a defect, and not a connection that says nothing", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test" })
      const exit = yield* Effect.exit(Stream.runDrain(connection.messages))
      assert.isTrue(Exit.isInterrupted(exit))
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
    }).pipe(
      Effect.provideService(Transport.Transport, {
        capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
        dial: () => Effect.interrupt
      }),
      Effect.scoped
    ))

  it.effect("reconnect while a lost connection is still being closed has the next dial at once", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test", reconnect: { initialDelay: "30 seconds" }, ...quiet })
      yield* TestClock.adjust("1500 millis")
      yield* connection.reconnect("the network is back")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(
      Effect.provideService(Transport.Transport, rough((dial) =>
        dial === 0
          ? Effect.as(
            Effect.addFinalizer(() => Effect.sleep("2 seconds")),
            { ...idle, pull: Effect.delay(closed, "1 second") }
          )
          : Effect.succeed(idle))),
      Effect.scoped
    ))

  it.effect("send fails at once when nothing is open, and with a deadline waits for the next connection", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      const refused = yield* Effect.flip(connection.send("now"))
      assert.strictEqual(refused._tag, "NotConnected")
      const late = yield* Effect.fork(Effect.flip(connection.send("late", { deadline: "500 millis" })))
      const patient = yield* Effect.fork(connection.send("patient", { deadline: "10 seconds" }))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* late).message, "The message could not be sent within 500ms.")
      yield* patient
      yield* connection.send("now")
      assert.deepStrictEqual(yield* sent, ["patient", "now"])
    }).pipe(Effect.provide(scripted([fail(), open()]))))

  const closings: ReadonlyArray<readonly [ConnectionState.Tag, ReadonlyArray<TestTransport.Dial>, Overrides]> = [
    ["Connected", [open(send("x"))], {}],
    ["Reconnecting", [fail()], {}],
    ["Connecting", [hang], {}],
    ["Connecting", [openAfter("5 seconds")], {}],
    ["Connected", [open(vanish)], {}],
    ["Failed", [refuse(404)], {}],
    ["Connected", [open(send(...Array.from({ length: 100 }, String)))], { inbox: { capacity: 2 } }],
    ["Connecting", [open(send("x"))], { onOpen: () => Effect.never }],
    ["Connecting", [open()], { onOpen: ({ receive }) => Effect.asVoid(receive) }],
    ["Connecting", [open()], { url: Effect.never }],
    ["Connected", [open(send("x"))], { messageTimeout: "30 seconds", pingInterval: "100 millis", pongTimeout: "1 hour" }]
  ]

  it.effect("a closed scope ends every stream and leaves nothing, whatever the state", () =>
    Effect.forEach(
      closings,
      ([state, script, options]) =>
        Effect.gen(function*() {
          const ended = yield* Effect.scoped(Effect.gen(function*() {
            const context = yield* Layer.build(scripted(script, options))
            const connection = yield* Connection.Connection.pipe(Effect.provide(context))
            // Nobody makes room in the small inbox.
            const messages = yield* collect(options.inbox === undefined ? connection.messages : Stream.empty)
            const changes = yield* collect(connection.changes)
            const events = yield* collect(connection.events)
            yield* TestClock.adjust("500 millis")
            assert.strictEqual((yield* connection.state)._tag, state)
            // A peer that has vanished is given its closeTimeout.
            yield* Effect.fork(TestClock.adjust("2 seconds"))
            return { context, messages, changes, events }
          }))
          yield* ended.messages.exit
          assert.isTrue(Exit.isSuccess(yield* ended.changes.exit))
          assert.isTrue(Exit.isSuccess(yield* ended.events.exit))
          assert.strictEqual((yield* ended.events.seen).at(-1)?._tag, "Closed")
          const connection = yield* Connection.Connection.pipe(Effect.provide(ended.context))
          assert.strictEqual((yield* connection.state)._tag, "Closed")
          assert.strictEqual((yield* Effect.flip(connection.connect))._tag, "NotConnected")
          yield* Effect.provide(untouched, ended.context)
          // No timer is left either, nor the fibre that would wait for it.
          assert.strictEqual(Chunk.size(yield* TestClock.sleeps()), 0)
        }),
      { discard: true }
    ))
})

describe("the inbox", () => {
  const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i))
  const slow = (overflow: "suspend" | "sliding" | "dropping" | "fail") =>
    scripted([open(send(...numbers(1, 100)))], { inbox: { capacity: 8, overflow } })

  const drain = Effect.gen(function*() {
    const connection = yield* Connection.Connection
    yield* TestClock.adjust("1 second")
    const frames = yield* collect(connection.frames)
    yield* TestClock.adjust("1 second")
    const texts = (yield* frames.seen).map((frame) =>
      frame._tag === "Data" ? String(frame.data) : `${frame.dropped} dropped: ${frame.cause.message}`
    )
    return { texts, exit: frames.exit }
  })
  const behind = (count: number) => `${count} dropped: The consumer fell behind by more than 8 messages.`

  it.effect("suspend holds the peer up, and loses nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, numbers(1, 100))
    }).pipe(Effect.provide(slow("suspend"))))

  it.effect("sliding keeps the newest, after a gap that counts the rest", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, [behind(92), ...numbers(93, 100)])
    }).pipe(Effect.provide(slow("sliding"))))

  it.effect("dropping keeps the oldest, with a gap that counts the rest after them", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* drain).texts, [...numbers(1, 8), behind(92)])
    }).pipe(Effect.provide(slow("dropping"))))

  it.effect("fail gives the connection up, after what had arrived", () =>
    Effect.gen(function*() {
      const { exit, texts } = yield* drain
      assert.deepStrictEqual(texts, numbers(1, 8))
      const ended = yield* exit
      const error = Exit.isFailure(ended) ? yield* Effect.flip(Effect.failCause(ended.cause)) : undefined
      assert.strictEqual(error?._tag, "InboxOverflow")
      assert.strictEqual((yield* dialTimes).length, 1)
    }).pipe(Effect.provide(slow("fail"))))

  it.effect("the gap of drops is an event too", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* drain
      const events = yield* collect(connection.events)
      const gaps = (yield* events.seen).flatMap((event) => event._tag === "Gap" ? [event.gap.dropped] : [])
      assert.deepStrictEqual(gaps, [92])
    }).pipe(Effect.provide(slow("sliding"))))

  it.effect("what is lost on the way by a reconnect on request is counted", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      yield* connection.reconnect("enough")
      yield* TestClock.adjust("1 second")
      const frames = yield* collect(connection.frames)
      yield* TestClock.adjust("1 second")
      const seen = (yield* frames.seen).map((frame) =>
        frame._tag === "Gap" ? [frame.dropped, frame.cause._tag] : frame.data
      )
      // What the peer had sent and we had not read yet is gone with its connection: the gap stands for that as well.
      assert.deepStrictEqual(seen, [...numbers(1, 8), [8, "ReconnectRequested"], "new"])
    }).pipe(
      Effect.provide(scripted([open(send(...numbers(1, 100))), open(send("new"))], { inbox: { capacity: 8 } }))
    ))

  it.effect("two readers both get everything, from before the first of them on", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const one = yield* collect(connection.messages)
      const two = yield* collect(connection.messages)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* one.seen, ["early", "late", "later"])
      assert.deepStrictEqual(yield* two.seen, ["late", "later"])
    }).pipe(Effect.provide(scripted([open(send("early"), wait("5 seconds"), send("late"), reset), open(send("later"))]))))

  it.effect("an outage is a gap between the messages it separates", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const frames = yield* collect(connection.frames)
      yield* TestClock.adjust("1 minute")
      const [a, gap, b] = yield* frames.seen
      assert(a?._tag === "Data" && b?._tag === "Data" && gap?._tag === "Gap")
      assert.strictEqual(gap.epoch, 2)
      assert.deepStrictEqual(gap.downtime, Duration.seconds(7))
      assert.strictEqual(gap.dropped, 0)
      // The cause is what broke the connection, not what kept it from coming back.
      assert.strictEqual(gap.cause._tag, "ConnectionClosed")
    }).pipe(
      Effect.provide(scripted([open(send("a"), reset), fail(), fail(), open(send("b"))]))
    ))

  it.effect("binary messages arrive as bytes", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const message = yield* Stream.runHead(connection.messages)
      assert.deepStrictEqual(message, Option.some(Uint8Array.of(1, 2, 3)))
    }).pipe(Effect.provide(scripted([open(send(Uint8Array.of(1, 2, 3)))]))))

  it.effect("an oversize message is not delivered, is tried once more, and then fails the stream", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* messages.seen, ["fine", "fine"])
      const exit = yield* messages.exit
      const error = Exit.isFailure(exit) ? yield* Effect.flip(Effect.failCause(exit.cause)) : undefined
      assert.strictEqual(error?.message, "The peer sent a message of more than 8 bytes.")
    }).pipe(
      Effect.provide(scripted(forever(open(send("fine", "much too long"))), { maxMessageBytes: 8 }))
    ))
})

describe("what is told", () => {
  it.effect("every decision says its cause, class, delay and what is left", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 minute")
      const told = (yield* events.seen).map((event) => {
        switch (event._tag) {
          case "Waiting":
            return [event._tag, event.at, event.cause._tag, event.class._tag, event.until, event.retriesLeft]
          case "Failed":
            return [event._tag, event.at, event.error._tag, event.class._tag, event.because]
          case "Opened":
            return [event._tag, event.at, event.epoch, event.attempt, event.outage]
          default:
            return [event._tag, event.at]
        }
      })
      assert.deepStrictEqual(told, [
        ["Dialling", 0],
        ["AttemptFailed", 0],
        ["Waiting", 0, "DialFailed", "Retry", 1000, 1],
        ["Dialling", 1000],
        ["Opened", 1000, 1, 1, Option.none()],
        ["Lost", 1000],
        ["Waiting", 1000, "ConnectionClosed", "Retry", 3000, 0],
        ["Dialling", 3000],
        ["Opened", 3000, 2, 2, Option.some(Duration.seconds(2))],
        ["Lost", 3000],
        ["Failed", 3000, "RetriesExhausted", "Retry", "exhausted"]
      ])
    }).pipe(
      Effect.provide(scripted([fail(), open(close()), open(close())], { reconnect: { maxRetries: 2 } }))
    ))

  it.effect("changes begins with the state now and follows the table", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const changes = yield* collect(connection.changes)
      yield* TestClock.adjust("1 minute")
      yield* connection.disconnect
      const tags = (yield* changes.seen).map(({ _tag }) => _tag)
      assert.deepStrictEqual(tags, ["Connecting", "Reconnecting", "Connecting", "Connected", "Disconnected"])
      tags.slice(1).forEach((tag, i) => {
        assert.isTrue(ConnectionState.isLegal(tags[i] ?? "Closed", tag))
      })
    }).pipe(Effect.provide(scripted([fail(), open()]))))

  it.effect("no log, event or error shows the URL's path or query, or a header", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ annotations, message }) => {
        lines.push(JSON.stringify([message, [...HashMap.toEntries(annotations)]]))
      })
      yield* Effect.gen(function*() {
        const connection = yield* Connection.Connection
        const events = yield* collect(connection.events)
        yield* TestClock.adjust("1 hour")
        lines.push(JSON.stringify(yield* events.seen), JSON.stringify(yield* connection.state))
      }).pipe(Effect.provide(
        scripted([fail(), open(send("x"), reset), refuse(401), refuse(401)], {
          headers: { authorization: "secret-header" }
        }).pipe(Layer.provideMerge(Logger.replace(Logger.defaultLogger, logger)), Layer.provideMerge(
          Logger.minimumLogLevel(LogLevel.All)
        ))
      ))
      assert.isAbove(lines.length, 5)
      assert.notMatch(lines.join("\n"), /secret/)
      assert.match(lines.join("\n"), /peer\.test:8080/)
    }))

  it.effect.each(["dropping", "sliding"] as const)("a log tells what is done about a failure, and warns once of a consumer too slow for %s", (overflow) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => {
        lines.push(`${logLevel.label} ${String(message)}`)
      })
      yield* Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* TestClock.adjust("1 minute")
        yield* connection.disconnect
      }).pipe(Effect.provide(
        scripted([fail(), open(send(...Array.from({ length: 100 }, String)), reset), open(), refuse(404)], {
          inbox: { capacity: 8, overflow },
          reconnect: { maxRetries: 5 }
        }).pipe(
          Layer.provideMerge(Logger.replace(Logger.defaultLogger, logger)),
          Layer.provideMerge(Logger.minimumLogLevel(LogLevel.Info))
        )
      ))
      assert.deepStrictEqual(lines, [
        "WARN Retry 1 of 5 in 1s. The dial failed with ECONNREFUSED: scripted.",
        "INFO Connected",
        "WARN The consumer is slower than the peer: messages are dropped, and counted in the gaps.",
        "INFO Lost the connection. The connection closed with code 1006, ECONNRESET, after 0ms.",
        "WARN Retry 2 of 5 in 2s. The connection closed with code 1006, ECONNRESET, after 0ms.",
        "INFO Connected, healed after 2s",
        "INFO Disconnected on request"
      ])
    }))

  it.effect("metrics count dials, closes, messages, drops and outages", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* collect(connection.messages)
      yield* TestClock.adjust("1 minute")
      yield* connection.send("hello")
      const values = new Map<string, unknown>()
      for (const { metricKey, metricState } of Metric.unsafeSnapshot()) {
        const tags = [...metricKey.tags].map(({ key, value }) => `${key}=${value}`)
        if (!tags.includes("server.address=metered.test")) continue
        assert.include(tags, "server.port=443")
        const extra = tags.filter((tag) => !/^(server|unit)/.test(tag)).sort()
        values.set(
          [metricKey.name.replace("websocket.client.", ""), ...extra].join(" "),
          MetricState.isCounterState(metricState)
            ? metricState.count
            : MetricState.isGaugeState(metricState)
            ? metricState.value
            : MetricState.isHistogramState(metricState)
            ? [metricState.count, metricState.sum]
            : undefined
        )
      }
      assert.deepStrictEqual([...values].sort(), [
        ["closes error.type=ConnectionClosed websocket.close.code=1012", 1],
        ["connection.attempts error.type=DialFailed outcome=failed", 1],
        ["connection.attempts outcome=opened", 2],
        ["connection.duration", [1, 5]],
        ["connection.open.duration", [2, 0]],
        ["connection.outage.duration", [1, 1]],
        ["connection.reconnect.delay", [2, 2]],
        ["connections state=open", 1],
        ["messages direction=received", 3],
        ["messages direction=sent", 1]
      ])
    }).pipe(
      Effect.provide(scripted([
        fail(),
        open(send("a", "b"), wait("5 seconds"), close(1012)),
        open(send("c"))
      ], { url: "wss://metered.test/secret" }))
    ))

  it.effect("every dial is a span, which knows the server and not the path", () =>
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
      yield* TestClock.adjust("10 seconds").pipe(
        Effect.provide(scripted([fail(), open()])),
        Effect.withTracer(tracer)
      )
      const dials = spans.filter(({ name }) => name === "websocket.connect")
      assert.deepStrictEqual(dials.map(({ attributes, kind, status }) => [
        kind,
        attributes.get("server.address"),
        attributes.get("server.port"),
        attributes.get("websocket.attempt"),
        status._tag === "Ended" && Exit.isSuccess(status.exit)
      ]), [["client", "peer.test", 8080, 0, false], ["client", "peer.test", 8080, 1, true]])
    }))

  it.effect("options out of range are refused with their name, their value and what is allowed", () =>
    Effect.gen(function*() {
      // What a program without types may be told.
      const anything = (overflow: unknown): overflow is "suspend" => typeof overflow === "string"
      const overflow: unknown = "drop"
      assert(anything(overflow))
      const anyTime = (time: unknown): time is "1 second" => typeof time === "string"
      const time: unknown = "20 secs"
      assert(anyTime(time))
      const refusals = yield* Effect.forEach([
        { openTimeout: 0 },
        { messageTimeout: "0 seconds" },
        { pingInterval: -5 },
        { pongTimeout: 0 },
        { closeTimeout: 0 },
        { inbox: { capacity: 1 } },
        { inbox: { overflow } },
        { maxMessageBytes: 0.5 },
        { messageTimeout: time },
        { reconnect: { maxDelay: time } }
      ] satisfies ReadonlyArray<Overrides>, (options) =>
        Effect.map(
          Effect.flip(Effect.scoped(Layer.build(scripted([], options)))),
          (error) => "message" in error ? error.message : ""
        ))
      assert.deepStrictEqual(refusals, [
        `openTimeout is "0", and must be longer than zero`,
        `messageTimeout is "0", and must be longer than zero`,
        `pingInterval is "0", and must be longer than zero`,
        `pongTimeout is "0", and must be longer than zero`,
        `closeTimeout is "0", and must be longer than zero`,
        `inbox.capacity is "1", and must be a whole number from 2`,
        `inbox.overflow is "drop", and must be one of suspend, sliding, dropping, fail`,
        `maxMessageBytes is "0.5", and must be a whole number from 1`,
        `messageTimeout is "20 secs", and must be a duration, such as "20 seconds"`,
        `maxDelay is "20 secs", and must be a duration, such as "20 seconds"`
      ])
    }))
})

describe("made where nothing may be interrupted", () => {
  it.scoped("a connection heals and closes all the same", () =>
    Effect.gen(function*() {
      const connection = yield* Effect.uninterruptible(Connection.make({
        url: "ws://peer.test",
        messageTimeout: Duration.infinity,
        reconnect: noJitter
      }))
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* messages.seen, ["1", "2"])
      yield* connection.disconnect
      assert.strictEqual(yield* (yield* TestTransport.TestTransport).open, 0)
    }).pipe(Effect.provide(TestTransport.layer([open(send("1"), wait("10 seconds"), reset), open(send("2"))]))))
})

describe("for ever", () => {
  // A peer that says one word and hangs up. It keeps no record, so that whatever grows is ours.
  const brief: Transport.Transport = {
    capabilities: { ping: true, pause: true, terminate: true, handshake: true, headers: true },
    dial: () =>
      Effect.acquireRelease(Effect.sync(() => {
        let said = false
        return {
          protocol: "",
          pull: Effect.suspend(() => {
            if (said) {
              return Effect.fail(new ConnectionError.ConnectionClosed({ code: 1006, reason: "", openFor: Duration.zero }))
            }
            said = true
            return Effect.succeed<readonly [Transport.Message]>(["hello"])
          }),
          send: () => Effect.void,
          ping: Effect.never,
          close: () => Effect.void,
          terminate: Effect.void
        }
      }), () => Effect.void)
  }

  // A clock on which the millisecond between two dials takes no time, and no deadline ever comes: ten thousand steps of
  // TestClock would take a minute.
  let millis = 0
  const swift: Clock.Clock = {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => millis,
    currentTimeMillis: Effect.sync(() => millis),
    unsafeCurrentTimeNanos: () => BigInt(millis) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => BigInt(millis) * 1_000_000n),
    sleep: (duration) =>
      Duration.toMillis(duration) > 1 ? Effect.never : Effect.yieldNow().pipe(Effect.map(() => {
        millis++
      }))
  }

  it.effect("ten thousand reconnects leak nothing", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const after = (lives: number) => Effect.zipRight(Stream.runDrain(Stream.take(connection.messages, lives)), heapUsed)
      const warm = yield* after(2_000)
      const end = yield* after(10_000)
      assert.isAtLeast(millis, 11_999)
      // Four hundred bytes left behind by each of ten thousand would be more than this.
      assert.isBelow(end - warm, 4 * 1024 * 1024)
    }).pipe(
      Effect.provide(Connection.layer({
        url: "ws://peer.test",
        reconnect: { initialDelay: "1 millis", stableAfter: 0, jitterFactor: 0 }
      }).pipe(Layer.provide(Layer.succeed(Transport.Transport, brief)))),
      Effect.withClock(swift)
    ), 240_000)
})
