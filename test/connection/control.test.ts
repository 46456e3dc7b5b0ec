import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { ConnectionEvent , ConnectionState} from "holdfast"
import { Connection, ConnectionError, Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"
import type { Overrides } from "./scripted.ts"
import { closed, collect, dialTimes, idle, noJitter, quiet, rough, scripted } from "./scripted.ts"

const { fail, hang, open, openAfter, refuse, reset, send, vanish, wait } = TestTransport

describe("connect, disconnect, reconnect and send", () => {
  const assertNoDial = Effect.gen(function*() {
    const before = (yield* dialTimes).length
    yield* TestClock.adjust("1 hour")
    assert.strictEqual((yield* dialTimes).length, before)
    const { open: stillOpen } = yield* TestTransport.TestTransport
    assert.strictEqual(yield* stillOpen, 0)
  })

  const staysDisconnected = (name: string, script: ReadonlyArray<TestTransport.Dial>, state: ConnectionState.Tag) =>
    it.effect(`disconnect while ${name} stops dialling and ends the messages normally`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        const messages = yield* collect(connection.messages)
        yield* TestClock.adjust("500 millis")
        assert.strictEqual((yield* connection.state)._tag, state)
        yield* connection.disconnect
        assert.strictEqual((yield* connection.state)._tag, "Disconnected")
        assert.isTrue(Exit.isSuccess(yield* messages.exit))
        yield* assertNoDial
        const refused = yield* Effect.flip(connection.reconnect("please"))
        assert.strictEqual(refused.message, "There is no open connection: it is disconnected. Call connect to dial again.")
        yield* assertNoDial
      }).pipe(Effect.provide(scripted(script))))

  staysDisconnected("connected", [open(send("hello")), open()], "Connected")
  staysDisconnected("waiting", [fail(), open()], "Reconnecting")
  staysDisconnected("dialling", [hang, open()], "Connecting")
  staysDisconnected("dialling again", [fail(), hang], "Reconnecting")

  it.effect("disconnect during the protocol's handshake stops dialling", () =>
    Effect.gen(function*() {
      const inside = yield* Effect.makeSemaphore(1)
      yield* inside.take(1)
      const context = yield* Layer.build(scripted([open(), open()], { onOpen: () => inside.take(1) }))
      const connection = yield* Connection.Connection.pipe(Effect.provide(context))
      yield* TestClock.adjust("1 second")
      yield* connection.disconnect
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
      yield* assertNoDial.pipe(Effect.provide(context))
    }).pipe(Effect.scoped))

  it.effect("connect starts again, with a full retry budget and new streams", () =>
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
      const again = yield* collect(connection.items)
      yield* TestClock.adjust("1 second")
      // No gap: it is a new stream.
      assert.deepStrictEqual((yield* again.seen).map(({ _tag }) => _tag), ["Data"])
    }).pipe(
      Effect.provide(scripted([fail(), fail(), fail(), open(send("back")), open(send("again"))], {
        reconnect: { maxRetries: 1 }
      }))
    ))

  it.effect("reconnect replaces an open connection at once, and uses up no retry", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const items = yield* collect(connection.items)
      yield* TestClock.adjust("1 second")
      yield* connection.reconnect("new credentials")
      yield* TestClock.adjust("1 second")
      const gap = (yield* items.seen)[1]
      assert(gap?._tag === "Gap")
      assert.strictEqual(gap.cause.message, `A reconnect was requested: "new credentials".`)
      assert.deepStrictEqual(yield* dialTimes, [0, 1])
      const { endings } = yield* TestTransport.TestTransport
      assert.deepStrictEqual(yield* endings, { closed: 1, terminated: 0, abandoned: 0 })
    }).pipe(
      Effect.provide(scripted([open(send("a")), open(send("b"))], { reconnect: { maxRetries: 0 } }))
    ))

  it.effect("reconnect skips a wait", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("100 millis")
      yield* connection.reconnect("the network is back")
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* dialTimes, [0, 0.1])
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(scripted([fail(), open()]))))

  // Runs an effect in the same turn in which the event is published.
  const onEvent = (connection: Connection.Connection, tag: ConnectionEvent.ConnectionEvent["_tag"], effect: Effect.Effect<void, unknown>) =>
    Effect.gen(function*() {
      const runFork = Runtime.runFork(yield* Effect.runtime())
      yield* Effect.fork(connection.events.listen((events) => {
        if (events.some(({ _tag }) => _tag === tag)) runFork(effect)
      }))
      yield* TestClock.adjust(0)
    })

  for (const tag of ["Lost", "Waiting"] as const) {
    it.effect(`a listener may disconnect on "${tag}", and no timer is left`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* onEvent(connection, tag, connection.disconnect)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* connection.state)._tag, "Disconnected")
        // The time of the next dial, had there been one.
        assert.notInclude(Chunk.toReadonlyArray(yield* TestClock.sleeps()), 2_000)
        yield* assertNoDial
      }).pipe(Effect.provide(scripted([open(wait("1 second"), reset), open()]))))

    it.effect(`a listener may reconnect on "${tag}", and the next dial is at once`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* onEvent(connection, tag, connection.reconnect("the network is back"))
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* dialTimes, [0, 1])
        assert.strictEqual((yield* connection.state)._tag, "Connected")
      }).pipe(Effect.provide(scripted([open(wait("1 second"), reset), open()]))))
  }

  it.effect("a transport that interrupts its dial ends the connection with a defect", () =>
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

  it.scoped("disconnect while a lost connection is being closed stops dialling", () =>
    Effect.gen(function*() {
      const transport = rough(() =>
        Effect.acquireRelease(Effect.succeed({ ...idle, receive: () => closed }), () => Effect.sleep("1 second")))
      const connection = yield* Effect.provideService(
        Connection.make({ url: "ws://peer.test/", ...quiet }),
        Transport.Transport,
        transport
      )
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("500 millis")
      const stopping = yield* Effect.fork(connection.disconnect)
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual((yield* events.seen).map(({ _tag }) => _tag), ["Dialling", "Opened", "Lost", "Waiting", "Disconnected"])
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
    }))

  // The socket ends after a second, and takes two more to be closed.
  const slowToClose = (code: number) =>
    rough((dial) =>
      dial > 0 ? Effect.succeed(idle) : Effect.as(
        Effect.addFinalizer(() => Effect.sleep("2 seconds")),
        {
          ...idle,
          receive: () => Effect.delay(new ConnectionError.ConnectionClosed({ code, reason: "", openFor: Duration.zero }), "1 second")
        }
      ))

  it.scoped("the state shows at once that a connection is lost, and the wait goes on while its socket is closed", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test", reconnect: { ...noJitter, initialDelay: "5 seconds" }, ...quiet })
      yield* TestClock.adjust("1500 millis")
      const state = yield* connection.state
      assert(state._tag === "Reconnecting")
      assert.strictEqual(state.nextDialAt, 6_000)
      yield* TestClock.adjust("4400 millis")
      assert.strictEqual((yield* connection.state)._tag, "Reconnecting")
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provideService(Transport.Transport, slowToClose(1012))))

  it.scoped("a connection that is given up fails at once, and its next dial comes after its socket is closed", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet })
      const messages = yield* collect(connection.messages)
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual((yield* connection.state)._tag, "Failed")
      assert.isTrue(Exit.isFailure(yield* messages.exit))
      yield* connection.connect
      assert.strictEqual((yield* connection.state)._tag, "Connecting")
      yield* TestClock.adjust("1400 millis")
      assert.strictEqual((yield* connection.state)._tag, "Connecting")
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* connection.state)._tag, "Connected")
      yield* connection.send("hello")
    }).pipe(Effect.provideService(Transport.Transport, slowToClose(1003))))

  for (const isFirst of [true, false]) {
    it.scoped(`a stop ${isFirst ? "just before" : "just after"} a connection is given up leaves it disconnected`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet })
        const events = yield* collect(connection.events)
        const stop = Effect.fork(Effect.delay(connection.disconnect, "1 second"))
        const stopping = isFirst ? yield* stop : yield* Effect.zipRight(TestClock.adjust(0), stop)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(stopping)
        assert.strictEqual((yield* connection.state)._tag, "Disconnected")
        assert.include((yield* events.seen).map(({ _tag }) => _tag), "Disconnected")
        assert.notInclude((yield* events.seen).map(({ _tag }) => _tag), "Failed")
      }).pipe(Effect.provideService(Transport.Transport, slowToClose(1003))))
  }

  it.scoped("a connection that is given up and connected again can be disconnected while its old socket is closed", () =>
    Effect.gen(function*() {
      let dials = 0
      const counted = slowToClose(1003)
      const transport = { ...counted, dial: (request: Transport.DialRequest) => Effect.suspend(() => {
        dials++
        return counted.dial(request)
      }) }
      const connection = yield* Effect.provideService(Connection.make({ url: "ws://peer.test", ...quiet }), Transport.Transport, transport)
      yield* TestClock.adjust("1500 millis")
      yield* connection.connect
      const stopping = yield* Effect.fork(connection.disconnect)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(stopping)
      assert.strictEqual((yield* connection.state)._tag, "Disconnected")
      assert.strictEqual(dials, 1)
    }))

  it.effect("reconnect while a lost connection is being closed makes the next dial follow at once", () =>
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
            { ...idle, receive: () => Effect.delay(closed, "1 second") }
          )
          : Effect.succeed(idle))),
      Effect.scoped
    ))

  it.effect("send fails at once when no connection is open, and with a deadline waits for the next one", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      const refused = yield* Effect.flip(connection.send("now"))
      assert.strictEqual(refused._tag, "NotConnected")
      const late = yield* Effect.fork(Effect.flip(connection.send("late", { deadline: "500 millis" })))
      const waiting = yield* Effect.fork(connection.send("patient", { deadline: "10 seconds" }))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* late).message, "The message was not sent: no connection opened within 500ms.")
      yield* waiting
      yield* connection.send("now")
      assert.deepStrictEqual(yield* sent, ["patient", "now"])
    }).pipe(Effect.provide(scripted([fail(), open()]))))

  it.effect("sends that wait go out in the order in which they were issued, before a later one", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { sent } = yield* TestTransport.TestTransport
      const runtime = yield* Effect.runtime()
      const opened = yield* Effect.fork(connection.events.forEach((event) =>
        event._tag === "Opened" ? connection.send("on Opened") : Effect.void
      ))
      const listening = yield* Effect.fork(connection.events.listen((events) => {
        if (events.some(({ _tag }) => _tag === "Opened")) Runtime.runFork(runtime)(connection.send("in the listener"))
      }))
      const waiting = yield* Effect.forEach(["a", "b", "c", "d", "e"], (message) =>
        Effect.fork(connection.send(message, { deadline: "10 seconds" })))
      const late = yield* Effect.fork(Effect.flip(connection.send("late", { deadline: "500 millis" })))
      yield* TestClock.adjust(0)
      // One that gives up does not let those after it overtake those before it.
      for (const fiber of waiting.slice(1, 2)) yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* late)._tag, "SendTimeout")
      const order = yield* sent
      assert.deepStrictEqual(order.slice(0, 4), ["a", "c", "d", "e"])
      assert.deepStrictEqual([...order.slice(4)].sort(), ["in the listener", "on Opened"])
      yield* Fiber.interruptAll([opened, listening])
    }).pipe(Effect.provide(scripted([fail(), open()]))))

  it.effect("a deadline bounds the whole send, on a socket that takes nothing too", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make({ url: "ws://peer.test", ...quiet }).pipe(
        Effect.provideService(Transport.Transport, rough(() => Effect.succeed({ ...idle, send: () => Effect.never })))
      )
      yield* connection.awaitOpen
      const sending = yield* Effect.fork(Effect.flip(connection.send("stuck", { deadline: "1 second" })))
      yield* TestClock.adjust("1 second")
      const error = yield* sending
      assert(error._tag === "SendTimeout")
      assert.strictEqual(error.stage, "write")
      assert.strictEqual(
        error.message,
        "The message was not sent whole within 1s: the peer does not read. The rest may still arrive."
      )
    }).pipe(Effect.scoped))

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

  it.effect("closing the scope in any state ends every stream and leaves no socket, timer or fibre", () =>
    Effect.forEach(
      closings,
      ([state, script, options]) =>
        Effect.gen(function*() {
          const ended = yield* Effect.scoped(Effect.gen(function*() {
            const context = yield* Layer.build(scripted(script, options))
            const connection = yield* Connection.Connection.pipe(Effect.provide(context))
            // The small inbox stays full.
            const messages = yield* collect(options.inbox === undefined ? connection.messages : Stream.empty)
            const changes = yield* collect(connection.changes)
            const events = yield* collect(connection.events)
            yield* TestClock.adjust("500 millis")
            assert.strictEqual((yield* connection.state)._tag, state)
            // Closing the socket of a peer that has vanished takes closeTimeout.
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
          yield* Effect.provide(assertNoDial, ended.context)
          // No fibre waits for a timer.
          assert.strictEqual(Chunk.size(yield* TestClock.sleeps()), 0)
        }),
      { discard: true }
    ))
})

describe("a connection made in an uninterruptible region", () => {
  it.scoped("heals and closes", () =>
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
