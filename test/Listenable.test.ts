import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Listenable, Transport as TransportModule } from "holdfast"
import { Connection, Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"

const { fail, open, reset, send, wait } = TestTransport

const options: Connection.Options = {
  url: "ws://peer.test",
  messageTimeout: Duration.infinity,
  pingInterval: Duration.infinity,
  reconnect: { jitterFactor: 0, maxRetries: 3 }
}

const scripted = (script: Iterable<TestTransport.Dial>, overrides: Partial<Connection.Options> = {}) =>
  Connection.layer({ ...options, ...overrides }).pipe(Layer.provideMerge(TestTransport.layer(script)))

const hundred = Array.from({ length: 100 }, (_, i) => String(i))

const hearing = <A, E>(listenable: Listenable.Listenable<A, E>, act: (item: A) => void = () => undefined) =>
  Effect.gen(function*() {
    const heard: Array<A> = []
    const fiber = yield* Effect.fork(listenable.listen((batch) => {
      for (const item of batch) {
        heard.push(item)
        act(item)
      }
    }))
    yield* TestClock.adjust(0)
    return { heard, fiber, exit: Fiber.await(fiber) }
  })

// What is sent comes back before `send` returns.
const echo: Layer.Layer<Transport.Transport> = Layer.effect(
  Transport.Transport,
  Effect.gen(function*() {
    const ended = yield* Deferred.make<never, TransportModule.SocketError>()
    let hand: (text: string) => Effect.Effect<void> = () => Effect.void
    return Transport.Transport.of({
      capabilities: { ping: false, pause: false, terminate: true, handshake: false, headers: false },
      dial: () =>
        Effect.succeed({
          protocol: "",
          receive: (handler) =>
            Effect.suspend(() => {
              hand = (text) => Effect.orDie(handler([text]) ?? Effect.void)
              return Deferred.await(ended)
            }),
          send: (message) => Effect.suspend(() => hand(String(message))),
          ping: Effect.never,
          close: () => Effect.void,
          terminate: Effect.void
        })
    })
  })
)

describe("listening", () => {
  it.effect("hears what came before it and what comes, across an outage, as what is read", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const frames = yield* hearing(connection.frames)
      const messages = yield* hearing(connection.messages)
      const read: Array<unknown> = []
      yield* Effect.fork(Stream.runForEach(connection.frames, (frame) => Effect.sync(() => read.push(frame))))
      yield* TestClock.adjust("1 minute")
      const [early, late, gap, later] = frames.heard
      assert(early?._tag === "Data" && late?._tag === "Data" && gap?._tag === "Gap" && later?._tag === "Data")
      assert.deepStrictEqual([early.data, late.data, later.data], ["early", "late", "later"])
      assert.deepStrictEqual(gap.downtime, Duration.seconds(3))
      // Whoever comes later begins with what is held, and nothing is held for those who listen.
      assert.deepStrictEqual(messages.heard, ["late", "later"])
      assert.deepStrictEqual(read, [late, gap, later])
    }).pipe(
      Effect.provide(scripted([open(send("early"), wait("5 seconds"), send("late"), reset), fail(), open(send("later"))]))
    ))

  it.effect("never falls behind: nothing is dropped for it, though a reader beside it is slow", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const frames = yield* hearing(connection.frames)
      let dropped = 0
      let read = 0
      yield* Effect.fork(Stream.runForEach(connection.frames, (frame) => {
        if (frame._tag === "Gap") dropped += frame.dropped
        else read++
        return Effect.sleep("1 minute")
      }))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(frames.heard.map((frame) => frame._tag === "Data" ? frame.data : frame._tag), hundred)
      assert.isAbove(dropped, 0)
      assert.strictEqual(dropped + read, 100)
    }).pipe(Effect.provide(scripted(
      [open(wait("1 second"), send(...hundred))],
      { inbox: { capacity: 8, overflow: "sliding" } }
    ))))

  it.effect("ends when it is disconnected, and hears the next messages when it is begun again", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const first = yield* hearing(connection.messages)
      yield* connection.disconnect
      assert.deepStrictEqual(yield* first.exit, Exit.void)
      yield* connection.connect
      const second = yield* hearing(connection.messages)
      assert.deepStrictEqual([first.heard, second.heard], [["one"], ["two"]])
    }).pipe(Effect.provide(scripted([open(send("one")), open(send("two"))]))))

  it.effect("fails with what the connection was given up for, also when it begins after that", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const during = yield* hearing(connection.messages)
      yield* TestClock.adjust("1 hour")
      const after = yield* hearing(connection.messages)
      for (const { fiber } of [during, after]) {
        const error = yield* Effect.flip(Fiber.join(fiber))
        assert.strictEqual(error._tag, "RetriesExhausted")
      }
      assert.deepStrictEqual([during.heard, after.heard], [["last words"], []])
    }).pipe(Effect.provide(scripted([open(send("last words"), reset), fail(), fail(), fail()]))))

  it.effect("ends by a defect of what hears, and nobody else does", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const bug = new Error("a bug")
      const broken = yield* hearing(connection.messages, () => {
        throw bug
      })
      const messages = yield* hearing(connection.messages)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* broken.exit, Exit.die(bug))
      assert.deepStrictEqual(broken.heard, ["one"])
      assert.deepStrictEqual(messages.heard, ["one", "two"])
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(scripted([open(wait("1 second"), send("one"), wait("1 second"), send("two"))]))))

  it.effect("hears nothing after it was interrupted", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* hearing(connection.messages)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(messages.fiber)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(messages.heard, ["one"])
      // What came since is held for the next.
      assert.deepStrictEqual((yield* hearing(connection.messages)).heard, ["two"])
    }).pipe(Effect.provide(scripted([open(wait("1 second"), send("one"), wait("1 second"), send("two"))]))))

  it.effect("hears nothing after what it began with had it interrupted", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const scope = yield* Scope.make()
      const heard: Array<unknown> = []
      const fiber = yield* Effect.forkIn(
        connection.messages.listen((batch) => {
          heard.push(...batch)
          Effect.runFork(Scope.close(scope, Exit.void))
        }),
        scope
      )
      yield* TestClock.adjust(0)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(heard, ["one"])
      assert.deepStrictEqual((yield* hearing(connection.messages)).heard, ["two"])
    }).pipe(Effect.provide(scripted([open(send("one"), wait("5 seconds"), send("two"))]))))

  it.effect("that begins as the state says Connecting hears the new connection", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* connection.awaitOpen
      yield* connection.disconnect
      const heard: Array<unknown> = []
      yield* hearing(connection.changes, ({ _tag }) => {
        if (_tag !== "Connecting") return
        Effect.runFork(connection.messages.listen((batch) => {
          heard.push(...batch)
        }))
      })
      yield* connection.connect
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(heard, ["two"])
    }).pipe(Effect.provide(scripted([open(send("one")), open(send("two"))]))))

  for (const moment of ["Lost", "Waiting", "Reconnecting"]) {
    it.effect(`can have the next dial at once when it hears ${moment}`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* connection.awaitOpen
        const results: Array<Exit.Exit<void, unknown>> = []
        const act = ({ _tag }: { readonly _tag: string }) => {
          if (_tag === moment) results.push(Effect.runSyncExit(connection.reconnect("now")))
        }
        yield* hearing(connection.events, act)
        yield* hearing(connection.changes, act)
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(results, [Exit.void])
        assert.strictEqual((yield* connection.state)._tag, "Connected")
      }).pipe(Effect.provide(scripted([open(wait("5 seconds"), reset), open()]))))
  }

  it.effect("of states begins with the one that is now", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* connection.awaitOpen
      const changes = yield* hearing(connection.changes)
      yield* connection.disconnect
      assert.deepStrictEqual(changes.heard.map(({ _tag }) => _tag), ["Connected", "Disconnected"])
    }).pipe(Effect.provide(scripted([open()]))))

  it.effect("keeps the order for everybody, though what one of them does makes more come at once", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make(options)
      yield* connection.awaitOpen
      yield* TestClock.adjust("1 second")
      const first = yield* hearing(connection.messages, (message) => {
        if (message === "one") Effect.runSync(connection.send("two"))
        if (message === "two") Effect.runFork(connection.disconnect)
      })
      const second = yield* hearing(connection.messages)
      const broken = yield* hearing(connection.messages, () => {
        throw new Error("a bug")
      })
      const read = yield* Effect.fork(Stream.runCollect(connection.messages))
      yield* TestClock.adjust("1 second")
      yield* connection.send("one")
      assert.deepStrictEqual(yield* first.exit, Exit.void)
      assert.deepStrictEqual([first.heard, second.heard], [["one", "two"], ["one", "two"]])
      assert.deepStrictEqual(broken.heard, ["one"])
      assert.deepStrictEqual([...yield* Fiber.join(read)], ["one", "two"])
    }).pipe(Effect.scoped, Effect.provide(echo)))

  it.effect("takes any number that what it does makes come at once", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 20_000 }, (_, i) => String(i))
      const connection = yield* Connection.make(options)
      yield* connection.awaitOpen
      const { heard } = yield* hearing(connection.messages, (message) => {
        if (message === "begin") Effect.runSync(Effect.forEach(many, (text) => connection.send(text), { discard: true }))
      })
      yield* connection.send("begin")
      assert.deepStrictEqual(heard, ["begin", ...many])
    }).pipe(Effect.scoped, Effect.provide(echo)))
})
