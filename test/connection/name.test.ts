import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/TestClock"
import * as Tracer from "effect/Tracer"
import { Connection } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { collect, scripted } from "./scripted.ts"

const { close, fail, open, send } = TestTransport

describe("the name of a connection", () => {
  it.effect("stands in its events", () =>
    Effect.gen(function*() {
      const connection = yield* Connection.Connection
      const events = yield* collect(connection.events)
      yield* TestClock.adjust("1 minute")
      yield* connection.disconnect
      const seen = yield* events.seen
      assert.deepStrictEqual([...new Set(seen.map(({ _tag }) => _tag))], [
        "Dialling",
        "AttemptFailed",
        "Waiting",
        "Opened",
        "Lost",
        "Disconnected"
      ])
      for (const event of seen) assert.strictEqual(event._tag === "EventsDropped" ? "" : event.connection, "prices")
    }).pipe(Effect.provide(scripted([fail(), open(send("data"), close()), open()], { name: "prices" }))))

  it.effect("annotates every log line, those of onOpen too", () => {
    const lines: Array<readonly [unknown, unknown]> = []
    const logger = Logger.make(({ annotations, message }) => {
      lines.push([message, HashMap.unsafeGet(annotations, "connection")])
    })
    return Effect.gen(function*() {
      const connection = yield* Connection.Connection
      yield* TestClock.adjust("1 minute")
      yield* connection.disconnect
      assert.isAbove(lines.length, 5)
      assert.isTrue(lines.some(([message]) => String(message) === "logging in"))
      assert.isTrue(lines.some(([message]) => String(message) === "Disconnected on request"))
      assert.deepStrictEqual([...new Set(lines.map(([, name]) => name))], ["prices"])
    }).pipe(
      Effect.provide(scripted([fail(), open(send("data"), close()), open()], {
        name: "prices",
        onOpen: () => Effect.log("logging in")
      })),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Logger.withMinimumLogLevel(LogLevel.All)
    )
  })

  it.effect("is an attribute of its spans and its metrics", () => {
    const spans: Array<Tracer.Span> = []
    const tracer = Effect.map(Effect.tracer, (native) =>
      Tracer.make({
        ...native,
        span: (...args) => {
          const span = native.span(...args)
          spans.push(span)
          return span
        }
      }))
    return Effect.gen(function*() {
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(spans.map(({ attributes }) => attributes.get("websocket.connection.name")), ["metered"])
      const labelled = (yield* Metric.snapshot).flatMap(({ metricKey }) =>
        metricKey.tags.some(({ key, value }) => key === "websocket.connection.name" && value === "metered") ? [metricKey.name] : [])
      for (const name of ["websocket.client.connection.attempts", "websocket.client.connections"]) assert.include(labelled, name)
    }).pipe(
      Effect.provide(scripted([open()], { name: "metered" })),
      Effect.provide(Layer.unwrapEffect(Effect.map(tracer, Layer.setTracer)))
    )
  })

  it.effect("an empty name is refused", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Connection.make({ url: "ws://peer.test", name: "" }))
      assert.include(JSON.stringify(error), "a text that is not empty")
    }).pipe(Effect.scoped, Effect.provide(TestTransport.layer([]))))
})
