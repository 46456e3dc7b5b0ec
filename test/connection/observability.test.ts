import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { Connection, ConnectionEvent, ConnectionState } from "holdfast"
import { TestTransport } from "holdfast/testing"
import type { Overrides } from "./scripted.ts"
import { collect, forever, scripted } from "./scripted.ts"

const { close, fail, open, refuse, reset, send, wait } = TestTransport

// A tracer, and the spans that it has made.
const recordedSpans = Effect.map(Effect.tracer, (native) => {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    ...native,
    span: (...args) => {
      const span = native.span(...args)
      spans.push(span)
      return span
    }
  })
  return { spans, tracer }
})

describe("events, logs, metrics and spans", () => {
  it.effect("every decision has its cause, class, time and remaining retries", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 minute")
      const facts = (yield* events.seen).map((event) => {
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
      assert.deepStrictEqual(facts, [
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

  it.effect("a reader of events that falls behind gets the number of missed events and the time of the last", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const all: Array<ConnectionEvent.ConnectionEvent> = []
      yield* Effect.fork(connection.events.listen((events) => {
        for (const event of events) all.push(event)
      }))
      const seen: Array<ConnectionEvent.ConnectionEvent> = []
      yield* Effect.fork(connection.events.forEach((event) => {
        seen.push(event)
        return seen.length === 1 ? Effect.sleep("15 minutes") : Effect.void
      }))
      yield* TestClock.adjust("16 minutes")
      const happened = all.slice(all.findIndex((event) => event === seen[0]))
      const i = seen.findIndex(ConnectionEvent.$is("EventsDropped"))
      const marker = seen[i]
      assert(marker?._tag === "EventsDropped")
      assert.isAbove(marker.count, 100)
      const missed = happened.slice(i, i + marker.count)
      const facts = ({ _tag, at }: ConnectionEvent.ConnectionEvent) => [_tag, at]
      assert.deepStrictEqual([...seen.slice(0, i), ...missed, ...seen.slice(i + 1)].map(facts), happened.map(facts))
      assert.strictEqual(marker.at, missed.at(-1)?.at)
    }).pipe(
      Effect.provide(scripted(forever(fail()), {
        reconnect: { maxRetries: "unlimited", initialDelay: "2 seconds", maxDelay: "2 seconds" }
      }))
    ))

  it.effect("changes begins with the current state and follows the table", () =>
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

  it.effect.each(["dropping", "sliding"] as const)("the log has each decision, and one warning when %s drops messages", (overflow) =>
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
        "WARN The readers are slower than the peer, so messages are dropped. The gaps count them.",
        "INFO Lost the connection. The connection closed with code 1006, ECONNRESET, after 0ms.",
        "WARN Retry 2 of 5 in 2s. The connection closed with code 1006, ECONNRESET, after 0ms.",
        "INFO Connected, healed after 2s",
        "INFO Disconnected on request"
      ])
    }))

  it.effect("no log, span or metric names a server before one is known", () =>
    Effect.gen(function*() {
      const attempts = Effect.sync(() =>
        Metric.unsafeSnapshot().flatMap(({ metricKey: { name, tags } }) =>
          name === "websocket.client.connection.attempts" ? [[...tags].map(({ key, value }) => `${key}=${value}`)] : []
        )
      )
      const servers: Array<unknown> = []
      const logger = Logger.make(({ annotations }) => {
        servers.push(Option.getOrUndefined(HashMap.get(annotations, "server")))
      })
      const { spans, tracer } = yield* recordedSpans
      const urls = ["not a URL", "ws://named.test"]
      yield* TestClock.adjust("1 minute").pipe(
        Effect.provide(scripted([fail(), open()], {
          url: Effect.suspend(() => {
            const url = urls.shift()
            return url === undefined ? Effect.fail("no URL") : Effect.succeed(url)
          })
        })),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All),
        Effect.withTracer(tracer)
      )
      assert.deepStrictEqual([...new Set(servers)], [undefined, "named.test:80"])
      const dials = spans.filter(({ name }) => name === "websocket.connect")
      assert.deepStrictEqual(dials.map(({ attributes }) => attributes.has("server.address")), [false, true])
      const tags = yield* attempts
      assert.isFalse(tags.some((labels) => labels.includes("server.address=") || labels.includes("server.port=0")))
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

  it.effect("every dial is a span with the server, but not the path", () =>
    Effect.gen(function*() {
      const { spans, tracer } = yield* recordedSpans
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

  it.effect("an option out of range is refused with its name, its value and the allowed values", () =>
    Effect.gen(function*() {
      // Values that only a program without types can pass.
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
          (error) => error._op === "InvalidData" ? `${error.path.join(".")}: ${error.message}` : ""
        ))
      assert.deepStrictEqual(refusals, [
        `openTimeout: Expected a duration longer than zero, but received "0"`,
        `messageTimeout: Expected a duration longer than zero, but received "0"`,
        `pingInterval: Expected a duration, such as "20 seconds", but received "-5"`,
        `pongTimeout: Expected a duration longer than zero, but received "0"`,
        `closeTimeout: Expected a duration longer than zero, but received "0"`,
        `inbox.capacity: Expected a whole number from 2, but received "1"`,
        `inbox.overflow: Expected one of suspend, sliding, dropping, fail, but received "drop"`,
        `maxMessageBytes: Expected a whole number from 1, but received "0.5"`,
        `messageTimeout: Expected a duration, such as "20 seconds", but received "20 secs"`,
        `maxDelay: Expected a duration, such as "20 seconds", but received "20 secs"`
      ])
    }))
})
