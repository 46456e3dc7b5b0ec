import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import * as TestClock from "effect/TestClock"
import { Connection, Metrics } from "holdfast"
import { TestTransport } from "holdfast/testing"
import { heapUsed } from "./connection/scripted.ts"

const { fail, open, reset, send, wait } = TestTransport

const quiet = { messageTimeout: Duration.infinity, pingInterval: Duration.infinity }

// The counters and gauges of a server, by their names and labels.
const valuesOf = (server: string) =>
  new Map(Metric.unsafeSnapshot().flatMap(({ metricKey, metricState }) => {
    const tags = [...metricKey.tags].map(({ key, value }) => `${key}=${value}`)
    if (!tags.includes(`server.address=${server}`)) return []
    const name = [metricKey.name, ...tags.filter((tag) => !tag.startsWith("server.")).sort()].join(" ")
    if (MetricState.isCounterState(metricState)) return [[name, metricState.count]]
    return MetricState.isGaugeState(metricState) ? [[name, metricState.value]] : []
  }))

describe("the metrics", () => {
  it.effect("have the server of each dial as their label", () =>
    Effect.gen(function*() {
      let dials = 0
      yield* Connection.make({
        ...quiet,
        url: Effect.sync(() => `ws://${["first", "first", "second"][dials++] ?? "third"}.test`),
        reconnect: { jitterFactor: 0 }
      })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(Object.fromEntries(valuesOf("first.test")), {
        "websocket.client.connection.attempts error.type=DialFailed outcome=failed": 1,
        "websocket.client.connection.attempts outcome=opened": 1,
        "websocket.client.closes error.type=ConnectionClosed websocket.close.code=1006": 1,
        "websocket.client.connections state=open": 0,
        "websocket.client.messages direction=received": 2
      })
      assert.deepStrictEqual(Object.fromEntries(valuesOf("second.test")), {
        "websocket.client.connection.attempts outcome=opened": 1,
        "websocket.client.connections state=open": 1,
        "websocket.client.messages direction=received": 1
      })
    }).pipe(
      Effect.scoped,
      Effect.provide(TestTransport.layer([fail(), open(send("a", "b"), wait("5 seconds"), reset), open(send("c"))]))
    ))

  it.effect("add up over all connections to one server", () =>
    Effect.gen(function*() {
      const connections = Effect.replicateEffect(Connection.make({ ...quiet, url: "ws://shared.test" }), 3)
      yield* Effect.scoped(Effect.zipRight(connections, TestClock.adjust("1 second")))
      yield* Effect.scoped(Effect.zipRight(connections, TestClock.adjust("1 second")))
      yield* connections
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(Object.fromEntries(valuesOf("shared.test")), {
        "websocket.client.connection.attempts outcome=opened": 9,
        "websocket.client.connections state=open": 3
      })
    }).pipe(Effect.scoped, Effect.provide(TestTransport.layer(Array.from({ length: 9 }, () => open())))))

  // Effect's registry keeps the values of each server until the process ends.
  it.live("keep only their values after the connection is gone", () =>
    Effect.gen(function*() {
      const made = Array.from({ length: 1_000 }, (_, i) => {
        const counters = Metrics.make({ address: `${i}.forgotten.test`, port: 443 })
        counters.opened(Duration.millis(1), Option.none())
        counters.received(1)
        counters.lost(Duration.millis(1), "ConnectionClosed", 1006)
        counters.gone()
        return new WeakRef(counters)
      })
      // The target of a new WeakRef stays in memory until the current turn of the event loop is over.
      yield* Effect.promise(() => setImmediate())
      yield* heapUsed
      assert.strictEqual(made.filter((counters) => counters.deref() !== undefined).length, 0)
      assert.strictEqual(valuesOf("999.forgotten.test").get("websocket.client.messages direction=received"), 1)
    }))
})
