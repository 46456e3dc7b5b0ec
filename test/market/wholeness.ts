/**
 * What it means that a venue's data is whole, as tests: the same ones for every venue. A subject brings the venue's wire, which
 * tells what happened in a market, and a client, whose events are read back. What it reads has to be what happened.
 */
import type * as HttpClient from "@effect/platform/HttpClient"
import { assert, describe, it } from "@effect/vitest"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { SessionError, Transport } from "holdfast"
import type { MarketFeed, OrderBook } from "holdfast/market"
import * as Server from "./world/Server.ts"
import * as Truth from "./world/Truth.ts"

/** What a reader saw: something that was said, or a gap, told by the numbers that are missing. */
export type Seen =
  | { readonly _tag: "Said"; readonly said: Truth.Said; readonly via: "ws" | "rest" }
  | { readonly _tag: "Gap"; readonly from: number | undefined; readonly to: number | undefined; readonly cause: string }

export interface Client {
  /** What a channel says, after this number if there is one. */
  readonly stream: (channel: Truth.Channel, after?: number) => Stream.Stream<Seen, SessionError.SessionError>
  readonly orderBook: Effect.Effect<OrderBook.OrderBook, never, Scope.Scope>
  /** The number of the update that has this id. */
  readonly updateOf: (id: number) => number
  readonly rotate: Effect.Effect<number>
  readonly events: Stream.Stream<MarketFeed.FeedEvent>
}

/** A venue that is put to the test. */
export interface Subject {
  readonly name: string
  readonly wire: Server.Wire
  readonly connect: (
    options: MarketFeed.Options
  ) => Effect.Effect<Client, ConfigError.ConfigError, Transport.Transport | HttpClient.HttpClient | Scope.Scope>
}

// What is lost is dialled again after a second.
const quick: MarketFeed.Options = {
  connection: {
    reconnect: { initialDelay: "1 second", jitterFactor: 0, stableAfter: 0 },
    messageTimeout: "5 seconds",
    pingInterval: "3 seconds",
    pongTimeout: "2 seconds"
  }
}

const serve = (subject: Subject) => Effect.zipRight(TestClock.setTime(Truth.openedAt), Layer.build(Server.layer(subject.wire)))

const open = (subject: Subject, options: MarketFeed.Options = {}) =>
  Effect.gen(function*() {
    const context = yield* serve(subject)
    const client = yield* Effect.provide(subject.connect({ ...quick, ...options }), context)
    return { client, server: Context.get(context, Server.Server) }
  })

const collect = <A, E>(stream: Stream.Stream<A, E>) =>
  Effect.gen(function*() {
    const seen: Array<A> = []
    yield* Effect.forkScoped(Stream.runForEach(stream, (one) => Effect.sync(() => seen.push(one))))
    return seen
  })

const pass = TestClock.adjust

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

const numberOf = (one: Seen) => one._tag === "Said" ? one.said.n : `${one.from} to ${one.to}: ${one.cause}`
const numbers = (seen: ReadonlyArray<Seen>) => seen.map(numberOf)

/** Everything that was read is what was said. */
const isTrue = (seen: ReadonlyArray<Seen>) => {
  for (const one of seen) {
    if (one._tag === "Gap") continue
    const { said } = one
    // A candle that had so many trades was said when it had them.
    const truth = said.channel === "candles"
      ? Truth.candle(said.n, Truth.firstOf(said.n) + said.trades - 1)
      : Truth.said(said.channel, said.n)
    assert.deepStrictEqual(said, truth)
  }
}

/** Everything from the first on, once and in order, with nothing missing but these gaps. */
const isWhole = (
  seen: ReadonlyArray<Seen>,
  latest: number,
  gaps: ReadonlyArray<{ readonly from: number; readonly to: number; readonly cause: string }> = []
) => {
  isTrue(seen)
  const [first] = seen
  const begin = first?._tag === "Said" ? first.said.n : first?.from
  assert(begin !== undefined)
  const expected = range(begin, latest).flatMap((n): ReadonlyArray<number | string> => {
    const gap = gaps.find(({ from, to }) => from <= n && n <= to)
    return gap === undefined ? [n] : gap.from === n ? [`${gap.from} to ${gap.to}: ${gap.cause}`] : []
  })
  assert.deepStrictEqual(numbers(seen), expected)
}

const wasFetched = (seen: ReadonlyArray<Seen>) => seen.some((one) => one._tag === "Said" && one.via === "rest")

const gapsIn = (seen: ReadonlyArray<Seen>) => seen.filter((one) => one._tag === "Gap")

/** Defines the tests of a venue. */
export const wholeness = (subject: Subject): void => {
  const { name, wire } = subject

  describe(`the trades of ${name}`, () => {
    it.scoped("come once and in order, though the connection is reset again and again", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.reset()
        yield* pass("5 seconds")
        yield* server.outage("4 seconds")
        yield* pass("15 seconds")
        yield* server.reset()
        yield* pass("10 seconds")
        isWhole(seen, server.latest())
        assert.isTrue(wasFetched(seen))
      }))

    it.scoped("are fetched when their frames are lost, and the connection is not", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.lose(7)
        yield* pass("5 seconds")
        isWhole(seen, server.latest())
        assert.isTrue(wasFetched(seen))
        assert.strictEqual(server.dials(), 1)
      }))

    it.scoped("that the venue does not keep are a gap with exact bounds, and what it keeps is not", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        const last = server.latest()
        yield* server.forgetBefore(last + 12)
        yield* server.outage("6 seconds")
        yield* pass("20 seconds")
        isWhole(seen, server.latest(), [{ from: last + 1, to: last + 11, cause: "HistoryPruned" }])
        assert.isTrue(wasFetched(seen))
      }))

    it.scoped("that the venue is late to have are waited for", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* server.restLags(15)
        yield* pass("3 seconds")
        yield* server.reset()
        yield* pass("20 seconds")
        isWhole(seen, server.latest())
        assert.isAbove(server.requests(), 2)
      }))

    it.scoped("are waited for while the venue cannot be asked", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.restFails(503)
        yield* server.reset()
        yield* pass("5 seconds")
        yield* server.restFails("reset")
        yield* pass("5 seconds")
        assert.isBelow(seen.length, server.latest() / 2)
        yield* server.restFails(undefined)
        yield* pass("15 seconds")
        isWhole(seen, server.latest())
      }))

    it.scoped("that the venue refuses to show are a gap with exact bounds", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        const last = server.latest()
        yield* server.restFails(403)
        yield* server.reset()
        yield* pass("5 seconds")
        isWhole(seen, server.latest(), [{ from: last + 1, to: last + 5, cause: "RestRejected" }])
      }))

    it.scoped("are whole though the connection is reset while they are fetched", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.restTakes("2 seconds")
        yield* server.reset()
        yield* pass("2 seconds")
        const before = seen.length
        yield* server.reset()
        yield* pass("900 millis")
        assert.strictEqual(seen.length, before)
        yield* pass("20 seconds")
        isWhole(seen, server.latest())
      }))

    it.scoped("are whole though the next connections are closed as soon as they open", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.acceptThenClose(3)
        yield* server.reset()
        // They prove nothing, so that the waits go on growing: 1, 2, 4 and 8 seconds.
        yield* pass("14 seconds")
        assert.strictEqual(server.dials(), 4)
        yield* pass("10 seconds")
        assert.strictEqual(server.dials(), 5)
        isWhole(seen, server.latest())
      }))

    for (const how of ["mute", "vanish"] as const) {
      it.scoped(`are whole though the venue falls silent (${how})`, () =>
        Effect.gen(function*() {
          const { client, server } = yield* open(subject)
          const seen = yield* collect(client.stream("trades"))
          yield* pass("3 seconds")
          yield* server[how]()
          yield* pass("20 seconds")
          isWhole(seen, server.latest())
          assert.strictEqual(server.dials(), 2)
        }))
    }

    it.scoped("come once over two connections, of which one lags, loses frames and dies", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject, { redundancy: 2 })
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.delay(2, "newest")
        yield* pass("2 seconds")
        yield* server.lose(3, "oldest")
        yield* pass("3 seconds")
        yield* server.reset("oldest")
        yield* pass("10 seconds")
        yield* server.reset("oldest")
        yield* pass("5 seconds")
        isWhole(seen, server.latest())
        assert.strictEqual(server.dials(), 4)
        // The other had them.
        assert.isFalse(wasFetched(seen))
        assert.strictEqual(server.requests(), 0)
      }))

    it.scoped("are neither lost nor repeated when the connection is renewed", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        const events = yield* collect(client.events)
        yield* pass("3 seconds")
        for (const renewal of [1, 2, 3]) {
          const rotating = yield* Effect.fork(client.rotate)
          yield* pass("10 seconds")
          assert.strictEqual(yield* Fiber.join(rotating), 1)
          assert.strictEqual(server.dials(), renewal + 1)
        }
        isWhole(seen, server.latest())
        assert.isFalse(wasFetched(seen))
        assert.strictEqual(server.openSockets(), 1)
        assert.isFalse(events.some((event) => event._tag === "Connection" && event.event._tag === "Lost"))
      }))

    it.scoped("are neither lost nor repeated when the venue says that it will close the connection", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.say(wire.farewell)
        yield* pass("10 seconds")
        assert.strictEqual(server.dials(), 2)
        assert.strictEqual(server.openSockets(), 1)
        isWhole(seen, server.latest())
        assert.isFalse(wasFetched(seen))
      }))

    it.scoped("go on after one that is known from before", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        yield* pass("10 seconds")
        const seen = yield* collect(client.stream("trades", 7))
        yield* pass("5 seconds")
        assert.strictEqual(numbers(seen)[0], 8)
        isWhole(seen, server.latest())
      }))

    it.scoped("go on with a gap after one that is older than what the venue keeps", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        yield* pass("30 seconds")
        yield* server.forgetBefore(100)
        const seen = yield* collect(client.stream("trades", 7))
        yield* pass("5 seconds")
        isWhole(seen, server.latest(), [{ from: 8, to: 99, cause: "HistoryPruned" }])
      }))
  })

  describe(`the candles of ${name}`, () => {
    const closed = (seen: ReadonlyArray<Seen>) =>
      seen.filter((one) => one._tag === "Gap" || (one.said.channel === "candles" && one.said.isClosed))
    // The last candle that has closed.
    const last = (server: Server.Server) => Truth.candleOf(server.latest() + 1) - 1
    /** None is told of any more when the next one has begun. */
    const isInOrder = (seen: ReadonlyArray<Seen>) => {
      assert.deepStrictEqual(numbers(seen), numbers(seen).sort((a, b) => Number(a) - Number(b)))
    }

    it.scoped("close exactly once, though the connection is lost for several of them", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("candles"))
        yield* pass("3500 millis")
        yield* server.outage("4 seconds")
        yield* pass("15 seconds")
        yield* server.reset()
        yield* pass("5500 millis")
        isInOrder(seen)
        isWhole(closed(seen), last(server))
        assert.isTrue(wasFetched(closed(seen)))
      }))

    it.scoped("that the venue is late to have are waited for, and are shown when they are closed", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("candles"))
        yield* server.restLags(13)
        yield* pass("3500 millis")
        yield* server.reset()
        yield* pass("20 seconds")
        isInOrder(seen)
        isWhole(closed(seen), last(server))
      }))

    it.scoped("close once over two connections, of which one lags and dies", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject, { redundancy: 2 })
        const seen = yield* collect(client.stream("candles"))
        yield* pass("3500 millis")
        yield* server.delay(2, "newest")
        yield* pass("4 seconds")
        yield* server.reset("oldest")
        yield* pass("5 seconds")
        isInOrder(seen)
        assert.deepStrictEqual(seen.map((one) => JSON.stringify(one)), [...new Set(seen.map((one) => JSON.stringify(one)))])
        isWhole(closed(seen), last(server))
      }))

    it.scoped("go on after one that is known from before", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        yield* pass("10500 millis")
        const seen = yield* collect(client.stream("candles", 4))
        yield* pass("5 seconds")
        assert.strictEqual(numbers(seen)[0], 5)
        isWhole(closed(seen), last(server))
      }))

    it.scoped("that the venue does not keep are a gap with exact bounds", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("candles"))
        yield* pass("3500 millis")
        yield* server.forgetBefore(Truth.firstOf(7))
        yield* server.outage("8 seconds")
        yield* pass("20 seconds")
        isWhole(closed(seen), last(server), [{ from: 3, to: 6, cause: "HistoryPruned" }])
        assert.isTrue(wasFetched(closed(seen)))
      }))
  })

  describe(`the order book of ${name}`, () => {
    const watched = (client: Client, server: Server.Server) =>
      Effect.gen(function*() {
        const book = yield* client.orderBook
        const changes = yield* collect(book.changes)
        const wrong: Array<string> = []
        let right = 0
        // Between two ticks, since within one moment the server may be ahead of the client.
        const look = Effect.gen(function*() {
          const top = yield* Effect.either(book.top(1_000))
          if (top._tag === "Left") return
          const { asks, bids, lastUpdateId } = top.right
          const n = client.updateOf(lastUpdateId)
          if (server.openSockets() === 0) wrong.push(`nothing is connected at ${n}`)
          if (n < server.latest()) wrong.push(`${n} is told as ${server.latest()}`)
          try {
            assert.deepStrictEqual({ asks, bids }, Truth.book(n))
          } catch {
            wrong.push(`the book of ${n} is wrong`)
          }
          right++
        })
        yield* Effect.forkScoped(Effect.delay(Effect.repeat(look, Schedule.spaced(Truth.tick)), Truth.tick / 2))
        return { book, changes, wrong, right: () => right }
      })

    it.scoped("is right after every reset, says that it is not in between, and is never wrong", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const { book, changes, right, wrong } = yield* watched(client, server)
        const isStale = Effect.map(Effect.either(book.best), ({ _tag }) => _tag === "Left")
        yield* pass("5100 millis")
        assert.isFalse(yield* isStale)
        for (const fault of [server.reset(), server.outage("4 seconds"), server.reset()]) {
          yield* fault
          yield* pass("500 millis")
          assert.isTrue(yield* isStale)
          yield* pass("15 seconds")
          assert.isFalse(yield* isStale)
        }
        assert.deepStrictEqual(wrong, [])
        assert.isAbove(right(), 100)
        const turns = changes.map(({ _tag }) => _tag).filter((tag) => tag !== "Updated")
        assert.deepStrictEqual(turns, ["Stale", "Synced", "Stale", "Synced", "Stale", "Synced", "Stale", "Synced"])
      }))

    it.scoped("takes a new snapshot when it missed an update, and is never wrong once that shows", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const { changes, right, wrong } = yield* watched(client, server)
        yield* pass("5100 millis")
        yield* server.lose(1)
        yield* pass("10 seconds")
        // The one that is lost does not show until the next one comes.
        assert.deepStrictEqual(wrong.map((text) => text.replaceAll(/\d+/g, "n")), ["n is told as n"])
        assert.isAbove(right(), 50)
        assert.deepStrictEqual(changes.filter(({ _tag }) => _tag === "Stale").length, 2)
        assert.strictEqual(server.dials(), 1)
      }))

    it.scoped("takes no snapshot that is older than its updates", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        yield* server.restLags(20)
        yield* pass("10 seconds")
        const { right, wrong } = yield* watched(client, server)
        yield* pass("20 seconds")
        assert.deepStrictEqual(wrong, [])
        assert.isAbove(right(), 30)
      }))
  })

  describe(`what cannot be fetched of ${name}`, () => {
    it.scoped("is a gap with exact bounds among the updates of a book", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("updates"))
        yield* pass("3 seconds")
        const lost = server.latest() + 1
        yield* server.lose(3)
        yield* pass("3 seconds")
        const last = server.latest()
        yield* server.reset()
        yield* pass("5 seconds")
        const cause = "NotRepairable"
        isWhole(seen, server.latest(), [{ from: lost, to: lost + 2, cause }, { from: last + 1, to: last + 5, cause }])
      }))

    it.scoped("is no gap among quotes, and no quote is followed by an older one", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject, { redundancy: 2 })
        const seen = yield* collect(client.stream("quotes"))
        yield* pass("3 seconds")
        yield* server.delay(2, "newest")
        yield* pass("3 seconds")
        yield* server.reset("oldest")
        yield* pass("10 seconds")
        isTrue(seen)
        assert.deepStrictEqual(gapsIn(seen), [])
        assert.deepStrictEqual(numbers(seen), [...new Set(numbers(seen))].sort((a, b) => Number(a) - Number(b)))
        assert.strictEqual(numbers(seen).at(-1), server.latest())
      }))

    it.scoped("is a gap wherever the connection broke, when a loss cannot be detected", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("notices"))
        yield* pass("3 seconds")
        yield* server.reset()
        yield* pass("5 seconds")
        yield* server.outage("4 seconds")
        yield* pass("20 seconds")
        isTrue(seen)
        const gap = "undefined to undefined: NotRepairable"
        const told = numbers(seen).filter((n) => n !== gap).map(Number)
        assert.deepStrictEqual(numbers(seen), told.flatMap((n, i) => i > 0 && n !== (told[i - 1] ?? 0) + 1 ? [gap, n] : [n]))
        assert.strictEqual(gapsIn(seen).length, 2)
        assert.strictEqual(told.at(-1), server.latest())
      }))

    it.scoped("is no gap where another connection went on, and a gap where none did", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject, { redundancy: 2 })
        const seen = yield* collect(client.stream("notices"))
        yield* pass("3 seconds")
        yield* server.reset("oldest")
        yield* pass("10 seconds")
        assert.deepStrictEqual(gapsIn(seen), [])
        assert.deepStrictEqual([...new Set(numbers(seen))], range(0, server.latest()))
        yield* server.reset()
        yield* pass("10 seconds")
        assert.strictEqual(gapsIn(seen).length, 1)
      }))
  })

  describe(`a feed of ${name}`, () => {
    it.scoped("fails the stream whose subscription is refused, and no other", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const trades = yield* collect(client.stream("trades"))
        const quotes = yield* collect(client.stream("quotes"))
        const refused = yield* collect(Stream.either(client.stream("notices")))
        yield* pass("3 seconds")
        assert.isTrue(refused.every(({ _tag }) => _tag === "Right"))
        yield* server.refuse(wire.topics.notices)
        yield* server.reset()
        yield* pass("10 seconds")
        const failure = refused.at(-1)
        assert(failure?._tag === "Left" && failure.left._tag === "SubscriptionRefused")
        assert.strictEqual(failure.left.topic, wire.topics.notices)
        isWhole(trades, server.latest())
        assert.strictEqual(numbers(quotes).at(-1), server.latest())
        assert.strictEqual(server.dials(), 2)
      }))

    it.scoped("skips and reports invalid frames, and fetches what they stood for", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        const events = yield* collect(client.events)
        yield* pass("3 seconds")
        yield* server.lose(1)
        yield* Effect.forEach(wire.invalid, server.say)
        yield* pass("5 seconds")
        isWhole(seen, server.latest())
        assert.isAbove(wire.invalid.length, 0)
        assert.strictEqual(events.filter(({ _tag }) => _tag === "InvalidMessage").length, wire.invalid.length)
        assert.strictEqual(server.dials(), 1)
      }))

    it.scoped("leaves no socket when it is closed", () =>
      Effect.gen(function*() {
        const context = yield* serve(subject)
        const server = Context.get(context, Server.Server)
        const scope = yield* Scope.make()
        yield* Effect.gen(function*() {
          const client = yield* Effect.provide(subject.connect(quick), context)
          yield* collect(client.stream("trades"))
          yield* client.orderBook
        }).pipe(Scope.extend(scope))
        yield* pass("5 seconds")
        assert.isAbove(server.openSockets(), 0)
        const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
        yield* pass("5 seconds")
        yield* Fiber.join(closing)
        assert.strictEqual(server.openSockets(), 0)
      }))
  })
}
