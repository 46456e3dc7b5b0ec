/**
 * The wholeness tests: the same ones for every venue. A subject has the venue's messages, in which the server publishes the facts
 * of a market, and a client. The client has to read exactly these facts.
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
import type { Transport } from "holdfast"
import type { FeedError, MarketFeed, OrderBook } from "holdfast/market"
import * as Server from "./world/Server.ts"
import * as Truth from "./world/Truth.ts"

/** An event that a reader saw: a fact, or a gap with the numbers that are missing. */
export type Seen =
  | { readonly _tag: "Fact"; readonly fact: Truth.Fact; readonly via: "ws" | "rest" | "fill" }
  | { readonly _tag: "Gap"; readonly from: number | undefined; readonly to: number | undefined; readonly cause: string }

export interface Client {
  /** The events of a channel, resumed after this number if there is one. */
  readonly stream: (channel: Truth.Channel, after?: number) => Stream.Stream<Seen, FeedError.FeedError>
  readonly orderBook: Effect.Effect<OrderBook.OrderBook, ConfigError.ConfigError, Scope.Scope>
  /** The number of the update with this id. */
  readonly updateOf: (id: number) => number
  readonly rotate: Effect.Effect<number>
  readonly events: Stream.Stream<MarketFeed.FeedEvent>
}

/** A venue under test. */
export interface Subject {
  readonly name: string
  readonly wire: Server.Wire
  readonly connect: (
    options: MarketFeed.Options
  ) => Effect.Effect<Client, ConfigError.ConfigError, Transport.Transport | HttpClient.HttpClient | Scope.Scope>
}

// A lost connection is dialled again after a second.
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

const numberOf = (one: Seen) => one._tag === "Fact" ? one.fact.n : `${one.from} to ${one.to}: ${one.cause}`
const numbers = (seen: ReadonlyArray<Seen>) => seen.map(numberOf)

/** Every fact that was read is true. */
const isTrue = (seen: ReadonlyArray<Seen>) => {
  for (const one of seen) {
    if (one._tag === "Gap") continue
    const { fact } = one
    // The number of trades in a candle shows when it was published.
    const truth = fact.channel === "candles"
      ? Truth.candle(fact.n, Truth.firstOf(fact.n) + fact.trades - 1)
      : Truth.factOf(fact.channel, fact.n)
    assert.deepStrictEqual(fact, truth)
  }
}

/** Every fact from the first one on was read once and in order, and nothing is missing but these gaps. */
const isWhole = (
  seen: ReadonlyArray<Seen>,
  latest: number,
  gaps: ReadonlyArray<{ readonly from: number; readonly to: number; readonly cause: string }> = []
) => {
  isTrue(seen)
  const [first] = seen
  const begin = first?._tag === "Fact" ? first.fact.n : first?.from
  assert(begin !== undefined)
  const expected = range(begin, latest).flatMap((n): ReadonlyArray<number | string> => {
    const gap = gaps.find(({ from, to }) => from <= n && n <= to)
    return gap === undefined ? [n] : gap.from === n ? [`${gap.from} to ${gap.to}: ${gap.cause}`] : []
  })
  assert.deepStrictEqual(numbers(seen), expected)
}

const wasFetched = (seen: ReadonlyArray<Seen>) => seen.some((one) => one._tag === "Fact" && one.via === "rest")

const gapsIn = (seen: ReadonlyArray<Seen>) => seen.filter((one) => one._tag === "Gap")

/** Defines the tests of a venue. */
export const wholeness = (subject: Subject): void => {
  const { name, wire } = subject

  describe(`trades of ${name}`, () => {
    it.scoped("arrive once and in order across repeated resets", () =>
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

    it.scoped("are fetched when messages are lost on a connection that stays open", () =>
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

    it.scoped("are a gap with exact bounds if the venue has pruned them, and are fetched if not", () =>
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

    it.scoped("are fetched when the REST interface lags", () =>
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

    it.scoped("are fetched once a failing REST interface works again", () =>
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

    it.scoped("are a gap with exact bounds if the venue rejects the request", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        const last = server.latest()
        yield* server.restFails("rejects")
        yield* server.reset()
        yield* pass("5 seconds")
        isWhole(seen, server.latest(), [{ from: last + 1, to: last + 5, cause: "RestRejected" }])
      }))

    it.scoped("are whole when the connection is reset during a fetch", () =>
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

    it.scoped("are whole when the next connections close as soon as they open", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.acceptThenClose(3)
        yield* server.reset()
        // These connections are not proven, so the waits keep growing: 1, 2, 4 and 8 seconds.
        yield* pass("14 seconds")
        assert.strictEqual(server.dials(), 4)
        yield* pass("10 seconds")
        assert.strictEqual(server.dials(), 5)
        isWhole(seen, server.latest())
      }))

    for (const how of ["mute", "vanish"] as const) {
      it.scoped(`are whole when the venue stops sending (${how})`, () =>
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

    it.scoped("arrive once over two connections, one of which lags, loses messages and dies", () =>
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
        // The other connection brought them.
        assert.isFalse(wasFetched(seen))
        assert.strictEqual(server.requests(), 0)
      }))

    it.scoped("are neither lost nor repeated by a renewal", () =>
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

    it.scoped("are neither lost nor repeated when the venue announces that it closes the connection", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        yield* pass("3 seconds")
        yield* server.send(wire.farewell)
        yield* pass("10 seconds")
        assert.strictEqual(server.dials(), 2)
        assert.strictEqual(server.openSockets(), 1)
        isWhole(seen, server.latest())
        assert.isFalse(wasFetched(seen))
      }))

    it.scoped("resume after a known trade", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        yield* pass("10 seconds")
        const seen = yield* collect(client.stream("trades", 7))
        yield* pass("5 seconds")
        assert.strictEqual(numbers(seen)[0], 8)
        isWhole(seen, server.latest())
      }))

    it.scoped("resume with a gap after a trade that the venue has pruned", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        yield* pass("30 seconds")
        yield* server.forgetBefore(100)
        const seen = yield* collect(client.stream("trades", 7))
        yield* pass("5 seconds")
        isWhole(seen, server.latest(), [{ from: 8, to: 99, cause: "HistoryPruned" }])
      }))
  })

  describe(`candles of ${name}`, () => {
    const closed = (seen: ReadonlyArray<Seen>) =>
      seen.filter((one) => one._tag === "Gap" || (one.fact.channel === "candles" && one.fact.isClosed))
    // The last candle that has closed.
    const last = (server: Server.Server) => Truth.candleOf(server.latest() + 1) - 1
    /** No candle comes after a later one. */
    const isInOrder = (seen: ReadonlyArray<Seen>) => {
      assert.deepStrictEqual(numbers(seen), numbers(seen).sort((a, b) => Number(a) - Number(b)))
    }

    it.scoped("close exactly once across an outage of several candles", () =>
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

    it.scoped("are fetched as closed candles when the REST interface lags", () =>
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

    it.scoped("close once over two connections, one of which lags and dies", () =>
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

    it.scoped("resume after a known candle", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        yield* pass("10500 millis")
        const seen = yield* collect(client.stream("candles", 4))
        yield* pass("5 seconds")
        assert.strictEqual(numbers(seen)[0], 5)
        isWhole(closed(seen), last(server))
      }))

    it.scoped("are a gap with exact bounds if the venue has pruned them", () =>
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

  describe(`an order book of ${name}`, () => {
    const watched = (client: Client, server: Server.Server) =>
      Effect.gen(function*() {
        const book = yield* client.orderBook
        const changes = yield* collect(book.changes)
        const wrong: Array<string> = []
        let right = 0
        // Runs between two ticks: within one moment, the server may be ahead of the client.
        const look = Effect.gen(function*() {
          const top = yield* Effect.either(book.top(1_000))
          if (top._tag === "Left") return
          const { asks, bids, lastUpdateId } = top.right
          const n = client.updateOf(lastUpdateId)
          if (server.openSockets() === 0) wrong.push(`nothing is connected at ${n}`)
          if (n < server.latest()) wrong.push(`${n} is behind ${server.latest()}`)
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

    it.scoped("is right after every reset, stale in between, and never wrong", () =>
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
        const statuses = changes.map(({ _tag }) => _tag).filter((tag) => tag !== "Updated")
        assert.deepStrictEqual(statuses, ["Stale", "Synced", "Stale", "Synced", "Stale", "Synced", "Stale", "Synced"])
      }))

    it.scoped("takes a new snapshot after a missed update, and is never wrong once the loss shows", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const { changes, right, wrong } = yield* watched(client, server)
        yield* pass("5100 millis")
        yield* server.lose(1)
        yield* pass("10 seconds")
        // The loss does not show until the next update comes.
        assert.deepStrictEqual(wrong.map((text) => text.replaceAll(/\d+/g, "n")), ["n is behind n"])
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

  describe(`missing events of ${name} that cannot be fetched`, () => {
    it.scoped("are a gap with exact bounds among the updates of a book", () =>
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

    it.scoped("are no gap among quotes, which never go back to an older one", () =>
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

    it.scoped("are a gap wherever the connection was lost, if losses cannot be detected", () =>
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
        const received = numbers(seen).filter((n) => n !== gap).map(Number)
        assert.deepStrictEqual(numbers(seen), received.flatMap((n, i) => i > 0 && n !== (received[i - 1] ?? 0) + 1 ? [gap, n] : [n]))
        assert.strictEqual(gapsIn(seen).length, 2)
        assert.strictEqual(received.at(-1), server.latest())
      }))

    it.scoped("are no gap if another connection stayed, and a gap if none did", () =>
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
        // A topic that had been live is refused for good after 31 seconds.
        yield* pass("40 seconds")
        const failure = refused.at(-1)
        assert(failure?._tag === "Left" && failure.left._tag === "SubscriptionRefused")
        assert.strictEqual(failure.left.topic, wire.topics.notices)
        isWhole(trades, server.latest())
        assert.strictEqual(numbers(quotes).at(-1), server.latest())
        assert.strictEqual(server.dials(), 2)
      }))

    it.scoped("skips and reports invalid messages, and fetches the missing events", () =>
      Effect.gen(function*() {
        const { client, server } = yield* open(subject)
        const seen = yield* collect(client.stream("trades"))
        const events = yield* collect(client.events)
        yield* pass("3 seconds")
        yield* server.lose(1)
        yield* Effect.forEach(wire.invalid, server.send)
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
