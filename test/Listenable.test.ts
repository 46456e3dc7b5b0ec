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

const listen = <A, E>(listenable: Listenable.Listenable<A, E>, act: (item: A) => void = () => undefined) =>
  Effect.gen(function*() {
    const received: Array<A> = []
    const fiber = yield* Effect.fork(listenable.listen((batch) => {
      for (const item of batch) {
        received.push(item)
        act(item)
      }
    }))
    yield* TestClock.adjust(0)
    return { received, fiber, exit: Fiber.await(fiber) }
  })

// An echo: a message comes back before its `send` returns.
const echo: Layer.Layer<Transport.Transport> = Layer.effect(
  Transport.Transport,
  Effect.gen(function*() {
    const ended = yield* Deferred.make<never, TransportModule.SocketError>()
    let deliver: (text: string) => Effect.Effect<void> = () => Effect.void
    return Transport.Transport.of({
      capabilities: { ping: false, pause: false, terminate: true, handshake: false, headers: false },
      dial: () =>
        Effect.succeed({
          protocol: "",
          headers: {},
          progress: () => ({ received: 0, control: 0, sent: 0, unsent: 0 }),
          receive: (handler) =>
            Effect.suspend(() => {
              deliver = (text) => Effect.orDie(handler([text]) ?? Effect.void)
              return Deferred.await(ended)
            }),
          send: (message) => Effect.suspend(() => deliver(String(message))),
          ping: Effect.never,
          close: () => Effect.void,
          terminate: Effect.void
        })
    })
  })
)

// Runs an effect for each event, and records the event when its effect begins.
const forEach = <A, E, B, E2, R>(
  listenable: Listenable.Listenable<A, E>,
  f: (event: A) => Effect.Effect<B, E2, R>
) =>
  Effect.gen(function*() {
    const seen: Array<A> = []
    const fiber = yield* Effect.fork(listenable.forEach((event) => {
      seen.push(event)
      return f(event)
    }))
    yield* TestClock.adjust(0)
    return { seen, fiber, exit: Fiber.await(fiber) }
  })

describe("forEach", () => {
  it.effect("begins with what was held, and runs one effect after the other, in the order of the events, across an outage", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const log: Array<string> = []
      yield* forEach(connection.items, (item) => {
        const name = item._tag === "Data" ? String(item.data) : item._tag
        log.push(`${name} begins`)
        return Effect.delay(Effect.sync(() => log.push(`${name} is done`)), "1 second")
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        log,
        ["held", "late", "later", "Gap", "last"].flatMap((name) => [`${name} begins`, `${name} is done`])
      )
    }).pipe(
      Effect.provide(scripted([open(send("held"), wait("5 seconds"), send("late", "later"), reset), fail(), open(send("last"))]))
    ))

  it.effect("makes the next event wait for the effect, and the peer for a full inbox, so that nothing is lost", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* forEach(connection.items, () => Effect.sleep("1 minute"))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(events.seen.length, 10)
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual(events.seen.map((item) => item._tag === "Data" ? item.data : item._tag), hundred)
    }).pipe(Effect.provide(scripted(
      [open(...hundred.flatMap((message) => [wait("1 second"), send(message)]))],
      { inbox: { capacity: 8, overflow: "suspend" } }
    ))))

  it.effect("lets waiting messages slide out of a sliding inbox, and gives a gap in their place", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const { seen } = yield* forEach(connection.items, () => Effect.sleep("1 hour"))
      yield* TestClock.adjust("1 day")
      const [first, gap, ...rest] = seen
      assert(first?._tag === "Data" && gap?._tag === "Gap")
      assert.strictEqual(first.data, "0")
      assert.strictEqual(gap.dropped, 91)
      assert.deepStrictEqual(rest.map((item) => item._tag === "Data" ? item.data : item._tag), hundred.slice(-8))
    }).pipe(Effect.provide(scripted(
      [open(...hundred.flatMap((message) => [wait("1 second"), send(message)]))],
      { inbox: { capacity: 8, overflow: "sliding" } }
    ))))

  const causeOf = (exit: Exit.Exit<unknown, unknown>) => Exit.isFailure(exit) ? exit.cause._tag : "none"
  const stopping = {
    "fails with its effect": Effect.fail("no more"),
    "ends by a defect of its effect": Effect.die("a bug"),
    "is interrupted": Effect.interrupt
  }
  for (const [how, end] of Object.entries(stopping)) {
    it.effect(`does not hold up others once it ${how}`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        const broken = yield* forEach(connection.messages, (message) => message === "1" ? end : Effect.void)
        const other = yield* forEach(connection.messages, () => Effect.void)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(causeOf(yield* broken.exit), causeOf(yield* Effect.exit(end)))
        assert.deepStrictEqual(broken.seen, ["0", "1"])
        assert.deepStrictEqual(other.seen, hundred)
      }).pipe(Effect.provide(scripted(
        [open(...hundred.flatMap((message) => [wait("1 second"), send(message)]))],
        { inbox: { capacity: 8, overflow: "suspend" } }
      ))))
  }

  it.effect("ends by a defect when the function throws", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const bug = new Error("a bug")
      const broken = yield* forEach(connection.messages, (): Effect.Effect<void> => {
        throw bug
      })
      assert.deepStrictEqual(yield* broken.exit, Exit.die(bug))
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(scripted([open(send("one"))]))))

  it.effect("interrupts its effect when it is interrupted, and leaves later messages to the next reader", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      let interrupted = 0
      const events = yield* forEach(connection.messages, () =>
        Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            interrupted++
          })))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(events.fiber)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([events.seen, interrupted], [["one"], 1])
      assert.deepStrictEqual((yield* forEach(connection.messages, () => Effect.void)).seen, ["two"])
    }).pipe(Effect.provide(scripted([open(wait("1 second"), send("one"), wait("1 second"), send("two"))]))))

  it.effect("ends when the stream ends, once the last event is done", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* forEach(connection.messages, () => Effect.sleep("1 minute"))
      yield* connection.disconnect
      yield* TestClock.adjust("90 seconds")
      assert.strictEqual(yield* Fiber.status(events.fiber).pipe(Effect.map(({ _tag }) => _tag)), "Suspended")
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* events.exit, Exit.void)
      assert.deepStrictEqual(events.seen, ["one", "two"])
    }).pipe(Effect.provide(scripted([open(send("one", "two"))]))))

  it.effect("fails as the stream fails, once the last event is done", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* forEach(connection.messages, () => Effect.sleep("1 hour"))
      yield* TestClock.adjust("2 hours")
      const error = yield* Effect.flip(Fiber.join(events.fiber))
      assert.strictEqual(error._tag, "RetriesExhausted")
      assert.deepStrictEqual(events.seen, ["last", "words"])
    }).pipe(Effect.provide(scripted([open(send("last", "words"), reset), fail(), fail(), fail()]))))

  it.effect("gives every event to two readers at their own pace, and the slower one decides how full the inbox is", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const slow = yield* forEach(connection.messages, () => Effect.sleep("1 minute"))
      const quick = yield* forEach(connection.messages, () => Effect.sleep("1 second"))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(slow.seen.length, 10)
      assert.isAtLeast(quick.seen.length, 11)
      // At most what the slow one has taken, and what the inbox holds.
      assert.isAtMost(quick.seen.length, 10 + 16)
      yield* TestClock.adjust("2 hours")
      assert.deepStrictEqual([slow.seen, quick.seen], [hundred, hundred])
    }).pipe(Effect.provide(scripted(
      [open(...hundred.flatMap((message) => [wait("1 second"), send(message)]))],
      { inbox: { capacity: 8, overflow: "suspend" } }
    ))))

  it.effect("starts over with each run", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const reading = connection.changes.forEach(({ _tag }) => _tag === "Connected" ? Effect.fail(_tag) : Effect.void)
      assert.strictEqual(yield* Effect.flip(reading), "Connected")
      assert.strictEqual(yield* Effect.flip(reading), "Connected")
    }).pipe(Effect.provide(scripted([open()]))))
})

describe("listen", () => {
  it.effect("gets what was held and what arrives, across an outage, as a reader does", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const items = yield* listen(connection.items)
      const messages = yield* listen(connection.messages)
      const read: Array<unknown> = []
      yield* Effect.fork(Stream.runForEach(connection.items, (item) => Effect.sync(() => read.push(item))))
      yield* TestClock.adjust("1 minute")
      const [held, late, gap, later] = items.received
      assert(held?._tag === "Data" && late?._tag === "Data" && gap?._tag === "Gap" && later?._tag === "Data")
      assert.deepStrictEqual([held.data, late.data, later.data], ["held", "late", "later"])
      assert.deepStrictEqual(gap.downtime, Duration.seconds(3))
      // A later listener begins with what is held. For listeners alone, nothing is held.
      assert.deepStrictEqual(messages.received, ["late", "later"])
      assert.deepStrictEqual(read, [late, gap, later])
    }).pipe(
      Effect.provide(scripted([open(send("held"), wait("5 seconds"), send("late"), reset), fail(), open(send("later"))]))
    ))

  it.effect("never falls behind: it loses nothing beside a slow reader", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const items = yield* listen(connection.items)
      let dropped = 0
      let read = 0
      yield* Effect.fork(Stream.runForEach(connection.items, (item) => {
        if (item._tag === "Gap") dropped += item.dropped
        else read++
        return Effect.sleep("1 minute")
      }))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(items.received.map((item) => item._tag === "Data" ? item.data : item._tag), hundred)
      assert.isAbove(dropped, 0)
      assert.strictEqual(dropped + read, 100)
    }).pipe(Effect.provide(scripted(
      [open(wait("1 second"), send(...hundred))],
      { inbox: { capacity: 8, overflow: "sliding" } }
    ))))

  it.effect("ends on disconnect, and gets the next messages when it is run again", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const first = yield* listen(connection.messages)
      yield* connection.disconnect
      assert.deepStrictEqual(yield* first.exit, Exit.void)
      yield* connection.connect
      const second = yield* listen(connection.messages)
      assert.deepStrictEqual([first.received, second.received], [["one"], ["two"]])
    }).pipe(Effect.provide(scripted([open(send("one")), open(send("two"))]))))

  it.effect("fails with the error that the connection failed with, even when it begins after that", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const during = yield* listen(connection.messages)
      yield* TestClock.adjust("1 hour")
      const after = yield* listen(connection.messages)
      for (const { fiber } of [during, after]) {
        const error = yield* Effect.flip(Fiber.join(fiber))
        assert.strictEqual(error._tag, "RetriesExhausted")
      }
      assert.deepStrictEqual([during.received, after.received], [["last words"], []])
    }).pipe(Effect.provide(scripted([open(send("last words"), reset), fail(), fail(), fail()]))))

  it.effect("ends by a defect when its function throws, and others go on", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const bug = new Error("a bug")
      const broken = yield* listen(connection.messages, () => {
        throw bug
      })
      const messages = yield* listen(connection.messages)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* broken.exit, Exit.die(bug))
      assert.deepStrictEqual(broken.received, ["one"])
      assert.deepStrictEqual(messages.received, ["one", "two"])
      assert.strictEqual((yield* connection.state)._tag, "Connected")
    }).pipe(Effect.provide(scripted([open(wait("1 second"), send("one"), wait("1 second"), send("two"))]))))

  it.effect("gets nothing after it was interrupted", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const messages = yield* listen(connection.messages)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(messages.fiber)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(messages.received, ["one"])
      // Later messages are held for the next listener.
      assert.deepStrictEqual((yield* listen(connection.messages)).received, ["two"])
    }).pipe(Effect.provide(scripted([open(wait("1 second"), send("one"), wait("1 second"), send("two"))]))))

  it.effect("gets nothing more when its first batch has it interrupted", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 second")
      const scope = yield* Scope.make()
      const received: Array<unknown> = []
      const fiber = yield* Effect.forkIn(
        connection.messages.listen((batch) => {
          received.push(...batch)
          Effect.runFork(Scope.close(scope, Exit.void))
        }),
        scope
      )
      yield* TestClock.adjust(0)
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(fiber)))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(received, ["one"])
      assert.deepStrictEqual((yield* listen(connection.messages)).received, ["two"])
    }).pipe(Effect.provide(scripted([open(send("one"), wait("5 seconds"), send("two"))]))))

  it.effect("gets the messages of the next connection when it begins as the state changes to Connecting", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* connection.awaitOpen
      yield* connection.disconnect
      const received: Array<unknown> = []
      yield* listen(connection.changes, ({ _tag }) => {
        if (_tag !== "Connecting") return
        Effect.runFork(connection.messages.listen((batch) => {
          received.push(...batch)
        }))
      })
      yield* connection.connect
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(received, ["two"])
    }).pipe(Effect.provide(scripted([open(send("one")), open(send("two"))]))))

  for (const moment of ["Lost", "Waiting", "Reconnecting"]) {
    it.effect(`can ask for the next dial at once when it gets ${moment}`, () =>
      Effect.gen(function*() {
        const connection = yield* Connection.Connection
        yield* connection.awaitOpen
        const results: Array<Exit.Exit<void, unknown>> = []
        const act = ({ _tag }: { readonly _tag: string }) => {
          if (_tag === moment) results.push(Effect.runSyncExit(connection.reconnect("now")))
        }
        yield* listen(connection.events, act)
        yield* listen(connection.changes, act)
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(results, [Exit.void])
        assert.strictEqual((yield* connection.state)._tag, "Connected")
      }).pipe(Effect.provide(scripted([open(wait("5 seconds"), reset), open()]))))
  }

  it.effect("begins with the present state when it listens to changes", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* connection.awaitOpen
      const changes = yield* listen(connection.changes)
      yield* connection.disconnect
      assert.deepStrictEqual(changes.received.map(({ _tag }) => _tag), ["Connected", "Disconnected"])
    }).pipe(Effect.provide(scripted([open()]))))

  it.effect("keeps the order for all, even when a listener causes more messages at once", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.make(options)
      yield* connection.awaitOpen
      yield* TestClock.adjust("1 second")
      const first = yield* listen(connection.messages, (message) => {
        if (message === "one") Effect.runSync(connection.send("two"))
        if (message === "two") Effect.runFork(connection.disconnect)
      })
      const second = yield* listen(connection.messages)
      const broken = yield* listen(connection.messages, () => {
        throw new Error("a bug")
      })
      const read = yield* Effect.fork(Stream.runCollect(connection.messages))
      yield* TestClock.adjust("1 second")
      yield* connection.send("one")
      assert.deepStrictEqual(yield* first.exit, Exit.void)
      assert.deepStrictEqual([first.received, second.received], [["one", "two"], ["one", "two"]])
      assert.deepStrictEqual(broken.received, ["one"])
      assert.deepStrictEqual([...yield* Fiber.join(read)], ["one", "two"])
    }).pipe(Effect.scoped, Effect.provide(echo)))

  it.effect("gets any number of messages that it causes at once", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 20_000 }, (_, i) => String(i))
      const connection = yield* Connection.make(options)
      yield* connection.awaitOpen
      const { received } = yield* listen(connection.messages, (message) => {
        if (message === "begin") Effect.runSync(Effect.forEach(many, (text) => connection.send(text), { discard: true }))
      })
      yield* connection.send("begin")
      assert.deepStrictEqual(received, ["begin", ...many])
    }).pipe(Effect.scoped, Effect.provide(echo)))
})
