import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { Session, SessionError, SessionEvent, type SessionProtocol, Transport } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { idle, rough } from "./connection/scripted.ts"

const { answer, close, open, reset, send, vanish, wait } = TestTransport

// The peer answers "sub ID a b" and "unsub ID a b" with "ok ID" or "no ID reason", and sends data as "a: text".
type Protocol = SessionProtocol.SessionProtocol<string, "leaving">
type Heartbeat = SessionProtocol.Heartbeat

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

// Reads the data of the same protocol without parsing it.
const topicText: SessionProtocol.TopicText<string> = {
  topicSpan: (text) => {
    const end = text.indexOf(": ")
    return end === -1 ? undefined : { start: 0, end }
  },
  data: (text) => text.slice(text.indexOf(": ") + 2)
}

// Parses, and records each message that has data.
const recording = (parsed: Array<string>): Protocol["parse"] => (message) => {
  const parsedMessage = protocol().parse(message)
  if (parsedMessage._tag === "Data") parsed.push(String(message))
  return parsedMessage
}

const parts = (message: unknown) => String(message).split(" ")

const ticks = (topic: string, times: number) => Array.from({ length: times }, (_, i) => [wait("1 second"), send(`${topic}: ${i}`)]).flat()

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

// Collects what a topic's stream gives: texts, and "gap" with the number of dropped items.
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

// Collects why the connection of a session is lost.
const losses = (session: Session.Session<string>) =>
  Effect.gen(function*() {
    const causes: Array<string> = []
    yield* Effect.forkScoped(session.connection.events.listen((events) => {
      for (const event of events) if (event._tag === "Lost") causes.push(event.cause.message)
    }))
    return causes
  })

describe("a session", () => {
  it.scoped("subscribes the topics of one turn in one request, and delivers the data of each", () =>
    run([open(echo)], Effect.gen(function*() {
      const session = yield* make()
      yield* Effect.forEach(["a", "b"], session.subscribe, { concurrency: "unbounded" })
      assert.deepStrictEqual(yield* sent, ["sub 1 a b"])
      yield* settle
      const statuses = (yield* session.subscriptions).map(({ status, topic }) => [topic, status])
      assert.deepStrictEqual(statuses, [["a", "live"], ["b", "live"]])
      const c = yield* collect(session, "c")
      assert.deepStrictEqual(c.seen, ["hello"])
    })))

  it.scoped("counts a message whose parse throws as invalid, and goes on", () =>
    run([open(acknowledge, wait("1 second"), send("a: one", "a: bug", "a: two"))], Effect.gen(function*() {
      const { parse } = protocol()
      const session = yield* make({
        protocol: protocol({
          parse: (message) => {
            if (String(message) === "a: bug") throw new Error("a bug")
            return parse(message)
          }
        })
      })
      const a = yield* collect(session, "a")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(a.seen, ["one", "two"])
      const invalid = yield* Stream.runHead(Stream.filter(session.events, SessionEvent.$is("Invalid")))
      assert(Option.isSome(invalid))
      assert.deepStrictEqual(
        [invalid.value.reason, invalid.value.excerpt],
        ["the protocol's parse threw: a bug", "a: bug"]
      )
    })))

  it.scoped("is ended and disconnected when a listener throws, and later subscriptions fail at once", () =>
    run([open(acknowledge, wait("1 second"), send("a: one")), open(echo)], Effect.gen(function*() {
      const bug = new Error("a bug")
      let isBroken = true
      const session = yield* make()
      yield* session.listen("a", {
        data: () => {
          if (isBroken) throw bug
        },
        gap: () => undefined,
        end: () => undefined
      })
      const before = yield* collect(session, "a")
      yield* TestClock.adjust("2 seconds")
      const after = yield* collect(session, "b")
      const defect = new SessionError.SessionDefect({ function: "data of a listener", cause: bug })
      assert.deepStrictEqual(yield* Fiber.join(before.fiber), Exit.die(defect))
      assert.deepStrictEqual(yield* Fiber.join(after.fiber), Exit.die(defect))
      assert.strictEqual(defect.message, "The function data of a listener threw and ended the session: a bug.")
      assert.strictEqual((yield* session.connection.state)._tag, "Disconnected")

      isBroken = false
      yield* session.connection.connect
      yield* settle
      const again = yield* collect(session, "b")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(again.seen, ["hello"])
    })))

  it.scoped("unsubscribes when the effect of `forEach` fails, and leaves the scope of that effect open", () =>
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

  it.scoped("counts subscribers: the last one to leave unsubscribes, once", () =>
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

  it.scoped("subscribes the desired topics on every open, and no others", () =>
    run([open(acknowledge, wait("10 seconds"), reset), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* Effect.forEach(["a", "b", "c"], session.subscribe, { concurrency: "unbounded" })
      yield* session.unsubscribe("b")
      yield* settle
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b c", "unsub 2 b", "sub 3 a c"])
    })))

  it.scoped("subscribes topics that changed during an outage once", () =>
    run([open(acknowledge, wait("10 seconds"), reset), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      yield* TestClock.adjust("10500 millis")
      yield* session.unsubscribe("a")
      yield* Effect.fork(session.subscribe("b"))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b"])
    })))

  it.scoped("never sends more requests than its rate limit allows in any window", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      const topics = Array.from({ length: 40 }, (_, i) => `t${i}`)
      yield* Effect.forEach(topics, (topic) => Effect.fork(session.subscribe(topic)), { discard: true })
      const counts: Array<number> = []
      for (let i = 0; i < 16; i++) {
        yield* TestClock.adjust(i === 0 ? 0 : "250 millis")
        counts.push((yield* sent).length)
      }
      // Every window of one second.
      counts.forEach((count, i) => {
        assert.isAtMost(count - (counts[i - 4] ?? 0), 3)
      })
      assert.strictEqual(counts.at(-1), 10)
    })))

  it.scoped("counts the requests of each connection separately, as venues do", () =>
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

  it.scoped("makes the next request when messages before the answer were dropped", () => {
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

  it.scoped("finds the one topic of a request that is refused, fails it, and keeps the others", () =>
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
      assert.strictEqual(bad.left.message, "The peer refused the subscription to bad: there is no such thing.")
      assert.deepStrictEqual((yield* session.subscriptions).map(({ topic }) => topic), ["a", "b", "c"])
    })))

  it.scoped("repeats a request that is not answered, and replaces the connection after three times", () =>
    run([open(), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      const asked = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(asked)
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a", "sub 3 a", "sub 4 a"])
      assert.strictEqual((yield* (yield* TestTransport.TestTransport).dials).length, 2)
    })))

  it.scoped("repeats a request to unsubscribe that is not answered", () => {
    let refusals = 1
    const silentOnce = answer((message) => {
      const [method, id = ""] = parts(message)
      return method === "unsub" && refusals-- > 0 ? [] : [`ok ${id}`]
    })
    return run([open(silentOnce)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      yield* session.unsubscribe("a")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "unsub 2 a", "unsub 3 a"])
    }))
  })

  it.scoped("unsubscribes a topic that left before its subscription was answered: it may be subscribed", () => {
    let silent = 1
    const silentOnce = answer((message) => silent-- > 0 ? [] : [`ok ${parts(message)[1] ?? ""}`])
    return run([open(silentOnce)], Effect.gen(function*() {
      const session = yield* make()
      const { fiber } = yield* collect(session, "a")
      yield* Fiber.interrupt(fiber)
      yield* session.subscribe("b").pipe(Effect.fork)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "unsub 2 a", "sub 3 b"])
    }))
  })

  it.scoped("unsubscribes a topic that is refused when it is requested again: it is still subscribed", () => {
    const asked = new Set<string>()
    const once = answer((message) => {
      const [method, id = "", topic = ""] = parts(message)
      const refused = method === "sub" && asked.has(topic)
      asked.add(topic)
      return [refused ? `no ${id} twice` : `ok ${id}`]
    })
    const flow = Array.from({ length: 90 }, (_, i) => [wait("1 second"), send(`b: ${i}`)]).flat()
    return run([open(once, ...flow)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: () => "2 seconds" }) })
      const { fiber } = yield* collect(session, "a")
      yield* collect(session, "b")
      yield* TestClock.adjust("90 seconds")
      const exit = yield* Fiber.join(fiber)
      assert(Exit.isFailure(exit))
      assert.strictEqual((yield* Effect.flip(Effect.failCause(exit.cause)))._tag, "SubscriptionRefused")
      const requests = yield* sent
      assert.deepStrictEqual(requests.slice(0, 3), ["sub 1 a", "sub 2 b", "sub 3 a"])
      assert.match(String(requests.at(-1)), /^unsub \d+ a$/)
    }))
  })

  it.scoped("a refusal does not end a topic that has data on this connection", () => {
    const asked = new Set<string>()
    const once = answer((message) => {
      const [method, id = "", topic = ""] = parts(message)
      const refused = method === "sub" && asked.has(topic)
      asked.add(topic)
      return [refused ? `no ${id} already subscribed` : `ok ${id}`]
    })
    const flow = Array.from({ length: 30 }, (_, i) => [wait("1 second"), send(`b: ${i}`)]).flat()
    return run([open(once, wait("100 millis"), send("a: 1"), ...flow, send("a: 2"))], Effect.gen(function*() {
      // Its data is late after ten seconds, so it is requested again.
      const session = yield* make({ protocol: protocol({ cadence: (topic) => topic === "a" ? "4 seconds" : "exempt" }) })
      const a = yield* collect(session, "a")
      yield* collect(session, "b")
      yield* TestClock.adjust("31 seconds")
      assert.deepStrictEqual(a.seen, ["1", "2"])
      assert.include(yield* sent, "sub 3 a")
    }))
  })

  // Refuses the first requests to subscribe.
  const refusingFirst = (times: number) => {
    let left = times
    return answer((message) => {
      const [method, id = ""] = parts(message)
      return [method === "sub" && left-- > 0 ? `no ${id} try again` : `ok ${id}`]
    })
  }

  it.scoped("a topic that was live is requested again when it is refused for a while", () =>
    run([open(acknowledge, wait("1 second"), close(1012)), open(refusingFirst(3), wait("1 minute"), send("a: back"))],
      Effect.gen(function*() {
        const session = yield* make()
        const a = yield* collect(session, "a")
        yield* TestClock.adjust("2 minutes")
        assert.deepStrictEqual(a.seen, ["gap 0", "back"])
        assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a", "sub 3 a", "sub 4 a", "sub 5 a"])
      })))

  it.scoped("a topic that was live ends when it is refused six times in a row", () =>
    run([open(acknowledge, wait("1 second"), close(1012)), open(refusingFirst(6))], Effect.gen(function*() {
      const session = yield* make()
      const { fiber } = yield* collect(session, "a")
      yield* TestClock.adjust("2 minutes")
      const exit = yield* Fiber.join(fiber)
      assert(Exit.isFailure(exit))
      assert.strictEqual((yield* Effect.flip(Effect.failCause(exit.cause)))._tag, "SubscriptionRefused")
    })))

  it.scoped("a refusal is an answer: it proves that the peer hears the session", () =>
    run([open(answer((message) => [`no ${parts(message)[1] ?? ""} no such topic`]), wait("1 minute"), reset), open()], Effect.gen(function*() {
      const session = yield* make({ connection: { url: "ws://peer.test" } })
      const lost = yield* Effect.fork(Stream.runHead(Stream.filter(session.connection.events, ({ _tag }) => _tag === "Lost")))
      yield* Effect.yieldNow()
      const refused = yield* Effect.fork(Effect.flip(session.subscribe("a")))
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* Fiber.join(refused))._tag, "SubscriptionRefused")
      const event = Option.getOrThrow(yield* Fiber.join(lost))
      assert(event._tag === "Lost")
      assert.isTrue(event.proven)
    })))

  it.scoped("a session that is never acknowledged spends the retry budget and fails its subscribers", () =>
    run(Array.from({ length: 9 }, () => open()), Effect.gen(function*() {
      const session = yield* make({ connection: { url: "ws://peer.test", reconnect: { maxRetries: 3, jitterFactor: 0, provenBy: "open", stableAfter: 0 } } })
      const error = yield* Effect.fork(Effect.flip(session.subscribe("a")))
      yield* TestClock.adjust("2 minutes")
      const failed = yield* Fiber.join(error)
      assert(failed._tag === "RetriesExhausted")
      assert(failed.last._tag === "NotAcknowledged")
      assert.strictEqual(failed.last.message, "The peer acknowledged none of 3 requests in a row, each within 5s.")
    })))

  it.scoped("takes an acknowledgement that comes late, and data instead of one", () =>
    run([open(wait("7 seconds"), send("ok 1"), send("b: data"))], Effect.gen(function*() {
      const session = yield* make()
      const a = yield* Effect.fork(session.subscribe("a"))
      const b = yield* Effect.fork(session.subscribe("b"))
      yield* TestClock.adjust("8 seconds")
      yield* Fiber.join(a)
      yield* Fiber.join(b)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* session.connection.state)._tag, "Connected")
    })))

  it.scoped("requests a topic again that comes back before it was unsubscribed", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      yield* session.unsubscribe("a")
      yield* session.subscribe("a")
      assert.deepStrictEqual((yield* session.subscriptions).map(({ status }) => status), ["acknowledged"])
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a"])
    })))

  it.scoped("repeats a request to unsubscribe that is refused, and replaces the connection after three times", () => {
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

  it.scoped("puts the gap of an outage into every topic, in order", () =>
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

  it.scoped("gives a slow reader a gap with the number of items it missed, and does not hold up the others", () =>
    run([open(acknowledge, wait("1 second"), send(...Array.from({ length: 10 }, (_, i) => `a: ${i}`), "b: 1"))], Effect.gen(function*() {
      const session = yield* make()
      const first = yield* session.stream("a", { capacity: 4 }).pipe(
        Stream.mapEffect((item) => Effect.as(Effect.sleep("1 second"), item)),
        Stream.take(3),
        Stream.runCollect,
        Effect.fork
      )
      const b = yield* collect(session, "b")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(b.seen, ["1"])
      yield* TestClock.adjust("1 minute")
      const items = [...yield* Fiber.join(first)]
      assert.isTrue(items.some(({ _tag }) => _tag === "Gap"))
    })))

  it.scoped("fails every topic with the error that its connection failed with", () =>
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

  it.scoped("works again after disconnect and connect", () =>
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

  it.scoped("delivers the data that arrives at once for a topic in one batch, whatever arrives between", () =>
    run([open(acknowledge, wait("1 second"), send("a: 1", "b: 1", "a: 2", "b: 2", "a: 3"))], Effect.gen(function*() {
      const session = yield* make()
      const batches: Array<string> = []
      for (const topic of ["a", "b"]) {
        yield* session.listen(topic, {
          data: (batch) => {
            batches.push(`${topic}: ${batch.join(" ")}`)
          },
          gap: () => undefined,
          end: () => undefined
        })
      }
      yield* TestClock.adjust("1 second")
      // Where fibres run at once, no two messages of the scripted peer arrive at once.
      const isEager = process.env.FIBRES === "eager"
      assert.deepStrictEqual(batches, isEager ? ["a: 1", "b: 1", "a: 2", "b: 2", "a: 3"] : ["a: 1 2 3", "b: 1 2"])
    })))

  it.scoped("parses only the first message of a topic while it has subscribers, when the protocol has `topicText`", () =>
    run([open(acknowledge, ...["a: 1", "a: 2", "a: unread", "a: 3", "a: 4"].flatMap((text) => [wait("1 second"), send(text)]))], Effect.gen(function*() {
      const parsed: Array<string> = []
      const session = yield* make({ protocol: protocol({ parse: recording(parsed), topicText }) })
      const before = yield* collect(session, "a")
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.interrupt(before.fiber)
      yield* TestClock.adjust("1 second")
      const after = yield* collect(session, "a")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(before.seen, ["1", "2"])
      assert.deepStrictEqual(after.seen, ["3", "4"])
      assert.deepStrictEqual(parsed, ["a: 1", "a: unread", "a: 3"])
    })))

  it.scoped("parses every message of a topic whose name differs from the text in the message", () =>
    run([open(acknowledge, ...["A: 1", "A: 2", "a: 3", "a: 4"].flatMap((text) => [wait("1 second"), send(text)]))], Effect.gen(function*() {
      const parsed: Array<string> = []
      const { parse } = protocol()
      const inLowerCase: Protocol["parse"] = (message) => {
        parsed.push(String(message))
        const parsedMessage = parse(message)
        return parsedMessage._tag === "Data" ? { ...parsedMessage, topic: parsedMessage.topic.toLowerCase() } : parsedMessage
      }
      const session = yield* make({ protocol: protocol({ parse: inLowerCase, topicText }) })
      const a = yield* collect(session, "a")
      const other = yield* collect(session, "A")
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(a.seen, ["1", "2", "3", "4"])
      assert.deepStrictEqual(other.seen, [])
      assert.deepStrictEqual(parsed.filter((text) => !text.startsWith("ok")), ["A: 1", "A: 2", "a: 3"])
    })))

  it.scoped("tells topics with the same hash apart", () =>
    run([
      // The last two have the same 32-bit FNV-1a hash.
      open(acknowledge, ...Array.from({ length: 4 }, (_, i) => [wait("1 second"), send(`a: ${i}`, `costarring: ${i}`, `liquid: ${i}`)]).flat())
    ], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ topicText }) })
      const topics = yield* Effect.forEach(["a", "costarring", "liquid"], (topic) => collect(session, topic))
      yield* TestClock.adjust("4 seconds")
      for (const { seen } of topics) assert.deepStrictEqual(seen, ["0", "1", "2", "3"])
    })))

  it.scoped("probes a quiet peer, and drops one that does not answer", () =>
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

  it.scoped("drops a peer that answers but leaves out data that is due", () =>
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

  it.scoped("passes on notices, and records messages that it does not know", () =>
    Effect.suspend(() => {
      const notices: Array<string> = []
      return run([open(acknowledge, send("leaving", "nonsense"))], Effect.gen(function*() {
        const session = yield* make({ onNotice: (notice) => notices.push(notice) })
        yield* settle
        assert.deepStrictEqual(notices, ["leaving"])
        const event = yield* Stream.runHead(Stream.filter(session.events, SessionEvent.$is("Invalid")))
        assert.strictEqual(event._tag, "Some")
      }))
    }))
})

describe("an answer", () => {
  type Answer = SessionProtocol.ServerMessage<string, "leaving">
  const parsed: (text: string) => Answer = JSON.parse
  const write = (answer: Answer) => JSON.stringify(answer)
  // A protocol whose peer sends parsed messages, as JSON.
  const literal = { protocol: protocol({ parse: (message) => parsed(String(message)) }) }
  const acknowledged = (topics?: ReadonlyArray<string>) => write({ _tag: "Acknowledged", topics })
  // Answers the first, second, … request with these, and each later one with an acknowledgement.
  const answers = (...each: ReadonlyArray<ReadonlyArray<string>>) => {
    let next = 0
    return answer(() => each[next++] ?? [acknowledged()])
  }

  it.scoped("without an id belongs to the request under way", () =>
    run([open(answers([write({ _tag: "Refused", reason: "no such thing" })]))], Effect.gen(function*() {
      const session = yield* make(literal)
      assert.strictEqual((yield* Effect.flip(session.subscribe("a")))._tag, "SubscriptionRefused")
      yield* session.subscribe("b")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b"])
    })))

  it.scoped("without an id that comes after the data is not taken for that of the next request", () =>
    run([open(
      wait("100 millis"),
      send(write({ _tag: "Data", topic: "a", data: "1" })),
      wait("100 millis"),
      send(acknowledged()),
      wait("100 millis"),
      send(write({ _tag: "Refused", reason: "no such thing" }))
    )], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ ...literal.protocol, maxBatch: 1 }) })
      const a = yield* collect(session, "a")
      const b = yield* Effect.fork(session.subscribe("b"))
      yield* TestClock.adjust("250 millis")
      assert.deepStrictEqual(a.seen, ["1"])
      assert.isNull(b.unsafePoll())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(Fiber.join(b)))._tag, "SubscriptionRefused")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b"])
    })))

  it.scoped("that never comes after the data costs the next request no more than its time", () =>
    run([open(
      wait("100 millis"),
      send(write({ _tag: "Data", topic: "a", data: "1" })),
      wait("6 seconds"),
      answer(() => [acknowledged()])
    )], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ ...literal.protocol, maxBatch: 1 }) })
      yield* collect(session, "a")
      yield* TestClock.adjust("7 seconds")
      const b = yield* Effect.fork(session.subscribe("b"))
      yield* TestClock.adjust("1 second")
      assert.isNotNull(b.unsafePoll())
    })))

  it.scoped("that refuses a topic which was dropped outranks the data from before", () =>
    run([open(
      answers(),
      wait("1 second"),
      send(write({ _tag: "Data", topic: "a", data: "1" }), write({ _tag: "Dropped", topic: "a", reason: "closed" })),
      wait("2 seconds"),
      send(write({ _tag: "Refused", topics: ["a"], reason: "not now" })),
      wait("10 seconds"),
      send(write({ _tag: "Data", topic: "a", data: "2" }))
    )], Effect.gen(function*() {
      const session = yield* make(literal)
      const a = yield* collect(session, "a")
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a", "sub 3 a"])
      assert.deepStrictEqual(a.seen, ["1", "gap 0", "2"])
    })))

  it.scoped("that names topics settles these, and the others wait for their own", () =>
    run([open(answers([acknowledged(["b", "c"])]), wait("2 seconds"), send(acknowledged(["a"])))], Effect.gen(function*() {
      const session = yield* make(literal)
      const [a, b, c] = yield* Effect.all(["a", "b", "c"].map((topic) => Effect.fork(session.subscribe(topic))))
      const done = () => [a, b, c].map((subscribing) => Exit.isExit(subscribing?.unsafePoll()))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(done(), [false, true, true])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(done(), [true, true, true])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b c"])
    })))

  it.scoped("that leaves some topics out makes the session request only those again", () =>
    run([open(answers([acknowledged(["a"])]), wait("3 seconds"), send(acknowledged(["c"])))], Effect.gen(function*() {
      const session = yield* make(literal)
      yield* Effect.forEach(["a", "b", "c"], (topic) => Effect.fork(session.subscribe(topic)))
      yield* TestClock.adjust("4900 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b c"])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b c", "sub 2 b"])
    })))

  it.scoped("that names only other topics is ignored", () =>
    run([open(answers([acknowledged(["b"]), write({ _tag: "Refused", topics: ["b"], reason: "why not" })]))], Effect.gen(function*() {
      const session = yield* make(literal)
      const events = yield* Effect.fork(Stream.runCollect(Stream.takeUntil(session.events, SessionEvent.$is("Unanswered"))))
      yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual([...yield* Fiber.join(events)].map(({ _tag }) => _tag), ["Requested", "Unanswered"])
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a"])
    })))

  it.scoped("that refuses topics by name does not make the session request the others again", () =>
    run([
      open(answers([write({ _tag: "Refused", topics: ["bad", "worse"], reason: "there is no such thing" }), acknowledged(["a", "b"])]))
    ], Effect.gen(function*() {
      const session = yield* make(literal)
      const topics = ["a", "bad", "b", "worse"]
      const asked = yield* Effect.forEach(topics, (topic) => Effect.either(session.subscribe(topic)), { concurrency: "unbounded" })
      assert.deepStrictEqual(asked.map((each) => each._tag === "Left" ? each.left.message : ""), [
        "",
        "The peer refused the subscription to bad: there is no such thing.",
        "",
        "The peer refused the subscription to worse: there is no such thing."
      ])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a bad b worse"])
    })))

  it.scoped("that refuses with `retry` makes the session repeat the request after that time, not before", () =>
    run([
      open(answers(
        [write({ _tag: "Refused", reason: "too fast", retry: "10 seconds" })],
        [acknowledged()],
        [acknowledged()],
        [write({ _tag: "Refused", reason: "too fast", retry: 3_000 })]
      ))
    ], Effect.gen(function*() {
      const session = yield* make(literal)
      const subscribing = yield* Effect.fork(Effect.all(["a", "b"].map(session.subscribe), { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      yield* session.subscribe("c")
      yield* TestClock.adjust("8900 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b", "sub 2 c"])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(yield* sent, ["sub 1 a b", "sub 2 c", "sub 3 a b"])
      yield* Fiber.join(subscribing)
      yield* session.unsubscribe("a")
      yield* TestClock.adjust("2900 millis")
      assert.deepStrictEqual((yield* sent).slice(3), ["unsub 4 a"])
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* sent).slice(3), ["unsub 4 a", "unsub 5 a"])
    })))
})

describe("a heartbeat", () => {
  const ping = { interval: "10 seconds", timeout: "4 seconds", message: "ping", isAnswer: (message) => message === "pong" } satisfies Heartbeat
  const pinged = (message: unknown) => message === "ping" ? ["pong"] : [`ok ${parts(message)[1] ?? ""}`]
  const pings = Effect.map(sent, (messages) => messages.filter((message) => message === "ping").length)
  const flow = (seconds: number) => Array.from({ length: seconds }, (_, i) => [wait("1 second"), send(`a: ${i}`)]).flat()

  it.scoped("is sent in its interval while data flows, and its answer is neither data nor invalid", () =>
    run([open(answer(pinged), ...flow(65))], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ heartbeat: ping }) })
      const invalid: Array<string> = []
      yield* Effect.forkScoped(session.events.listen((events) => {
        for (const event of events) if (event._tag === "Invalid") invalid.push(event.excerpt)
      }))
      const a = yield* collect(session, "a")
      yield* TestClock.adjust("65 seconds")
      assert.strictEqual(yield* pings, 6)
      assert.strictEqual(a.seen.length, 65)
      assert.deepStrictEqual(invalid, [])
      assert.strictEqual((yield* (yield* TestTransport.TestTransport).dials).length, 1)
    })))

  it.scoped("that is not answered ends the connection although data flows, and the next one has its own", () =>
    run([open(acknowledge, ...flow(60)), open(answer(pinged))], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ heartbeat: ping }) })
      const causes = yield* losses(session)
      yield* collect(session, "a")
      yield* TestClock.adjust("13900 millis")
      assert.deepStrictEqual(causes, [])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(causes, ["The peer did not answer a heartbeat within 4s."])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(causes.length, 1)
      assert.strictEqual(yield* pings, 6)
    })))

  it.scoped("without `isAnswer` expects no answer", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ heartbeat: { interval: "10 seconds", message: "ping" } }) })
      const causes = yield* losses(session)
      yield* TestClock.adjust("65 seconds")
      assert.deepStrictEqual(causes, [])
      assert.strictEqual(yield* pings, 6)
    })))

  it.scoped("may be an effect that runs each time; one that fails or hangs is left out, and the next one is sent", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      let made = 0
      const message = Effect.suspend(() => {
        made++
        if (made === 1) return Effect.fail("no token")
        if (made === 2) return Effect.die(new Error("a bug"))
        return made === 3 ? Effect.never : Effect.succeed(`ping ${made}`)
      })
      yield* make({ protocol: protocol({ heartbeat: { interval: "10 seconds", timeout: "4 seconds", message } }) })
      yield* TestClock.adjust("65 seconds")
      assert.deepStrictEqual(yield* sent, ["ping 4", "ping 5", "ping 6"])
    })))

  it.scoped("is not lost while a slow reader suspends reading, and its answer comes when reading goes on", () =>
    run([open(answer((message) => message === "ping" ? ["a: 1", "a: 2", "a: 3", "a: 4", "pong"] : []))], Effect.gen(function*() {
      const session = yield* make({
        connection: {
          url: "ws://peer.test",
          messageTimeout: Duration.infinity,
          pingInterval: Duration.infinity,
          inbox: { capacity: 2, overflow: "suspend" }
        },
        protocol: protocol({ heartbeat: ping })
      })
      const causes = yield* losses(session)
      const resume = yield* Effect.makeLatch(false)
      yield* Effect.forkScoped(Stream.runForEach(session.connection.messages, () => resume.await))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(causes, [])
      yield* resume.open
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(causes, [])
      assert.strictEqual((yield* session.connection.state)._tag, "Connected")
    })))

  it.scoped("is lost when reading goes on and its answer still does not come", () =>
    run([open(answer((message) => message === "ping" ? ["a: 1", "a: 2", "a: 3", "a: 4", "a: 5", "a: 6"] : [])), open()], Effect.gen(function*() {
      const session = yield* make({
        connection: {
          url: "ws://peer.test",
          messageTimeout: Duration.infinity,
          pingInterval: Duration.infinity,
          inbox: { capacity: 2, overflow: "suspend" }
        },
        protocol: protocol({ heartbeat: { ...ping, interval: "1 hour" } })
      })
      const causes = yield* losses(session)
      const resume = yield* Effect.makeLatch(false)
      yield* Effect.forkScoped(Stream.runForEach(session.connection.messages, () => resume.await))
      yield* TestClock.adjust("61 minutes")
      assert.deepStrictEqual(causes, [])
      yield* resume.open
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(causes, ["The peer did not answer a heartbeat within 4s."])
    })))

  for (const [what, hasEnded, moves] of [
    ["is not lost while a large message is still arriving", false, { received: 1_000, sent: 0, unsent: 0 }],
    ["is not lost while the peer still takes what was sent", false, { received: 0, sent: 1_000, unsent: 1 }],
    ["is lost when nothing moves", true, { received: 0, sent: 0, unsent: 0 }]
  ] as const) {
    it.scoped(what, () => {
      let at = 0
      // The socket moves these bytes each time that it is asked, and brings no whole message.
      const progress = () => {
        at++
        return { received: moves.received * at, control: 0, sent: moves.sent * at, unsent: moves.unsent }
      }
      return Effect.gen(function*() {
        const session = yield* make({ protocol: protocol({ heartbeat: ping }) })
        const causes = yield* losses(session)
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(causes.length > 0, hasEnded)
      }).pipe(Effect.provideService(Transport.Transport, rough(() => Effect.succeed({ ...idle, progress }))))
    })
  }

  it.scoped("is not lost while a large message is arriving that began after a short one", () =>
    Effect.gen(function*() {
      const clock = yield* Effect.clock
      // The short message comes just after the heartbeat, and a part of the large one each second from then on.
      const parts = () => Math.floor(clock.unsafeCurrentTimeMillis() / 1_000)
      const socket: Transport.Socket = {
        ...idle,
        progress: () => ({ received: 1_000 * parts(), control: 0, sent: 0, unsent: 0 }),
        receive: (handler) =>
          Effect.zipRight(Effect.delay(Effect.suspend(() => handler(["a: 1"]) ?? Effect.void), "10100 millis"), Effect.never)
      }
      yield* Effect.gen(function*() {
        const session = yield* make({ protocol: protocol({ heartbeat: ping }) })
        const causes = yield* losses(session)
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(causes, [])
      }).pipe(Effect.provideService(Transport.Transport, rough(() => Effect.succeed(socket))))
    }))

  it.scoped("whose answer comes does not keep a probe from being sent", () =>
    run([open(answer(pinged))], Effect.gen(function*() {
      const session = yield* make({
        connection: { url: "ws://peer.test", messageTimeout: "30 seconds", pingInterval: Duration.infinity },
        protocol: protocol({ heartbeat: ping, probe: (id) => `probe ${id}` })
      })
      yield* session.subscribe("a")
      yield* TestClock.adjust("1 minute")
      assert.isAbove((yield* sent).filter((message) => parts(message)[0] === "probe").length, 1)
    })))

  it.scoped("whose answer comes does not save a connection whose data is late", () =>
    run([open(answer(pinged), wait("1 second"), send("a: 1")), open(answer(pinged))], Effect.gen(function*() {
      const session = yield* make({
        connection: { url: "ws://peer.test", messageTimeout: "30 seconds", pingInterval: Duration.infinity },
        protocol: protocol({ cadence: () => "1 second", heartbeat: ping })
      })
      const causes = yield* losses(session)
      yield* session.subscribe("a")
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(causes, [])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(causes, ["No message came for 30s."])
    })))

  it.scoped("ends with its session, even if that was made where nothing may be interrupted", () =>
    run([open(answer(pinged))], Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Effect.uninterruptible(Scope.extend(make({ protocol: protocol({ heartbeat: ping }) }), scope))
      yield* TestClock.adjust("15 seconds")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* settle
      assert.strictEqual((yield* closing.poll)._tag, "Some")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* pings, 1)
    })))

  it.scoped("counts in the pace of the requests", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ heartbeat: { interval: "100 millis", message: "ping" }, maxBatch: 1 }) })
      for (const topic of ["a", "b", "c"]) yield* Effect.fork(session.subscribe(topic))
      yield* TestClock.adjust("1 second")
      assert.isAtMost((yield* sent).length, 3)
    })))
})

// Collects the events of a session in words.
const watch = (session: Session.Session<string>, shown: (event: SessionEvent.SessionEvent) => string | undefined) =>
  Effect.gen(function*() {
    const seen: Array<string> = []
    yield* Effect.forkScoped(session.events.listen((events) => {
      for (const event of events) {
        const text = shown(event)
        if (text !== undefined) seen.push(text)
      }
    }))
    return seen
  })

const retryText = (retry: Option.Option<Duration.Duration>) =>
  Option.match(retry, { onNone: () => "never", onSome: (time) => Duration.format(time) })

const errorOf = <A, E>(exit: Exit.Exit<A, E>) => Effect.flip(exit)

const dialCount = Effect.flatMap(TestTransport.TestTransport, ({ dials }) => Effect.map(dials, ({ length }) => length))

describe("a request whose answer is stuck", () => {
  const subscribing = (socket: Partial<Transport.Socket>) =>
    Effect.gen(function*() {
      const session = yield* make()
      const causes = yield* losses(session)
      yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("1 minute")
      return causes
    }).pipe(Effect.provideService(Transport.Transport, rough(() => Effect.succeed({ ...idle, ...socket }))))
  const unanswered = "The peer acknowledged none of 3 requests in a row, each within 5s."

  for (const [what, ends, moves] of [
    ["waits while a large message is still arriving", false, { received: 1_000, sent: 0, unsent: 0 }],
    ["waits while the peer still takes what was sent", false, { received: 0, sent: 1_000, unsent: 1 }],
    ["ends the connection when nothing moves", true, { received: 0, sent: 0, unsent: 0 }]
  ] as const) {
    it.scoped(what, () => {
      let at = 0
      const progress = () => {
        at++
        return { received: moves.received * at, control: 0, sent: moves.sent * at, unsent: moves.unsent }
      }
      return Effect.map(subscribing({ progress }), ([first]) => {
        assert.strictEqual(first, ends ? unanswered : undefined)
      })
    })
  }

  it.scoped("ends the connection when the socket does not take the request", () =>
    Effect.map(subscribing({ send: () => Effect.never }), ([first]) => {
      assert.strictEqual(first, unanswered)
    }))

  it.scoped("waits while a slow reader suspends reading", () =>
    run([open(wait("1 second"), ...["a", "a", "a", "a"].map((topic) => send(`${topic}: 1`)), acknowledge)], Effect.gen(function*() {
      const session = yield* make({
        connection: {
          url: "ws://peer.test",
          messageTimeout: Duration.infinity,
          pingInterval: Duration.infinity,
          inbox: { capacity: 2, overflow: "suspend" }
        }
      })
      const causes = yield* losses(session)
      const resume = yield* Effect.makeLatch(false)
      yield* Effect.forkScoped(Stream.runForEach(session.connection.messages, () => resume.await))
      yield* TestClock.adjust("2 seconds")
      const subscribed = yield* Effect.fork(session.subscribe("b"))
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(causes, [])
      yield* resume.open
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* subscribed.poll)._tag, "Some")
      assert.deepStrictEqual(causes, [])
    })))
})

describe("a protocol without acknowledgements", () => {
  const silent = { protocol: protocol({ acknowledgements: "none" }) }

  it.scoped("counts a topic as subscribed when its request is sent, and never asks again", () =>
    run([open()], Effect.gen(function*() {
      const session = yield* make(silent)
      yield* session.subscribe("a")
      yield* session.subscribe("b")
      yield* session.unsubscribe("b")
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b", "unsub 3 b"])
      assert.deepStrictEqual((yield* session.subscriptions).map(({ status }) => status), ["acknowledged"])
      assert.strictEqual(yield* dialCount, 1)
    })))

  it.scoped("takes a refusal that names the request or its topics, and records one that names none", () =>
    run([open(wait("1 second"), send("no 1 bad symbol", "no  too many"))], Effect.gen(function*() {
      const session = yield* make(silent)
      const invalid = yield* watch(session, (event) => event._tag === "Invalid" ? event.reason : undefined)
      const a = yield* collect(session, "a")
      const b = yield* collect(session, "b")
      yield* TestClock.adjust("2 seconds")
      const error = yield* errorOf(yield* Fiber.join(a.fiber))
      assert.strictEqual(error._tag === "SubscriptionRefused" ? error.message : "", "The peer refused the subscription to a: bad symbol.")
      assert.deepStrictEqual(invalid, ["the peer refused something, but no request is under way: too many"])
      assert.strictEqual((yield* session.subscriptions).length, 1)
      yield* Fiber.interrupt(b.fiber)
    })))

  it.scoped("does not spend the retry budget while the peer has nothing to say", () =>
    run(Array.from({ length: 9 }, () => open(wait("30 seconds"), reset)), Effect.gen(function*() {
      const session = yield* make({
        ...silent,
        connection: { url: "ws://peer.test", messageTimeout: Duration.infinity, reconnect: { maxRetries: 2, jitterFactor: 0, provenBy: "open" } }
      })
      yield* session.subscribe("a")
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual((yield* session.connection.state)._tag, "Connected")
    })))
})

describe("a request that is an effect", () => {
  const failing = (times: number, failure: Effect.Effect<never, unknown>) => {
    let left = times
    return protocol({
      subscribe: (topics, id) => Effect.suspend(() => left-- > 0 ? failure : Effect.succeed(`sub ${id} token ${topics.join(" ")}`))
    })
  }
  const failed = (event: SessionEvent.SessionEvent) =>
    event._tag === "RequestFailed" ? `${event.method} ${event.topics.join(" ")}: ${event.reason}; ${retryText(event.retry)}` : undefined

  it.scoped("runs anew for each request", () =>
    run([open(acknowledge, wait("5 seconds"), reset), open(acknowledge)], Effect.gen(function*() {
      let tokens = 0
      const session = yield* make({
        protocol: protocol({ subscribe: (topics, id) => Effect.sync(() => `sub ${id} ${topics.join(" ")} token${++tokens}`) })
      })
      yield* session.subscribe("a")
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a token1", "sub 2 a token2"])
    })))

  for (const [how, failure, reason] of [
    ["fails", Effect.fail<unknown>(new Error("no token")), "no token"],
    ["dies", Effect.die(new Error("a bug")), "a bug"],
    ["hangs", Effect.never, "it took longer than 5s"],
    ["hangs and cannot be interrupted", Effect.uninterruptible(Effect.never), "it took longer than 5s"]
  ] satisfies ReadonlyArray<readonly [string, Effect.Effect<never, unknown>, string]>) {
    it.scoped(`that ${how} is told and tried again with backoff, and others go on`, () =>
      run([open(acknowledge)], Effect.gen(function*() {
        const session = yield* make({ protocol: failing(2, failure) })
        const events = yield* watch(session, failed)
        const a = yield* Effect.fork(session.subscribe("a"))
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(events[0], `subscribe a: ${reason}; 1s`)
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(events, [`subscribe a: ${reason}; 1s`, `subscribe a: ${reason}; 2s`])
        yield* Fiber.join(a)
        yield* session.subscribe("b")
        assert.strictEqual(yield* dialCount, 1)
      })))
  }

  it.scoped("that hangs does not hold up the next connection", () =>
    run([open(wait("1 second"), reset), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({ protocol: failing(1, Effect.uninterruptible(Effect.never)) })
      const a = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("2500 millis")
      yield* Fiber.join(a)
      assert.deepStrictEqual(yield* sent, ["sub 2 token a"])
    })))

  it.scoped("that fails six times ends the topic with a typed error", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({ protocol: failing(99, Effect.fail<unknown>(new Error("no token"))) })
      const events = yield* watch(session, failed)
      const a = yield* Effect.fork(Effect.flip(session.subscribe("a")))
      yield* TestClock.adjust("2 minutes")
      const error = yield* Fiber.join(a)
      assert.strictEqual(error._tag, "SubscriptionUnavailable")
      assert.strictEqual(error.message, "The protocol could not write a request to subscribe to a: no token.")
      assert.deepStrictEqual(events.map((text) => text.split("; ")[1]), ["1s", "2s", "4s", "8s", "16s", "never"])
      assert.deepStrictEqual(yield* session.subscriptions, [])
    })))

  it.scoped("that fails for one of several topics does not hold up the others for long", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({
        protocol: protocol({
          subscribe: (topics, id) => topics.includes("private") ? Effect.fail("no token") : `sub ${id} ${topics.join(" ")}`
        })
      })
      const asked = yield* Effect.fork(Effect.forEach(
        ["a", "private", "b", "c"],
        (topic) => Effect.either(session.subscribe(topic)),
        { concurrency: "unbounded" }
      ))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual((yield* session.subscriptions).filter(({ status }) => status === "acknowledged").map(({ topic }) => topic), ["a", "b", "c"])
      yield* TestClock.adjust("5 minutes")
      assert.deepStrictEqual((yield* Fiber.join(asked)).map((each) => each._tag === "Left" ? each.left._tag : "ok"), ["ok", "SubscriptionUnavailable", "ok", "ok"])
    })))

  it.scoped("to unsubscribe that fails or throws is tried again until it succeeds", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      let left = 3
      const session = yield* make({
        protocol: protocol({
          unsubscribe: (topics, id) => {
            if (left-- > 0) throw new Error("a bug")
            return `unsub ${id} ${topics.join(" ")}`
          }
        })
      })
      const events = yield* watch(session, failed)
      yield* session.subscribe("a")
      yield* session.unsubscribe("a")
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(events, ["unsubscribe a: a bug; 1s", "unsubscribe a: a bug; 2s", "unsubscribe a: a bug; 4s"])
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "unsub 5 a"])
    })))

  it.scoped("is interrupted when the session ends", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const scope = yield* Scope.make()
      let interrupted = 0
      const session = yield* Scope.extend(make({
        protocol: protocol({ subscribe: () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => { interrupted++ })) })
      }), scope)
      const a = yield* Effect.fork(Effect.flip(session.subscribe("a")))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(a))._tag, "NotConnected")
      assert.strictEqual(interrupted, 1)
    })))
})

describe("a topic that the peer drops", () => {
  const dropping = protocol({
    parse: (message) => {
      const [, topic] = /^closed (\w+)$/.exec(String(message)) ?? []
      return topic === undefined ? protocol().parse(message) : { _tag: "Dropped", topic, reason: "it was closed" }
    }
  })

  it.scoped("is subscribed again, and its readers get a gap before the next data", () =>
    run([open(acknowledge, wait("1 second"), send("a: 1", "b: 1", "closed a", "b: 2"), wait("5 seconds"), send("a: 2", "b: 3"))],
      Effect.gen(function*() {
        const session = yield* make({ protocol: dropping })
        const gaps: Array<string> = []
        const a = yield* collect(session, "a")
        const b = yield* collect(session, "b")
        yield* session.listen("a", {
          data: () => undefined,
          end: () => undefined,
          gap: ({ cause, downtime }) => {
            gaps.push(`${cause.message} ${Duration.format(downtime)}`)
          }
        })
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(a.seen, ["1", "gap 0", "2"])
        assert.deepStrictEqual(b.seen, ["1", "2", "3"])
        assert.deepStrictEqual(gaps, ["The peer ended the subscription to a: it was closed. 1s"])
        assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 b", "sub 3 a"])
        assert.strictEqual(yield* dialCount, 1)
      })))

  it.scoped("in the turn of its acknowledgement is dropped, not acknowledged", () =>
    run([open(answer((message) => parts(message)[1] === "1" ? ["ok 1", "closed a"] : [`ok ${parts(message)[1] ?? ""}`, "a: back"]))],
      Effect.gen(function*() {
        const session = yield* make({ protocol: dropping })
        const a = yield* collect(session, "a")
        yield* TestClock.adjust("1 minute")
        assert.deepStrictEqual(a.seen, ["gap 0", "back"])
      })))

  it.scoped("and does not answer for any more, ends alone: the connection of the others is kept", () =>
    run([open(acknowledge, wait("1 second"), send("a: 1", "b: 1", "closed a"), answer(() => []), wait("2 minutes"), send("b: 2"))],
      Effect.gen(function*() {
        const session = yield* make({ protocol: dropping })
        const a = yield* collect(session, "a")
        const b = yield* collect(session, "b")
        yield* TestClock.adjust("3 minutes")
        assert.strictEqual((yield* errorOf(yield* Fiber.join(a.fiber)))._tag, "SubscriptionUnanswered")
        assert.deepStrictEqual(b.seen, ["1", "2"])
        assert.strictEqual(yield* dialCount, 1)
      })))

  it.scoped("as soon as it is acknowledged, again and again, is not requested for ever", () =>
    run([open(answer((message) => [`ok ${parts(message)[1] ?? ""}`, "closed a"]))], Effect.gen(function*() {
      const session = yield* make({ protocol: dropping })
      const { fiber } = yield* collect(session, "a")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* errorOf(yield* Fiber.join(fiber)))._tag, "SubscriptionRefused")
      assert.strictEqual((yield* sent).length, 6)
    })))

  it.scoped("after it had data ends when it is then refused", () => {
    let requests = 0
    const once = answer((message) => [++requests === 1 ? `ok ${parts(message)[1] ?? ""}` : `no ${parts(message)[1] ?? ""} gone`])
    return run([open(once, wait("1 second"), send("a: 1", "closed a"))], Effect.gen(function*() {
      const session = yield* make({ protocol: dropping })
      const { fiber } = yield* collect(session, "a")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* errorOf(yield* Fiber.join(fiber)))._tag, "SubscriptionRefused")
    }))
  })
})

describe("the event of a refusal", () => {
  const refusal = (event: SessionEvent.SessionEvent) =>
    event._tag === "Refused" ? `${event.error.topic} ${retryText(event.retry)}` : undefined

  it.scoped("says that a topic which had been live is requested again, and when the refusal is final", () => {
    const script = [open(acknowledge, wait("1 second"), close(1012)), open(answer((message) => [`no ${parts(message)[1] ?? ""} busy`]))]
    return run(script, Effect.gen(function*() {
      const session = yield* make()
      const events = yield* watch(session, refusal)
      yield* collect(session, "a")
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(events, ["a 1s", "a 2s", "a 4s", "a 8s", "a 16s", "a never"])
    }))
  })

  it.scoped("says after which time of the peer's choice it is requested again", () =>
    run([open(answer((message) => [parts(message)[1] === "1" ? "later 1" : `ok ${parts(message)[1] ?? ""}`]))], Effect.gen(function*() {
      const session = yield* make({
        protocol: protocol({
          parse: (message) => message === "later 1" ? { _tag: "Refused", id: 1, reason: "busy", retry: "7 seconds" } : protocol().parse(message)
        })
      })
      const events = yield* watch(session, refusal)
      yield* collect(session, "a")
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(events, ["a 7s"])
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 a"])
    })))
})

describe("a connection that serves topics", () => {
  it.scoped("is kept when the peer does not answer for one more: that one ends with an error of its own", () =>
    run([open(answer((message) => String(message).includes("bad") ? [] : [`ok ${parts(message)[1] ?? ""}`]))], Effect.gen(function*() {
      const session = yield* make()
      const a = yield* collect(session, "a")
      const bad = yield* Effect.fork(Effect.flip(session.subscribe("bad")))
      yield* TestClock.adjust("1 minute")
      const error = yield* Fiber.join(bad)
      assert.strictEqual(error._tag, "SubscriptionUnanswered")
      assert.strictEqual(error.message, "The peer did not answer 3 requests to subscribe to bad, each within 5s.")
      assert.deepStrictEqual(a.seen, [])
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* dialCount, 1)
    })))

  it.scoped("serves the others of a request that is not answered because of one, and later ones first", () =>
    run([open(answer((message) => String(message).includes("bad") ? [] : [`ok ${parts(message)[1] ?? ""}`]))], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      const subscribing = yield* Effect.fork(Effect.forEach(
        ["b", "bad", "c"],
        (topic) => Effect.either(session.subscribe(topic)),
        { concurrency: "unbounded" }
      ))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual((yield* Fiber.join(subscribing)).map((each) => each._tag === "Left" ? each.left._tag : "ok"), ["ok", "SubscriptionUnanswered", "ok"])
      assert.strictEqual(yield* dialCount, 1)
    })))

  it.scoped("gives up many topics in a bounded time when the peer answers nothing more", () =>
    run([open(answer((message) => parts(message)[1] === "1" ? ["ok 1"] : []))], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ maxBatch: 200 }) })
      yield* session.subscribe("a")
      const topics = Array.from({ length: 200 }, (_, i) => `t${i}`)
      const all = yield* Effect.fork(Effect.forEach(topics, (topic) => Effect.flip(session.subscribe(topic)), { concurrency: "unbounded" }))
      yield* TestClock.adjust("5 minutes")
      assert.isTrue((yield* Fiber.join(all)).every(({ _tag }) => _tag === "SubscriptionUnanswered"))
      assert.strictEqual(yield* dialCount, 1)
    })))

  it.scoped("is kept when the peer does not answer that a topic which it never served is unsubscribed", () =>
    run([open(answer((message) => String(message).includes("bad") ? [] : [`ok ${parts(message)[1] ?? ""}`]))], Effect.gen(function*() {
      const session = yield* make()
      yield* session.subscribe("a")
      const bad = yield* Effect.fork(session.subscribe("bad"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(bad)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* sent, ["sub 1 a", "sub 2 bad", "unsub 3 bad"])
      assert.strictEqual(yield* dialCount, 1)
    })))
})

describe("a refusal that names none of several topics", () => {
  it.scoped("makes those that had been live wait as a whole, and then finds the one that is refused", () => {
    const topics = ["a", "b", "bad", "c"]
    const refusing = answer((message) => {
      const [, id = "", ...names] = parts(message)
      return [names.includes("bad") ? "no  gone" : `ok ${id}`]
    })
    return run([open(acknowledge, wait("1 second"), close(1012)), open(refusing)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ pace: { limit: 50, window: "1 second" } }) })
      const all = yield* Effect.forEach(topics, (topic) => collect(session, topic))
      yield* TestClock.adjust("1900 millis")
      const before = (yield* sent).length
      yield* TestClock.adjust("5 minutes")
      const live = (yield* session.subscriptions).filter(({ status }) => status === "acknowledged")
      assert.deepStrictEqual(live.map(({ topic }) => topic), ["a", "b", "c"])
      assert.strictEqual((yield* errorOf(yield* Fiber.join(all[2]?.fiber ?? Fiber.fail("no fibre"))))._tag, "SubscriptionRefused")
      const after = (yield* sent).slice(before).map((message) => parts(message).slice(2).join(" "))
      assert.deepStrictEqual(after.slice(0, 4), ["a b bad c", "a b bad c", "a b", "bad c"])
    }))
  })

  it.scoped("makes few requests while a backend restarts", () => {
    const restarting = [answer(() => ["no  restarting"]), wait("10 seconds"), acknowledge]
    return run([open(acknowledge, wait("1 second"), close(1012)), open(...restarting)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ maxBatch: 100, pace: { limit: 50, window: "1 second" } }) })
      const topics = Array.from({ length: 64 }, (_, i) => `t${i}`)
      yield* Effect.forEach(topics, session.subscribe, { concurrency: "unbounded" })
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* session.subscriptions).filter(({ status }) => status === "acknowledged").length, 64)
      assert.isAtMost((yield* sent).length, 32)
    }))
  })
})

describe("subscribe", () => {
  const unanswered = [open(vanish)]

  it.scoped("fails when the session is disconnected", () =>
    run([open(acknowledge), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      yield* session.connection.awaitOpen
      yield* session.connection.disconnect
      const error = yield* Effect.flip(session.subscribe("a"))
      assert.strictEqual(error._tag, "NotConnected")
    })))

  it.scoped("fails when the session is disconnected before the acknowledgement", () =>
    run(unanswered, Effect.gen(function*() {
      const session = yield* make()
      const subscribing = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* subscribing.poll)._tag, "None")
      yield* session.connection.disconnect
      assert.strictEqual((yield* Effect.flip(Fiber.join(subscribing)))._tag, "NotConnected")
    })))

  it.scoped("fails when the session ends before the acknowledgement", () =>
    run(unanswered, Effect.gen(function*() {
      const scope = yield* Scope.make()
      const session = yield* Scope.extend(make(), scope)
      const subscribing = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(Fiber.join(subscribing))
      assert(error._tag === "NotConnected")
      assert.strictEqual(error.state, "Closed")
    })))

  it.scoped("fails by a defect that names the function when one of the protocol has thrown", () =>
    run([open(acknowledge), open(acknowledge)], Effect.gen(function*() {
      const broken = protocol({
        probe: () => {
          throw new Error("a bug")
        }
      })
      const session = yield* make({ connection: { url: "ws://peer.test", messageTimeout: "10 seconds" }, protocol: broken })
      yield* session.subscribe("a")
      yield* TestClock.adjust("10 seconds")
      const exit = yield* Effect.exit(session.subscribe("b"))
      const defect = new SessionError.SessionDefect({ function: "probe of the protocol", cause: new Error("a bug") })
      assert.deepStrictEqual(exit, Exit.die(defect))
      assert.strictEqual((yield* session.connection.state)._tag, "Disconnected")
      // It works again after `connect`.
      yield* session.connection.connect
      yield* session.subscribe("b")
    })))

  it.scoped("removes its subscriber when it is interrupted", () =>
    run(unanswered, Effect.gen(function*() {
      const session = yield* make()
      const subscribing = yield* Effect.fork(session.subscribe("a"))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(subscribing)
      assert.deepStrictEqual(yield* session.subscriptions, [])
    })))
})

describe("staleness", () => {
  const chatter = Array.from({ length: 120 }, (_, i) => [wait("1 second"), send(`b: ${i}`)]).flat()

  const subscriptionsTo = (topic: string) =>
    Effect.map(sent, (all) => all.filter((message) => parts(message)[0] === "sub" && parts(message).includes(topic)).length)

  it.scoped("subscribes an idle topic again, ever more rarely, and never ends it, when activity cannot be told", () =>
    run([open(acknowledge, ...chatter, ...chatter, ...chatter)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: (topic) => topic === "a" ? "2 seconds" : "exempt" }) })
      const a = yield* collect(session, "a")
      const b = yield* collect(session, "b")
      const idle = yield* Effect.fork(Stream.runHead(Stream.filter(session.events, SessionEvent.$is("Idle"))))
      yield* TestClock.adjust("13 seconds")
      assert.strictEqual(yield* subscriptionsTo("a"), 2)
      assert.strictEqual((yield* Fiber.join(idle))._tag, "Some")
      yield* TestClock.adjust("340 seconds")
      // After 10, 20, 40, 80 and 160 more seconds.
      assert.strictEqual(yield* subscriptionsTo("a"), 6)
      assert.isNull(a.fiber.unsafePoll())
      assert.isTrue((yield* session.subscriptions).every(({ status }) => status !== "stale"))
      assert.isAbove(b.seen.length, 300)
      assert.strictEqual((yield* (yield* TestTransport.TestTransport).dials).length, 1)
    })))

  it.scoped("leaves topics alone that have no activity, however long they have no data", () =>
    run([open(acknowledge, ...chatter)], Effect.gen(function*() {
      const asked: Array<ReadonlyArray<string>> = []
      const session = yield* make({
        protocol: protocol({ cadence: () => "adaptive" }),
        activity: (topics) => Effect.sync(() => {
          asked.push(topics)
          return new Map(topics.map((topic) => [topic, 7]))
        })
      })
      for (const topic of ["a", "c", "d"]) yield* collect(session, topic)
      yield* collect(session, "b")
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* subscriptionsTo("a"), 1)
      assert.deepStrictEqual(asked[0], ["a", "c", "d"])
      // One question for all topics, at most each 10 seconds.
      assert.isAtMost(asked.length, 360)
    })))

  it.scoped("subscribes a topic again within a minute when it has activity and no data, though it had data only three times", () =>
    run([
      open(acknowledge, ...ticks("a", 3), ...chatter)
    ], Effect.gen(function*() {
      let trades = 0
      const session = yield* make({
        protocol: protocol({ cadence: () => "adaptive" }),
        activity: (topics) => Effect.sync(() => new Map(topics.map((topic) => [topic, topic === "a" ? trades++ : 7])))
      })
      const a = yield* collect(session, "a")
      yield* collect(session, "b")
      yield* collect(session, "quiet")
      const stale = yield* Effect.fork(Stream.runHead(Stream.filter(session.events, SessionEvent.$is("Stale"))))
      yield* TestClock.adjust("63 seconds")
      const event = Option.getOrThrow(yield* Fiber.join(stale))
      assert.deepStrictEqual([event.topic, event.remedy], ["a", "resubscribe"])
      assert.strictEqual(yield* subscriptionsTo("a"), 2)
      assert.strictEqual(yield* subscriptionsTo("quiet"), 1)
      assert.strictEqual(a.seen.length, 3)
    })))

  it.scoped("takes no activity for a proof while the answer cannot be told, or while data comes", () =>
    run([open(acknowledge, ...Array.from({ length: 40 }, (_, i) => [wait("14 seconds"), send(`a: ${i}`)]).flat())], Effect.gen(function*() {
      let trades = 0
      const session = yield* make({
        protocol: protocol({ cadence: () => "adaptive" }),
        activity: (topics) => Effect.sync(() => new Map(topics.map((topic) => [topic, trades++])))
      })
      const a = yield* collect(session, "a")
      yield* TestClock.adjust("9 minutes")
      assert.strictEqual(yield* subscriptionsTo("a"), 1)
      assert.isAbove(a.seen.length, 30)
    })))

  it.scoped("begins with the first remedy again once the topic has had data", () =>
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

  it.scoped("moves a topic to another connection by `relocate` when subscribing again did not help", () =>
    run([open(acknowledge, ...chatter)], Effect.gen(function*() {
      const moved: Array<string> = []
      let trades = 0
      const session = yield* make({
        protocol: protocol({ cadence: () => "adaptive" }),
        activity: (topics) => Effect.sync(() => new Map(topics.map((topic) => [topic, trades++]))),
        relocate: (topic) => moved.push(topic) > 0
      })
      yield* collect(session, "a")
      yield* collect(session, "b")
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(moved, [])
      assert.strictEqual(yield* subscriptionsTo("a"), 2)
      yield* TestClock.adjust("50 seconds")
      assert.deepStrictEqual(moved, ["a"])
    })))

  it.scoped("fails a topic without data when the peer does not know it, and waits when the peer does", () =>
    run([
      open(acknowledge, ...Array.from({ length: 600 }, (_, i) => [wait("1 second"), send(`b: ${i}`)]).flat(), send("quiet: 1"))
    ], Effect.gen(function*() {
      const session = yield* make({
        protocol: protocol({ cadence: () => "adaptive" }),
        isKnown: (topic) => Effect.succeed(topic !== "misspelled")
      })
      yield* collect(session, "b")
      const quiet = yield* collect(session, "quiet")
      const misspelled = yield* collect(session, "misspelled")
      yield* TestClock.adjust("601 seconds")
      const exit = yield* Fiber.join(misspelled.fiber)
      assert(Exit.isFailure(exit))
      assert.strictEqual((yield* Effect.flip(Effect.failCause(exit.cause)))._tag, "SubscriptionStale")
      assert.deepStrictEqual(quiet.seen, ["1"])
    })))

  it.scoped("finds no topic while all are silent", () =>
    run([open(acknowledge, send("a: 1", "b: 1"))], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: () => "2 seconds" }) })
      yield* collect(session, "a")
      yield* collect(session, "b")
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* sent).length, 2)
    })))
})

// A listener that records its calls, and acts on them.
const note = (name: string, notes: Array<string>, act: (call: string) => void = () => undefined): Session.Listener<string> => {
  const take = (call: string) => {
    notes.push(`${name} ${call}`)
    act(call)
  }
  return {
    data: (batch) => {
      batch.forEach(take)
    },
    gap: () => {
      take("gap")
    },
    end: () => {
      take("end")
    }
  }
}

describe("a listener of a topic", () => {
  it.scoped("that leaves at a gap and comes again gets that gap once, and a new listener does not get it", () =>
    run([open(acknowledge, wait("1 second"), reset), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      const notes: Array<string> = []
      const scope = yield* Effect.scope
      const begin = () => {
        const own = Effect.runSync(Scope.make())
        const listener = note("a", notes, (call) => {
          if (call !== "gap" || notes.length > 5) return
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

  it.scoped("that comes at the event of a refusal makes the session request the topic again", () =>
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

  it.scoped("that comes as the connection changes to Connecting gets data", () =>
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

  it.scoped("gets nothing after its end, not even data from before a listener threw", () =>
    run([
      open(acknowledge, wait("1 second"), send("bug: one", "a: one")),
      open(acknowledge, wait("1 second"), send("a: two"))
    ], Effect.gen(function*() {
      const session = yield* make()
      yield* session.listen("bug", note("bug", [], (call) => {
        if (call === "one") throw new Error("a bug")
      }))
      const notes: Array<string> = []
      yield* session.listen("a", note("first", notes))
      yield* TestClock.adjust("5 seconds")
      yield* session.connection.connect
      yield* settle
      yield* session.listen("a", note("second", notes))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(notes.slice(notes.indexOf("first end") + 1), ["second two"])
    })))

  it.scoped("gets nothing after its end when another listener closes the session", () =>
    run([open(acknowledge, wait("1 second"), send("a: one", "b: one"))], Effect.gen(function*() {
      const scope = yield* Scope.make()
      const session = yield* Scope.extend(make(), scope)
      const notes: Array<string> = []
      yield* session.listen("a", note("a", notes, (call) => {
        if (call === "one") Effect.runFork(Scope.close(scope, Exit.void))
      }))
      yield* session.listen("b", note("b", notes))
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(notes, ["a one", "a end", "b end"])
    })))

  it.scoped("gets nothing after another listener has closed its scope", () =>
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

describe("a function that throws", () => {
  it.scoped("as the `end` of a listener does not keep the others from their end", () =>
    run([open(acknowledge), open(acknowledge)], Effect.gen(function*() {
      const session = yield* make()
      const notes: Array<string> = []
      yield* session.listen("a", note("first", notes, () => {
        throw new Error("a bug")
      }))
      yield* session.listen("a", note("second", notes))
      yield* session.listen("b", note("third", notes))
      const stream = yield* collect(session, "c")
      yield* settle
      yield* session.connection.disconnect
      yield* settle
      assert.deepStrictEqual(notes, ["first end", "second end", "third end"])
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(stream.fiber)))
      yield* session.connection.connect
      yield* session.subscribe("d")
    })))

  const bug = () => {
    throw new Error("a bug")
  }
  const broken = [
    ["topicText.topicSpan", { topicText: { ...topicText, topicSpan: bug } }],
    ["topicText.data", { topicText: { ...topicText, data: bug } }],
    ["heartbeat.isAnswer", { heartbeat: { interval: "1 minute", message: "ping", isAnswer: (message) => message === "a: 2" && bug() } }]
  ] satisfies ReadonlyArray<readonly [string, Partial<Protocol>]>
  for (const [name, overrides] of broken) {
    it.scoped(`as ${name} is named, and its message counts as invalid`, () =>
      run([open(acknowledge, wait("1 second"), send("a: 1"), wait("1 second"), send("a: 2"))], Effect.gen(function*() {
        const session = yield* make({ protocol: protocol(overrides) })
        const events = yield* watch(session, (event) => event._tag === "Invalid" ? `${event.reason} | ${event.excerpt}` : undefined)
        yield* collect(session, "a")
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual(events.at(-1), `the protocol's ${name} threw: a bug | a: 2`)
        assert.strictEqual((yield* session.connection.state)._tag, "Connected")
      })))
  }

  const named = [
    ["gap of a listener", (session) => session.listen("a", { data: () => undefined, gap: bug, end: () => undefined }), {}],
    ["onNotice", () => Effect.void, { onNotice: bug }],
    ["hasDataElsewhere", () => Effect.void, { hasDataElsewhere: () => Effect.die(new Error("a bug")), protocol: protocol({ cadence: () => "100 millis" }) }]
  ] satisfies ReadonlyArray<readonly [string, (session: Session.Session<string>) => Effect.Effect<void, never, Scope.Scope>, Overrides]>
  for (const [name, act, overrides] of named) {
    it.scoped(`as ${name} is named in the defect that ends the session`, () =>
      run([open(acknowledge, wait("1 second"), send("leaving"), wait("1 second"), reset), open(acknowledge)], Effect.gen(function*() {
        const session = yield* make({ protocol: protocol({ topicText }), ...overrides })
        yield* act(session)
        const b = yield* collect(session, "b")
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(
          yield* Fiber.join(b.fiber),
          Exit.die(new SessionError.SessionDefect({ function: name, cause: new Error("a bug") }))
        )
      })))
  }

  it.scoped("as `cadence` is named to the one who subscribes", () =>
    run([open(acknowledge)], Effect.gen(function*() {
      const session = yield* make({ protocol: protocol({ cadence: bug }) })
      assert.deepStrictEqual(
        yield* Effect.exit(session.subscribe("a")),
        Exit.die(new SessionError.SessionDefect({ function: "cadence of the protocol", cause: new Error("a bug") }))
      )
    })))
})

describe("the options of a session", () => {
  const refused = [
    [{ answerTimeout: 0 }, `answerTimeout: Expected a duration longer than zero, but received "0"`],
    [{ answerTimeout: "-1 seconds" }, `answerTimeout: Expected a duration, such as "20 seconds", but received "-1 seconds"`],
    [{ protocol: protocol({ maxBatch: 0 }) }, `protocol.maxBatch: Expected a whole number from 1, but received "0"`],
    [{ protocol: protocol({ pace: { limit: Number.NaN, window: "1 second" } }) }, `protocol.pace.limit: Expected a number from 1, but received "NaN"`],
    [{ protocol: protocol({ pace: { limit: 1, window: Duration.infinity } }) }, `protocol.pace.window: Expected a duration that ends, but received "Infinity"`],
    [{ protocol: protocol({ pace: { limit: 1, window: -1 } }) }, `protocol.pace.window: Expected a duration, such as "20 seconds", but received "-1"`],
    [
      { protocol: protocol({ heartbeat: { interval: 0, message: "ping" } }) },
      `protocol.heartbeat.interval: Expected a duration longer than zero, but received "0"`
    ],
    [
      { protocol: protocol({ heartbeat: { interval: "1 second", message: "ping", timeout: -5 } }) },
      `protocol.heartbeat.timeout: Expected a duration, such as "20 seconds", but received "-5"`
    ],
    [{ connection: { url: "ws://peer.test", pongTimeout: 0 } }, `pongTimeout: Expected a duration longer than zero, but received "0"`]
  ] satisfies ReadonlyArray<readonly [Overrides, string]>
  for (const [options, sentence] of refused) {
    it.scoped(`are refused: ${sentence}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(make(options))
        assert.strictEqual(error._op === "InvalidData" ? `${error.path.join(".")}: ${error.message}` : error._op, sentence)
        assert.deepStrictEqual(yield* (yield* TestTransport.TestTransport).dials, [])
      }).pipe(Effect.provide(TestTransport.layer([open(acknowledge)]))))
  }

  const refusedStreams = [
    [{ capacity: 1 }, `capacity: Expected a whole number from 2, but received "1"`],
    [{ capacity: Number.NaN }, `capacity: Expected a whole number from 2, but received "NaN"`],
    [{ maxBytes: 0 }, `maxBytes: Expected a whole number from 1, but received "0"`]
  ] satisfies ReadonlyArray<readonly [{ readonly capacity?: number; readonly maxBytes?: number }, string]>
  for (const [options, sentence] of refusedStreams) {
    it.scoped(`of a stream are refused: ${sentence}`, () =>
      run([open(acknowledge)], Effect.gen(function*() {
        const session = yield* make()
        const error = yield* Effect.flip(Stream.runDrain(session.stream("a", options)))
        assert("_op" in error && error._op === "InvalidData")
        assert.strictEqual(`${error.path.join(".")}: ${error.message}`, sentence)
        assert.deepStrictEqual(yield* sent, [])
      })))
  }
})
