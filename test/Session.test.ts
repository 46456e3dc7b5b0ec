import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Transport } from "holdfast"
import { Session, SessionEvent, type SessionProtocol } from "holdfast"
import { TestTransport } from "holdfast/testing"

const { answer, close, open, reset, send, vanish, wait } = TestTransport

// "sub ID a b" and "unsub ID a b" are answered "ok ID" or "no ID why"; data is "a: text".
type Protocol = SessionProtocol.SessionProtocol<string, "leaving">

const protocol = (overrides: Partial<Protocol> = {}): Protocol => ({
  subscribe: (topics, id) => `sub ${id} ${topics.join(" ")}`,
  unsubscribe: (topics, id) => `unsub ${id} ${topics.join(" ")}`,
  parse: (message) => {
    const text = String(message)
    const [, verdict, id, reason = ""] = /^(ok|no) (\d+)? ?(.*)$/.exec(text) ?? []
    if (verdict === "ok") return { _tag: "Acknowledged", id: Number(id) }
    if (verdict === "no") return { _tag: "Refused", id: id === undefined ? undefined : Number(id), reason }
    if (text === "leaving") return { _tag: "Notice", notice: text }
    const [, topic, data] = /^(\w+): (.*)$/.exec(text) ?? []
    return topic === undefined || data === undefined
      ? { _tag: "Invalid", reason: "it is not a message", excerpt: text }
      : { _tag: "Data", topic, data }
  },
  maxBatch: 4,
  pace: { limit: 3, window: "1 second" },
  cadence: () => "exempt",
  ...overrides
})

// The same for the data, without parsing it.
const topicText: SessionProtocol.TopicText<string> = {
  topicSpan: (text) => {
    const end = text.indexOf(": ")
    return end === -1 ? undefined : { start: 0, end }
  },
  data: (text) => text.slice(text.indexOf(": ") + 2)
}

// Parses, and notes the data that it was given.
const noting = (parsed: Array<string>): Protocol["parse"] => (message) => {
  const incoming = protocol().parse(message)
  if (incoming._tag === "Data") parsed.push(String(message))
  return incoming
}

const parts = (message: unknown) => String(message).split(" ")

const acknowledge = answer((message) => [`ok ${parts(message)[1] ?? ""}`])
const echo = answer((message) => {
  const [method, id = "", ...topics] = parts(message)
  return [`ok ${id}`, ...(method === "sub" ? topics.map((topic) => `${topic}: hello`) : [])]
})

type Overrides = Partial<Session.Options<string, "leaving">>

const make = (options: Overrides = {}) =>
  Session.make({
    connection: {
      url: "ws://peer.test",
      messageTimeout: Duration.infinity,
      pingInterval: Duration.infinity,
      reconnect: { jitterFactor: 0 }
    },
    protocol: protocol(),
    ...options
  })

const run = <A, E>(
  script: Iterable<TestTransport.Dial>,
  test: Effect.Effect<A, E, Transport.Transport | TestTransport.TestTransport | Scope.Scope>
) => Effect.provide(test, TestTransport.layer(script))

const sent = Effect.flatMap(TestTransport.TestTransport, ({ sent }) => sent)

const settle = TestClock.adjust(0)

// What a topic's stream gives, as it comes: text, "gap", and how it ended.
const collect = (session: Session.Session<string>, topic: string, options?: { readonly capacity: number }) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    const fiber = yield* session.stream(topic, options).pipe(
      Stream.runForEach((item) =>
        Effect.sync(() => {
          seen.push(item._tag === "Gap" ? `gap ${item.dropped}` : item.data)
        })
      ),
      Effect.exit,
      Effect.fork
    )
    yield* settle
    return { seen, fiber }
  })

describe("a session", () => {
  it.scoped("asks together for what is wanted together, and hears each topic", () =>
    run([open(echo)], Effect.gen(function*() {
      const session = yield* make()
      yield* Effect.forEach(["a", "b"], session.subscribe, { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* sent, ["sub 1 a b"])
      const statuses = (yield* session.subscriptions).map(({ status, topic }) => [topic, status])
      assert.deepStrictEqual(statuses, [["a", "live"], ["b", "live"]])
      const c = yield* collect(session, "c")
      assert.deepStrictEqual(c.seen, ["hello"])
    })))

  it.scoped("ends with its connection by a bug in the protocol, and nothing that is wanted after it waits for ever", () =>
    run([open(acknowledge, wait("1 second"), send("a: one")), open(echo)], Effect.gen(function*() {
      const bug = new Error("a bug")
      let isBroken = true
      const { parse } = protocol()
      const session = yield* make({
        protocol: protocol({
          parse: (message) => {
            if (isBroken && String(message) === "a: one") throw bug
            return parse(message)
          }
        })
      })
      const before = yield* collect(session, "a")
      yield* TestClock.adjust("2 seconds")
      const after = yield* collect(session, "b")
      assert.deepStrictEqual(yield* Fiber.join(before.fiber), Exit.die(bug))
      assert.deepStrictEqual(yield* Fiber.join(after.fiber), Exit.die(bug))
      assert.strictEqual((yield* session.connection.state)._tag, "Disconnected")

      isBroken = false
      yield* session.connection.connect
      yield* settle
      const again = yield* collect(session, "b")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(again.seen, ["hello"])
    })))

  it.scoped("unsubscribes when an effect that was run for each item fails, and leaves that effect's scope open", () =>
    run([open(echo)], Effect.gen(function*() {
      const session = yield* make()
      let released = 0
      const scope = yield* Scope.make()
      const reading = session.stream("a").forEach(() =>
        Effect.zipRight(
          Effect.addFinalizer(() =>
            Effect.sync(() => {
              released++
            })
          ),
          Effect.fail("no more")
        ))
      assert.strictEqual(yield* Effect.flip(Scope.extend(reading, scope)), "no more")
      yield* settle
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "unsub 2 a"])
      assert.strictEqual(released, 0)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(released, 1)
    })))

  it.scoped("counts references: the last to go unsubscribes, and only once", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      const scope = yield* Scope.make()
      yield* session.listen("a", { data: () => undefined, gap: () => undefined, end: () => undefined }).pipe(
        Scope.extend(scope)
      )
      yield* session.unsubscribe("a")
      yield* session.unsubscribe("a")
      yield* settle
      assert.deepStrictEqual(yield* sent, ["sub 1 a"])
      yield* Scope.close(scope, Exit.void)
      yield* settle
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "unsub 2 a"])
      assert.deepStrictEqual(yield* session.subscriptions, [])
    })))

  it.scoped("subscribes what is still wanted on every open, and nothing else", () =>
    run([open(acknowledge, wait("10 seconds"), reset), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* Effect.forEach(["a", "b", "c"], session.subscribe, { concurrency: "unbounded" })
      yield* session.unsubscribe("b")
      yield* settle
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b c", "unsub 2 b", "sub 3 a c"])
    })))

  it.scoped("wants nothing twice that was changed while it was away", () =>
    run([open(acknowledge, wait("10 seconds"), reset), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      yield* TestClock.adjust("10500 millis")
      yield* session.unsubscribe("a")
      yield* Effect.fork(session.subscribe("b"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b"])
    })))

  it.scoped("never sends more than the pace allows in any window", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      const topics = Array.from({ length: 40 }, (_, i) => `t${i}`)
      yield* Effect.forEach(topics, (topic) => Effect.fork(session.subscribe(topic)), { discard: true })
      const counts: Array<number> = []
      for (let i = 0; i < 16; i++) {
        yield* TestClock.adjust(i === 0 ? 0 : "250 millis")
        counts.push((yield* sent).length)
      }
      // A window of a second, wherever it begins; before the first there was nothing.
      counts.forEach((count, i) => {
        assert.isAtMost(count - (counts[i - 4] ?? 0), 3)
      })
      assert.strictEqual(counts.at(-1), 10)
    })))

  it.scoped("paces each connection on its own, as venues do", () =>
    run([open(acknowledge, wait("100 millis"), reset), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({
        connection: {
          url: "ws://peer.test",
          messageTimeout: Duration.infinity,
          pingInterval: Duration.infinity,
          reconnect: { jitterFactor: 0, initialDelay: "10 millis" }
        },
        protocol: protocol({ maxBatch: 1 })
      })
      yield* Effect.forEach(["a", "b", "c"], session.subscribe, { concurrency: "unbounded" })
      yield* TestClock.adjust("110 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b", "sub 3 c", "sub 4 a", "sub 5 b", "sub 6 c"])
    })))

  it.scoped("goes on asking when messages were dropped before the answer", () => {
    const flood = answer((message) => [
      ...Array.from({ length: 10 }, (_, i) => `a: ${i}`),
      `ok ${parts(message)[1] ?? ""}`
    ])
    return run([open(flood)], Effect.gen(function*() {
      const session = yield* make({
        connection: {
          url: "ws://peer.test",
          messageTimeout: Duration.infinity,
          pingInterval: Duration.infinity,
          inbox: { capacity: 2, overflow: "sliding" }
        }
      })
      yield* session.subscribe("a")
      yield* session.subscribe("b")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b"])
    }))
  })

  it.scoped("finds the one topic that is refused, tells who asked for it, and spares the others", () =>
    run([
      open(answer((message) => {
        const [, id = "", ...topics] = parts(message)
        return [topics.includes("bad") ? "no  there is no such thing" : `ok ${id}`]
      }))
    ], Effect.gen(function*() {
      const session = yield* make()
      const asked = yield* Effect.fork(Effect.forEach(
        ["a", "b", "bad", "c"],
        (topic) => Effect.either(session.subscribe(topic)),
        { concurrency: "unbounded" }
      ))
      yield* TestClock.adjust("1 minute")
      const [a, b, bad, c] = yield* Fiber.join(asked)
      assert.deepStrictEqual([a?._tag, b?._tag, c?._tag], ["Right", "Right", "Right"])
      assert(bad?._tag === "Left" && bad.left._tag === "SubscriptionRefused")
      assert.strictEqual(bad.left.message, "The subscription to bad was refused: there is no such thing.")
      assert.deepStrictEqual((yield* session.subscriptions).map(({ topic }) => topic), ["a", "b", "c"])
    })))

  it.scoped("asks again when no answer comes, and on a fresh connection after three times", () =>
    run([open(), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      const asked = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(asked)
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a", "sub 3 a", "sub 4 a"])
      assert.strictEqual((yield* (yield* TestTransport.TestTransport).dials).length, 2)
    })))

  it.scoped("takes back again what was not answered to be taken back", () => {
    let refusals = 1
    const deaf = answer((message) => {
      const [method, id = ""] = parts(message)
      return method === "unsub" && refusals-- > 0 ? [] : [`ok ${id}`]
    })
    return run([open(deaf)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      yield* session.unsubscribe("a")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "unsub 2 a", "unsub 3 a"])
    }))
  })

  it.scoped("takes back what was not answered, and is not wanted any more: it may be on the wire", () => {
    let silent = 1
    const deaf = answer((message) => silent-- > 0 ? [] : [`ok ${parts(message)[1] ?? ""}`])
    return run([open(deaf)], Effect.gen(function*() {
      const session = yield* make()
      const { fiber } = yield* collect(session, "a")
      yield* Fiber.interrupt(fiber)
      yield* session.subscribe("b").pipe(Effect.fork)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "unsub 2 a", "sub 3 b"])
    }))
  })

  it.scoped("takes back what was refused when it was asked for again: it is still on the wire", () => {
    const asked = new Set<string>()
    const once = answer((message) => {
      const [method, id = "", topic = ""] = parts(message)
      const refused = method === "sub" && asked.has(topic)
      asked.add(topic)
      return [refused ? `no ${id} twice` : `ok ${id}`]
    })
    const flow = Array.from({ length: 30 }, (_, i) => [wait("1 second"), send(`b: ${i}`)]).flat()
    return run([open(once, send("a: 1"), ...flow)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: () => "2 seconds" }) })
      const { fiber } = yield* collect(session, "a")
      yield* collect(session, "b")
      yield* TestClock.adjust("30 seconds")
      const exit = yield* Fiber.join(fiber)
      assert(Exit.isFailure(exit))
      assert.strictEqual((yield* Effect.flip(Effect.failCause(exit.cause)))._tag, "SubscriptionRefused")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b", "sub 3 a", "unsub 4 a"])
    }))
  })

  it.scoped("asks again for what is wanted again before it was taken back", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      yield* session.unsubscribe("a")
      yield* session.subscribe("a")
      assert.deepStrictEqual((yield* session.subscriptions).map(({ status }) => status), ["acknowledged"])
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a"])
    })))

  it.scoped("takes back again what was refused to be taken back, and on a fresh connection after three times", () => {
    const refusing = (times: number) => {
      let refusals = times
      return answer((message) => {
        const [method, id = ""] = parts(message)
        return [method === "unsub" && refusals-- > 0 ? `no ${id} not now` : `ok ${id}`]
      })
    }
    return run([open(refusing(2)), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      yield* session.subscribe("b")
      yield* session.unsubscribe("a")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b", "unsub 3 a", "unsub 4 a", "unsub 5 a"])
    })).pipe(Effect.zipRight(run([open(refusing(9)), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      yield* session.subscribe("b")
      yield* session.unsubscribe("a")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* sent).slice(2), ["unsub 3 a", "unsub 4 a", "unsub 5 a", "sub 6 b"])
    }))))
  })

  it.scoped("shows the gap of an outage to every topic, at its place", () =>
    run([
      open(acknowledge, wait("1 second"), send("a: 1", "b: 1"), wait("6 seconds"), reset),
      open(acknowledge, wait("1 second"), send("a: 2", "b: 2"))
    ], Effect.gen(function*() {
      const session = yield* make()
      const a = yield* collect(session, "a")
      const b = yield* collect(session, "b")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual([a.seen, b.seen], [["1", "gap 0", "2"], ["1", "gap 0", "2"]])
    })))

  it.scoped("a reader that falls behind is told how much it missed, and holds nobody up", () =>
    run([open(acknowledge, send(...Array.from({ length: 10 }, (_, i) => `a: ${i}`), "b: 1"))], Effect.gen(function*() {
      const session = yield* make()
      const first = yield* session.stream("a", { capacity: 4 }).pipe(
        Stream.mapEffect((item) => Effect.as(Effect.sleep("1 second"), item)),
        Stream.take(3),
        Stream.runCollect,
        Effect.fork
      )
      const b = yield* collect(session, "b")
      assert.deepStrictEqual(b.seen, ["1"])
      yield* TestClock.adjust("1 minute")
      const items = [...yield* Fiber.join(first)]
      assert.isTrue(items.some(({ _tag }) => _tag === "Gap"))
    })))

  it.scoped("ends every topic with the error the connection was given up for", () =>
    run([open(acknowledge, wait("1 second"), close(1003))], Effect.gen(function*() {
      const session = yield* make()
      const a = yield* collect(session, "a")
      yield* TestClock.adjust("1 minute")
      const exit = yield* Fiber.join(a.fiber)
      assert(Exit.isFailure(exit))
      assert.strictEqual((yield* Effect.flip(Effect.failCause(exit.cause)))._tag, "ConnectionClosed")
      const late = yield* Effect.flip(session.subscribe("b"))
      assert.strictEqual(late._tag, "ConnectionClosed")
    })))

  it.scoped("can be disconnected and connected again", () =>
    run([open(echo), open(echo)], Effect.gen(function*() {
      const session = yield* make()
      const before = yield* collect(session, "a")
      yield* session.connection.disconnect
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(before.fiber)))
      yield* session.connection.connect
      yield* session.connection.awaitOpen
      yield* settle
      const after = yield* collect(session, "a")
      assert.deepStrictEqual(after.seen, ["hello"])
    })))

  it.scoped("hears at once what came at once for a topic, whatever came between", () =>
    run([open(acknowledge, wait("1 second"), send("a: 1", "b: 1", "a: 2", "b: 2", "a: 3"))], Effect.gen(function*() {
      const session = yield* make()
      const heard: Array<string> = []
      for (const topic of ["a", "b"]) {
        yield* session.listen(topic, {
          data: (batch) => {
            heard.push(`${topic}: ${batch.join(" ")}`)
          },
          gap: () => undefined,
          end: () => undefined
        })
      }
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(heard, ["a: 1 2 3", "b: 1 2"])
    })))

  it.scoped("parses one frame of a topic for as long as it is wanted, where its protocol says how to do with less", () =>
    run([open(acknowledge, ...["a: 1", "a: 2", "a: nobody's", "a: 3", "a: 4"].flatMap((text) => [wait("1 second"), send(text)]))], Effect.gen(function*() {
      const parsed: Array<string> = []
      const session = yield* make({ protocol: protocol({ parse: noting(parsed), topicText }) })
      const before = yield* collect(session, "a")
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(before.fiber)
      yield* TestClock.adjust("1 second")
      const after = yield* collect(session, "a")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(before.seen, ["1", "2"])
      assert.deepStrictEqual(after.seen, ["3", "4"])
      assert.deepStrictEqual(parsed, ["a: 1", "a: nobody's", "a: 3"])
    })))

  it.scoped("parses every frame of a topic whose name is not what stands in the frame", () =>
    run([open(acknowledge, ...["A: 1", "A: 2", "a: 3", "a: 4"].flatMap((text) => [wait("1 second"), send(text)]))], Effect.gen(function*() {
      const parsed: Array<string> = []
      const { parse } = protocol()
      const inLowerCase: Protocol["parse"] = (message) => {
        parsed.push(String(message))
        const incoming = parse(message)
        return incoming._tag === "Data" ? { ...incoming, topic: incoming.topic.toLowerCase() } : incoming
      }
      const session = yield* make({ protocol: protocol({ parse: inLowerCase, topicText }) })
      const a = yield* collect(session, "a")
      const other = yield* collect(session, "A")
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(a.seen, ["1", "2", "3", "4"])
      assert.deepStrictEqual(other.seen, [])
      assert.deepStrictEqual(parsed.filter((text) => !text.startsWith("ok")), ["A: 1", "A: 2", "a: 3"])
    })))

  it.scoped("tells topics apart by their names, however alike their hashes are", () =>
    run([
      // Two of these have the same (FNV-1a, 32 bits).
      open(acknowledge, ...Array.from({ length: 4 }, (_, i) => [wait("1 second"), send(`a: ${i}`, `costarring: ${i}`, `liquid: ${i}`)]).flat())
    ], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ topicText }) })
      const topics = yield* Effect.forEach(["a", "costarring", "liquid"], (topic) => collect(session, topic))
      yield* TestClock.adjust("4 seconds")
      for (const { seen } of topics) assert.deepStrictEqual(seen, ["0", "1", "2", "3"])
    })))

  it.scoped("asks a quiet peer whether it is there, and drops one that is not", () =>
    run([open(acknowledge, wait("1 minute"), vanish), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({
        connection: {
          url: "ws://peer.test",
          messageTimeout: "10 seconds",
          pingInterval: Duration.infinity,
          reconnect: { jitterFactor: 0 }
        },
        protocol: protocol({ probe: (id) => `probe ${id}` })
      })
      yield* session.subscribe("a")
      const { dials } = yield* TestTransport.TestTransport
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* dials).length, 1)
      assert.isAbove((yield* sent).filter((message) => parts(message)[0] === "probe").length, 5)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* dials).length, 2)
    })))

  it.scoped("drops a peer that answers, and yet leaves out what is due", () =>
    run([open(acknowledge, send("a: 1")), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({
        connection: {
          url: "ws://peer.test",
          messageTimeout: "10 seconds",
          pingInterval: Duration.infinity,
          reconnect: { jitterFactor: 0 }
        },
        protocol: protocol({ cadence: () => "1 second", probe: (id) => `probe ${id}` })
      })
      yield* session.subscribe("a")
      const { dials } = yield* TestTransport.TestTransport
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* dials).length, 2)
    })))

  it.scoped("passes on what the protocol says to the client as a whole", () =>
    Effect.suspend(() => {
      const heard: Array<string> = []
      return run([open(acknowledge, send("leaving", "nonsense"))], Effect.gen(function*() {
        const session = yield* make({ onNotice: (notice) => heard.push(notice) })
        yield* settle
        assert.deepStrictEqual(heard, ["leaving"])
        const event = yield* Stream.runHead(Stream.filter(session.events, SessionEvent.$is("Invalid")))
        assert.strictEqual(event._tag, "Some")
      }))
    }))
})

describe("an answer", () => {
  type Answer = SessionProtocol.ServerMessage<string, "leaving">
  const parsed: (text: string) => Answer = JSON.parse
  const tell = (answer: Answer) => JSON.stringify(answer)
  // Its peer says what it means.
  const outspoken = { protocol: protocol({ parse: (message) => parsed(String(message)) }) }
  const acknowledged = (topics?: ReadonlyArray<string>) => tell({ _tag: "Acknowledged", topics })
  // What the peer says to its first, second, … request, and to all that come after these.
  const answers = (...each: ReadonlyArray<ReadonlyArray<string>>) => {
    let next = 0
    return answer(() => each[next++] ?? [acknowledged()])
  }

  it.scoped("without an id answers the request under way", () =>
    run([open(answers([tell({ _tag: "Refused", reason: "no such thing" })]))], Effect.gen(function*() {
      const session = yield* make(outspoken)
      assert.strictEqual((yield* Effect.flip(session.subscribe("a")))._tag, "SubscriptionRefused")
      yield* session.subscribe("b")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b"])
    })))

  it.scoped("that names topics settles these, and the others wait for theirs", () =>
    run([open(answers([acknowledged(["b", "c"])]), wait("2 seconds"), send(acknowledged(["a"])))], Effect.gen(function*() {
      const session = yield* make(outspoken)
      const [a, b, c] = yield* Effect.all(["a", "b", "c"].map((topic) => Effect.fork(session.subscribe(topic))))
      const done = () => [a, b, c].map((wanting) => Exit.isExit(wanting?.unsafePoll()))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(done(), [false, true, true])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(done(), [true, true, true])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b c"])
    })))

  it.scoped("that does not come for some topics has these alone asked for again", () =>
    run([open(answers([acknowledged(["a"])]), wait("3 seconds"), send(acknowledged(["c"])))], Effect.gen(function*() {
      const session = yield* make(outspoken)
      yield* Effect.forEach(["a", "b", "c"], (topic) => Effect.fork(session.subscribe(topic)))
      yield* TestClock.adjust("4900 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b c"])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b c", "sub 2 b"])
    })))

  it.scoped("that names other topics than those asked for is none", () =>
    run([open(answers([acknowledged(["b"]), tell({ _tag: "Refused", topics: ["b"], reason: "why not" })]))], Effect.gen(function*() {
      const session = yield* make(outspoken)
      const events = yield* Effect.fork(Stream.runCollect(Stream.takeUntil(session.events, SessionEvent.$is("Unanswered"))))
      yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([...yield* Fiber.join(events)].map(({ _tag }) => _tag), ["Requested", "Unanswered"])
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a"])
    })))

  it.scoped("that refuses topics by their names spares the others, without asking for them again", () =>
    run([
      open(answers([tell({ _tag: "Refused", topics: ["bad", "worse"], reason: "there is no such thing" }), acknowledged(["a", "b"])]))
    ], Effect.gen(function*() {
      const session = yield* make(outspoken)
      const topics = ["a", "bad", "b", "worse"]
      const asked = yield* Effect.forEach(topics, (topic) => Effect.either(session.subscribe(topic)), { concurrency: "unbounded" })
      assert.deepStrictEqual(asked.map((each) => each._tag === "Left" ? each.left.message : ""), [
        "",
        "The subscription to bad was refused: there is no such thing.",
        "",
        "The subscription to worse was refused: there is no such thing."
      ])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a bad b worse"])
    })))

  it.scoped("that refuses for the moment has the same asked again later, and not before", () =>
    run([
      open(answers(
        [tell({ _tag: "Refused", reason: "too fast", retry: "10 seconds" })],
        [acknowledged()],
        [acknowledged()],
        [tell({ _tag: "Refused", reason: "too fast", retry: 3_000 })]
      ))
    ], Effect.gen(function*() {
      const session = yield* make(outspoken)
      const wanting = yield* Effect.fork(Effect.all(["a", "b"].map(session.subscribe), { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      yield* session.subscribe("c")
      yield* TestClock.adjust("8900 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b", "sub 2 c"])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b", "sub 2 c", "sub 3 a b"])
      yield* Fiber.join(wanting)
      yield* session.unsubscribe("a")
      yield* TestClock.adjust("2900 millis")
      assert.deepStrictEqual((yield* sent).slice(3), ["unsub 4 a"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* sent).slice(3), ["unsub 4 a", "unsub 5 a"])
    })))
})

describe("wanting a topic", () => {
  const unanswered = [open(vanish)]

  it.scoped("of a session that is disconnected fails", () =>
    run([open(acknowledge), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.connection.awaitOpen
      yield* session.connection.disconnect
      const error = yield* Effect.flip(session.subscribe("a"))
      assert.strictEqual(error._tag, "NotConnected")
    })))

  it.scoped("fails when the session is disconnected before it is acknowledged", () =>
    run(unanswered, Effect.gen(function*() {
      const session = yield* make()
      const wanting = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* wanting.poll)._tag, "None")
      yield* session.connection.disconnect
      assert.strictEqual((yield* Effect.flip(Fiber.join(wanting)))._tag, "NotConnected")
    })))

  it.scoped("fails when the session ends before it is acknowledged", () =>
    run(unanswered, Effect.gen(function*() {
      const scope = yield* Scope.make()
      const session = yield* Scope.extend(make(), scope)
      const wanting = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(Fiber.join(wanting))
      assert(error._tag === "NotConnected")
      assert.strictEqual(error.state, "Closed")
    })))

  it.scoped("fails by a defect of the protocol, and does not wait for ever", () =>
    run([open(acknowledge), open(acknowledge)], Effect.gen(function*() {
      const broken = protocol({
        unsubscribe: () => {
          throw new Error("a bug")
        }
      })
      const session = yield* make({ protocol: broken })
      yield* session.subscribe("a")
      yield* session.unsubscribe("a")
      yield* TestClock.adjust("10 seconds")
      const exit = yield* Effect.exit(session.subscribe("b"))
      assert.deepStrictEqual(exit, Exit.die(new Error("a bug")))
      assert.strictEqual((yield* session.connection.state)._tag, "Disconnected")
      // Whoever connects again may try again.
      yield* session.connection.connect
      yield* session.subscribe("b")
    })))

  it.scoped("is over when it is interrupted before", () =>
    run(unanswered, Effect.gen(function*() {
      const session = yield* make()
      const wanting = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(wanting)
      assert.deepStrictEqual(yield* session.subscriptions, [])
    })))
})

describe("freshness", () => {
  const chatter = Array.from({ length: 120 }, (_, i) => [wait("1 second"), send(`b: ${i}`)]).flat()

  it.scoped("a topic whose data never comes while others' does is subscribed again, and then fails", () =>
    run([open(acknowledge, ...chatter)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: (topic) => topic === "a" ? "2 seconds" : "exempt" }) })
      const a = yield* collect(session, "a")
      const b = yield* collect(session, "b")
      yield* TestClock.adjust("13 seconds")
      assert.strictEqual((yield* sent).filter((message) => parts(message)[0] === "sub").length, 3)
      yield* TestClock.adjust("1 minute")
      const exit = yield* Fiber.join(a.fiber)
      assert(Exit.isFailure(exit))
      const error = yield* Effect.flip(Effect.failCause(exit.cause))
      assert.strictEqual(error._tag, "SubscriptionStale")
      assert.isAbove(b.seen.length, 60)
      assert.strictEqual((yield* (yield* TestTransport.TestTransport).dials).length, 1)
    })))

  it.scoped("a topic that spoke again has all its chances again", () =>
    run([
      open(acknowledge, ...Array.from({ length: 4 }, () => [
        ...Array.from({ length: 13 }, (_, i) => [wait("1 second"), send(`b: ${i}`)]).flat(),
        send("a: back")
      ]).flat())
    ], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: (topic) => topic === "a" ? "2 seconds" : "exempt" }) })
      const a = yield* collect(session, "a")
      yield* collect(session, "b")
      yield* TestClock.adjust("53 seconds")
      assert.deepStrictEqual(a.seen, ["back", "back", "back", "back"])
    })))

  it.scoped("a topic is moved to another socket when somebody can", () =>
    run([open(acknowledge, ...chatter)], Effect.gen(function*() {
      const moved: Array<string> = []
      const session = yield* make({
        protocol: protocol({ cadence: (topic) => topic === "a" ? "2 seconds" : "exempt" }),
        relocate: (topic) => moved.push(topic) > 0
      })
      yield* collect(session, "a")
      yield* collect(session, "b")
      yield* TestClock.adjust("25 seconds")
      assert.deepStrictEqual(moved, ["a"])
    })))

  it.scoped("what trades seldom is not complained of, what stopped is", () =>
    run([
      open(
        acknowledge,
        ...Array.from({ length: 30 }, (_, i) => [wait("1 second"), send(`a: ${i}`, `b: ${i}`)]).flat(),
        ...chatter
      )
    ], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: () => "adaptive" }) })
      yield* collect(session, "a")
      yield* collect(session, "b")
      yield* collect(session, "never")
      const stale = yield* Effect.fork(Stream.runHead(Stream.filter(session.events, SessionEvent.$is("Stale"))))
      yield* TestClock.adjust("55 seconds")
      assert.strictEqual((yield* session.subscriptions).every(({ status }) => status !== "stale"), true)
      yield* TestClock.adjust("10 seconds")
      const event = yield* Fiber.join(stale)
      assert(event._tag === "Some")
      assert.deepStrictEqual([event.value.topic, event.value.remedy], ["a", "resubscribe"])
    })))

  it.scoped("what never spoke fails if nobody knows it, and waits if somebody does", () =>
    run([
      open(acknowledge, ...Array.from({ length: 600 }, (_, i) => [wait("1 second"), send(`b: ${i}`)]).flat(), send("quiet: 1"))
    ], Effect.gen(function*() {
      const session = yield* make({
        protocol: protocol({ cadence: () => "adaptive" }),
        isKnown: (topic) => Effect.succeed(topic !== "misspelt")
      })
      yield* collect(session, "b")
      const quiet = yield* collect(session, "quiet")
      const misspelt = yield* collect(session, "misspelt")
      yield* TestClock.adjust("601 seconds")
      const exit = yield* Fiber.join(misspelt.fiber)
      assert(Exit.isFailure(exit))
      assert.strictEqual((yield* Effect.flip(Effect.failCause(exit.cause)))._tag, "SubscriptionStale")
      assert.deepStrictEqual(quiet.seen, ["1"])
    })))

  it.scoped("when all are silent no topic is blamed", () =>
    run([open(acknowledge, send("a: 1", "b: 1"))], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: () => "2 seconds" }) })
      yield* collect(session, "a")
      yield* collect(session, "b")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* sent).length, 2)
    })))
})

// What a listener hears of a topic, and what it does at that.
const note = (name: string, notes: Array<string>, act: (what: string) => void = () => undefined): Session.Listener<string> => {
  const hear = (what: string) => {
    notes.push(`${name} ${what}`)
    act(what)
  }
  return {
    data: (batch) => {
      batch.forEach(hear)
    },
    gap: () => {
      hear("gap")
    },
    end: () => {
      hear("end")
    }
  }
}

describe("a listener of a topic", () => {
  it.scoped("that leaves at a gap and comes again hears that gap once, and nobody who comes at it does", () =>
    run([open(acknowledge, wait("1 second"), reset), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      const notes: Array<string> = []
      const scope = yield* Effect.scope
      const begin = () => {
        const own = Effect.runSync(Scope.make())
        const listener = note("a", notes, (what) => {
          if (what !== "gap" || notes.length > 5) return
          Effect.runSync(Scope.close(own, Exit.void))
          Effect.runSync(Scope.extend(session.listen("b", note("b", notes)), scope))
          begin()
        })
        Effect.runSync(Scope.extend(session.listen("a", listener), own))
      }
      begin()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(notes, ["a gap"])
    })))

  it.scoped("that comes again as its topic's refusal is told is asked for again", () =>
    run([
      open(answer((message) => {
        const [method, id = ""] = parts(message)
        return method === "sub" && id === "1" ? [`no ${id} busy`] : [`ok ${id}`, "a: hello"]
      }))
    ], Effect.gen(function*() {
      const session = yield* make()
      const notes: Array<string> = []
      const first = yield* Scope.make()
      const second = yield* Effect.scope
      yield* Effect.forkScoped(session.events.listen((events) => {
        if (!events.some(({ _tag }) => _tag === "Refused")) return
        Effect.runSync(Scope.close(first, Exit.void))
        Effect.runSync(Scope.extend(session.listen("a", note("second", notes)), second))
      }))
      yield* Scope.extend(session.listen("a", note("first", notes)), first)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(notes, ["second hello"])
    })))

  it.scoped("that begins as the connection says Connecting is heard", () =>
    run([open(acknowledge), open(acknowledge, wait("1 second"), send("a: one"))], Effect.gen(function*() {
      const session = yield* make()
      yield* session.connection.awaitOpen
      yield* session.connection.disconnect
      const notes: Array<string> = []
      const scope = yield* Effect.scope
      yield* Effect.forkScoped(session.connection.changes.listen((changes) => {
        if (!changes.some(({ _tag }) => _tag === "Connecting")) return
        Effect.runSync(Scope.extend(session.listen("a", note("a", notes)), scope))
      }))
      yield* settle
      yield* session.connection.connect
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(notes, ["a one"])
    })))

  it.scoped("hears nothing after its end: not what came before a bug in the protocol", () =>
    run([
      open(acknowledge, wait("1 second"), send("a: one", "bug")),
      open(acknowledge, wait("1 second"), send("a: two"))
    ], Effect.gen(function*() {
      const session = yield* make({
        protocol: protocol({
          parse: (message) => {
            if (message === "bug") throw new Error("a bug")
            return protocol().parse(message)
          }
        })
      })
      const notes: Array<string> = []
      yield* session.listen("a", note("first", notes))
      yield* TestClock.adjust("5 seconds")
      yield* session.connection.connect
      yield* settle
      yield* session.listen("a", note("second", notes))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(notes.slice(notes.indexOf("first end") + 1), ["second two"])
    })))

  it.scoped("hears nothing after its end: not of a session that another listener closes", () =>
    run([open(acknowledge, wait("1 second"), send("a: one", "b: one"))], Effect.gen(function*() {
      const scope = yield* Scope.make()
      const session = yield* Scope.extend(make(), scope)
      const notes: Array<string> = []
      yield* session.listen("a", note("a", notes, (what) => {
        if (what === "one") Effect.runFork(Scope.close(scope, Exit.void))
      }))
      yield* session.listen("b", note("b", notes))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(notes, ["a one", "a end", "b end"])
    })))

  it.scoped("hears nothing after another has closed its scope", () =>
    run([open(acknowledge, wait("1 second"), send("a: one"))], Effect.gen(function*() {
      const session = yield* make()
      const scope = yield* Scope.make()
      const notes: Array<string> = []
      yield* session.listen("a", note("first", notes, () => {
        Effect.runSync(Scope.close(scope, Exit.void))
      }))
      yield* Scope.extend(session.listen("a", note("second", notes)), scope)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(notes, ["first one"])
    })))
})
