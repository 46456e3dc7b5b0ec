// The page of the metrics against the metrics themselves.
import { assert, describe, it } from "@effect/vitest"
import * as Metric from "effect/Metric"
import * as MetricKeyType from "effect/MetricKeyType"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { readFileSync } from "node:fs"
import { Metrics } from "holdfast"
import { Metrics as MarketMetrics } from "holdfast/market"
import { Metrics as ObserveMetrics, Prometheus } from "holdfast/observe"
import { serve, until } from "./served.ts"

const page = readFileSync(new URL("../../docs/operations/metrics.md", import.meta.url), "utf8")

// The rows of its tables: name, type, unit and labels.
const listed = [...page.matchAll(/^\| `([\w.]+)` \| (\w+) \| (\w*) ?\| (.*?) ?\| (.+) \|$/gm)].map(([, name = "", type = "", unit = "", labels = "", meaning = ""]) => ({
  name,
  type,
  unit,
  labels: [...labels.matchAll(/`([\w.]+)`/g)].map(([, label = ""]) => label),
  meaning
}))

const typeOf = (keyType: MetricKeyType.MetricKeyType.Untyped) =>
  MetricKeyType.isCounterKey(keyType) ? "counter" : MetricKeyType.isGaugeKey(keyType) ? "gauge" : MetricKeyType.isHistogramKey(keyType) ? "histogram" : "other"

const isMetric = (value: unknown): value is Metric.Metric<unknown, unknown, unknown> => Predicate.hasProperty(value, Metric.MetricTypeId)

const isOurs = (name: string) => /^(websocket|market|recording|observe)\./.test(name)

const registered = () =>
  Metric.unsafeSnapshot().flatMap((pair) => {
    const { keyType, name, tags } = pair.metricKey
    return isOurs(name)
      ? [{
        name,
        type: typeOf(keyType),
        unit: tags.find(({ key }) => key === "unit")?.value ?? "",
        labels: tags.map(({ key }) => key).filter((key) => key !== "unit"),
        family: Prometheus.familyOf(pair)
      }]
      : []
  })

describe("the page of the metrics", () => {
  it("lists every metric that there is, with its type and unit, and no other", () => {
    for (const module of [Metrics, MarketMetrics, ObserveMetrics]) {
      const values: ReadonlyArray<unknown> = Object.values(module)
      // The registry has a metric when its value has been asked for.
      for (const metric of values.filter(isMetric)) metric.unsafeValue([])
    }
    const names = new Map(registered().map(({ name, type, unit }) => [name, { type, unit }]))
    assert.deepStrictEqual(
      listed.map(({ name, type, unit }) => ({ name, type, unit })).sort((a, b) => a.name < b.name ? -1 : 1),
      [...names].map(([name, facts]) => ({ name, ...facts })).sort((a, b) => a.name < b.name ? -1 : 1)
    )
    assert.isAbove(listed.length, 30)
  })

  it.scopedLive("lists the labels that metrics have while a feed runs", () =>
    Effect.gen(function*() {
      const { awaitReady, get } = yield* serve({ streams: ["btcusdt@trade"], books: ["BTCUSDT"] })
      yield* awaitReady
      yield* until(get("/metrics"), ({ body }) => body.includes("market_event_lag_seconds_count"))
      const common = ["server.address", "server.port", "market.source", "market.kind"]
      for (const { labels, name } of registered()) {
        const row = listed.find((each) => each.name === name)
        assert.isDefined(row, name)
        assert.deepStrictEqual(labels.filter((label) => !common.includes(label) && !row.labels.includes(label)), [], name)
      }
    }))

  it("says how the names are written for Prometheus", () => {
    const families = new Map(registered().map(({ family, name }) => [name, family]))
    assert.strictEqual(families.get("market.repair.duration"), "market_repair_duration_seconds")
    assert.strictEqual(families.get("market.gaps"), "market_gaps_total")
    assert.strictEqual(families.get("recording.bytes"), "recording_bytes_total")
    assert.include(page, "`market_repair_duration_seconds`")
    assert.include(page, "`market_gaps_total`")
  })
})
