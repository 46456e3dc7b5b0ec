// How a feed uses each part of a venue. The venue has three kinds of streams, and its messages are plain text.
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import type { Connection } from "holdfast"
import { FailureClass } from "holdfast"
import { Continuity, Decoder, MarketEvent, MarketFeed } from "holdfast/market"
import type { Venue } from "holdfast/market"
import { TestTransport } from "holdfast/testing"

const { answer, open, refuse, reset, send, wait } = TestTransport

// "trades:A {…}" is data of a stream, "ok 7" acknowledges the request "7 …", and "bye" is a notice.
const parse: Decoder.Options<string, object, object>["parse"] = (message) => {
  const [, head = "", tail = ""] = /^(\S*) ?(.*)$/s.exec(String(message)) ?? []
  if (head === "ok") return { _tag: "Acknowledged", id: Number(tail) }
  if (head === "bye") return { _tag: "Notice", notice: head }
  const data = Schema.decodeEither(Schema.parseJson())(tail)
  return Either.isRight(data)
    ? { _tag: "Data", topic: head, data: data.right }
    : { _tag: "Invalid", reason: "it is not JSON", excerpt: "" }
}

const decoder = <const Type extends string>(type: Type) =>
  Decoder.make({
    source: "example",
    type,
    schema: Schema.Struct({ id: Schema.Int }),
    parse,
    symbolOf: () => undefined,
    timeOf: ({ id }) => id
  })

type Of<Type extends string> = MarketEvent.MarketEvent<{ readonly id: number }, Type>

const trade: Venue.Kind<Of<"trade">> = {
  type: "trade",
  decoder: decoder("trade"),
  continuity: {
    _tag: "Sequence",
    idOf: ({ data }) => data.id,
    isReal: ({ data }) => data.id % 10 !== 0,
    fetch: ({ symbol }, fromId) =>
      Effect.succeed([0, 1, 2].map((more) => ({
        source: "example",
        symbol,
        type: "trade",
        data: { id: fromId + more },
        timestamp: fromId,
        via: "rest"
      }))),
    pageSize: 3
  }
}
const change: Venue.Kind<Of<"change">> = {
  type: "change",
  decoder: decoder("change"),
  // Each leads to its id from the id before.
  continuity: { _tag: "Diffs", positionOf: ({ data }) => data.id, previousOf: ({ data }) => data.id - 1 }
}
const news: Venue.Kind<Of<"news">> = { type: "news", decoder: decoder("news"), continuity: Continuity.unknown }

const venue: Venue.Venue = {
  name: "example",
  protocol: {
    subscribe: (topics, id) => `${id} +${topics.join(" +")}`,
    unsubscribe: (topics, id) => `${id} -${topics.join(" -")}`,
    parse: (message) => {
      const parsed = parse(message)
      return parsed._tag === "Data" ? { ...parsed, data: message } : parsed
    },
    maxBatch: 50,
    pace: { limit: 100, window: "1 second" },
    cadence: () => "exempt"
  },
  endpoint: (group) => ({ url: `ws://example.test/${group}`, headers: { "x-group": group } }),
  stream: (name) => {
    const [type = "", symbol = ""] = name.split(":")
    const group = type.toLowerCase()
    return { name: `${group}:${symbol}`, symbol, group, kind: group === "trades" ? trade : group === "changes" ? change : news }
  },
  limits: { topicsPerConnection: 10 }
}

const connection = {
  messageTimeout: Duration.infinity,
  pingInterval: Duration.infinity,
  reconnect: { jitterFactor: 0, initialDelay: "1 second", stableAfter: 0 }
} as const

const acknowledge = answer((message) => [`ok ${String(message).split(" ")[0] ?? ""}`])
const dataOf = (topic: string, id: number) => `${topic} ${JSON.stringify({ id })}`

const dials = Effect.flatMap(TestTransport.TestTransport, ({ dials }) => dials)

const collect = <A extends MarketEvent.MarketEvent>(events: MarketFeed.Events<A>) =>
  Effect.gen(function*() {
    const all: Array<string> = []
    yield* Effect.forkScoped(Stream.runForEach(events, (event) =>
      Effect.sync(() => {
        all.push(MarketEvent.isGap(event) ? `gap in ${event.data.stream}` : `${event.type} ${event.symbol} ${JSON.stringify(event.data)}`)
      })))
    yield* TestClock.adjust("10 seconds")
    return all
  })

const makeFeed = (more: Partial<Venue.Venue> = {}, options: MarketFeed.Options = {}) =>
  MarketFeed.make({ ...venue, ...more }, { connection, ...options })

describe("a feed of any venue", () => {
  it.scoped("reads a stream once, however its name is spelt, and dials each group by itself", () =>
    Effect.gen(function*() {
      const feed = yield* makeFeed()
      const all = yield* collect(feed.stream(["TRADES:A", "trades:A", "news:B"]))
      assert.deepStrictEqual(all.sort(), [`news B {"id":7}`, `trade A {"id":1}`])
      const requests = (yield* dials).map(({ request: { headers, url } }) => [Redacted.value(url), Object.keys(headers)])
      assert.deepStrictEqual(requests.sort(), [["ws://example.test/news", ["x-group"]], ["ws://example.test/trades", ["x-group"]]])
    }).pipe(Effect.provide(TestTransport.layer(function*() {
      for (;;) yield open(acknowledge, send(dataOf("trades:A", 1), dataOf("news:B", 7)))
    }()))))

  it.scoped("resumes a stream, and drops events that are not real", () =>
    Effect.gen(function*() {
      const feed = yield* makeFeed()
      const all = yield* collect(feed.stream({ name: "trades:A", after: 7 }))
      assert.deepStrictEqual(all, [8, 9, 11, 12].map((id) => `trade A {"id":${id}}`))
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, send(dataOf("trades:A", 12)))]))))

  for (const [first, expected] of [[8, []], [7, []], [12, ["gap in changes:A"]]] as const) {
    it.scoped(`resumes diffs ${expected.length > 0 ? "with a gap where some are missing" : "without a gap where none is missing"}: ${first}`, () =>
      Effect.gen(function*() {
        const feed = yield* makeFeed()
        const all = yield* collect(feed.stream({ name: "changes:A", after: 7 }))
        const passed = first === 7 ? [8] : [first, first + 1]
        assert.deepStrictEqual(all, [...expected, ...passed.map((id) => `change A {"id":${id}}`)])
      }).pipe(Effect.provide(TestTransport.layer([
        open(acknowledge, send(dataOf("changes:A", first), dataOf("changes:A", first + 1)))
      ]))))
  }

  it.scoped("reads events of one kind, and leaves out events of other kinds", () =>
    Effect.gen(function*() {
      const feed = yield* makeFeed()
      const [asNews, asTrades] = yield* Effect.all([
        collect(feed.streamOf(news, "trades:A")),
        collect(feed.streamOf(trade, "trades:A"))
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual([asNews, asTrades], [[], [`trade A {"id":1}`]])
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, wait("1 second"), send(dataOf("trades:A", 1)))]))))

  it.scoped("classifies a failure by the venue first and by the user last", () =>
    Effect.gen(function*() {
      const standards: Array<string> = []
      const classify: Connection.Options["classify"] = (_, standard) => {
        standards.push(standard._tag)
        return standards.length < 3 ? standard : FailureClass.Fatal()
      }
      const feed = yield* makeFeed({
        classify: (error, standard) =>
          error._tag === "HandshakeRejected" && error.status === 404 ? FailureClass.RetryAfter({ floor: Duration.seconds(7) }) : standard
      }, { connection: { ...connection, classify } })
      const exit = yield* Effect.fork(Effect.exit(Stream.runDrain(feed.stream("trades:A"))))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(standards, ["RetryAfter", "Passing"])
      assert.deepStrictEqual((yield* dials).map(({ at }) => at), [0, 7_000])
      assert.isTrue(Exit.isFailure(yield* exit))
    }).pipe(Effect.provide(TestTransport.layer([refuse(404), refuse(400), open(acknowledge)]))))

  it.scoped("dials no more often than the venue allows", () =>
    Effect.gen(function*() {
      const feed = yield* makeFeed({ limits: { ...venue.limits, dials: { limit: 2, window: "1 minute" } } })
      yield* Effect.forkScoped(Stream.runDrain(feed.stream("trades:A")))
      yield* TestClock.adjust("2 minutes")
      const [first = 0, second = 0, third = 0] = (yield* dials).map(({ at }) => at)
      assert.isBelow(second - first, 2_000)
      assert.isAtLeast(third - first, 60_000)
    }).pipe(Effect.provide(TestTransport.layer([open(acknowledge, reset), open(acknowledge, reset), open(acknowledge)]))))

  for (const [title, isEnding, count] of [
    ["renews a connection when a notice says that it ends", (notice: unknown) => notice === "bye", 2],
    ["keeps a connection after every notice by default", undefined, 1]
  ] as const) {
    it.scoped(title, () =>
      Effect.gen(function*() {
        const feed = yield* makeFeed(isEnding === undefined ? {} : { isEnding })
        yield* collect(feed.stream("trades:A"))
        assert.strictEqual((yield* dials).length, count)
      }).pipe(Effect.provide(TestTransport.layer([
        open(acknowledge, send(dataOf("trades:A", 1)), wait("1 second"), send("bye")),
        open(acknowledge, send(dataOf("trades:A", 1)))
      ]))))
  }

  it.scoped("dies when an order book is opened on a venue without books", () =>
    Effect.gen(function*() {
      const feed = yield* makeFeed()
      const exit = yield* Effect.exit(feed.orderBook("A"))
      assert.match(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", /example has no order books/)
    }).pipe(Effect.provide(TestTransport.layer([]))))
})

describe("options of a feed", () => {
  // A value that only a program without types can pass.
  const anyTime = (time: unknown): time is "1 second" => typeof time === "string"
  const soon: unknown = "soon"
  assert(anyTime(soon))

  const refused = [
    [{ redundancy: 0 }, `redundancy: Expected a whole number from 1, but received "0"`],
    [{ redundancy: Number.NaN }, `redundancy: Expected a whole number from 1, but received "NaN"`],
    [{ redundancy: 1.5 }, `redundancy: Expected a whole number from 1, but received "1.5"`],
    [{ redundancy: Number.POSITIVE_INFINITY }, `redundancy: Expected a whole number from 1, but received "Infinity"`],
    [{ streamsPerConnection: 0 }, `streamsPerConnection: Expected a whole number from 1, but received "0"`],
    [{ buffer: 0 }, `buffer: Expected a whole number from 1, but received "0"`],
    [{ repairLimit: 0 }, `repairLimit: Expected a whole number from 1, but received "0"`],
    [{ maxAge: 0 }, `maxAge: Expected a duration longer than zero, but received "0"`],
    [{ maxAge: soon }, `maxAge: Expected a duration, such as "20 seconds", but received "soon"`],
    [{ renewalTimeout: "0 seconds" }, `renewalTimeout: Expected a duration longer than zero, but received "0"`],
    [{ grace: Duration.infinity }, `grace: Expected a duration of zero or longer, but received "Infinity"`],
    [{ grace: soon }, `grace: Expected a duration, such as "20 seconds", but received "soon"`],
    [{ grace: -1 }, `grace: Expected a duration, such as "20 seconds", but received "-1"`],
    [{ grace: "-1 seconds" }, `grace: Expected a duration, such as "20 seconds", but received "-1 seconds"`],
    [{ maxAge: Number.NaN }, `maxAge: Expected a duration, such as "20 seconds", but received "NaN"`],
    [{ connection: { pingInterval: 0 } }, `pingInterval: Expected a duration longer than zero, but received "0"`]
  ] satisfies ReadonlyArray<readonly [MarketFeed.Options, string]>
  for (const [options, sentence] of refused) {
    it.scoped(`are refused: ${sentence}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(makeFeed({}, options))
        assert.strictEqual(error._op === "InvalidData" ? `${error.path.join(".")}: ${error.message}` : error._op, sentence)
      }).pipe(Effect.provide(TestTransport.layer([]))))
  }

  const allowed: ReadonlyArray<MarketFeed.Options> = [
    { redundancy: 2, streamsPerConnection: 1, buffer: 1, repairLimit: 1, grace: 0 },
    { maxAge: Duration.infinity, renewalTimeout: Duration.infinity },
    { buffer: Number.MAX_SAFE_INTEGER, repairLimit: Number.MAX_SAFE_INTEGER }
  ]
  for (const options of allowed) {
    it.scoped(`are allowed: ${Object.entries(options).map(([name, value]) => `${name} ${String(value)}`).join(", ")}`, () =>
      Effect.gen(function*() {
        const feed = yield* makeFeed({}, options)
        const all = yield* collect(feed.stream(["trades:A", "trades:B"]))
        assert.deepStrictEqual(all.sort(), [`trade A {"id":1}`, `trade B {"id":1}`])
      }).pipe(Effect.provide(TestTransport.layer(function*() {
        for (;;) yield open(acknowledge, send(dataOf("trades:A", 1), dataOf("trades:B", 1)))
      }()))))
  }
})
