import { assert, describe, it } from "@effect/vitest"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"
import * as fc from "fast-check"
import { spawnSync } from "node:child_process"
import { Prometheus } from "holdfast/observe"

const label = MetricLabel.make

// What is written of the metrics whose names begin so.
const written = (prefix: string) => Prometheus.format(Metric.unsafeSnapshot().filter(({ metricKey: { name } }) => name.startsWith(prefix)))

describe("the text format of Prometheus", () => {
  it("has counters, gauges, frequencies, histograms and summaries", () => {
    Metric.counter("a.requests", { description: "Requests", incremental: true }).unsafeUpdate(2, [label("path", "/x")])
    Metric.counter("a.balance").unsafeUpdate(-1, [])
    Metric.gauge("a.size").unsafeUpdate(1.5, [label("unit", "By")])
    Metric.frequency("a.words").unsafeUpdate("hello", [])
    const histogram = Metric.histogram("a.wait", MetricBoundaries.fromIterable([0.1, 1]))
    for (const value of [0.05, 0.5, 0.5, 9]) histogram.unsafeUpdate(value, [label("unit", "s")])
    assert.strictEqual(
      written("a."),
      `# TYPE a_balance gauge
a_balance -1
# HELP a_requests_total Requests
# TYPE a_requests_total counter
a_requests_total{path="/x"} 2
# TYPE a_size_bytes gauge
a_size_bytes 1.5
# TYPE a_wait_seconds histogram
a_wait_seconds_bucket{le="0.1"} 1
a_wait_seconds_bucket{le="1"} 3
a_wait_seconds_bucket{le="+Inf"} 4
a_wait_seconds_sum 10.05
a_wait_seconds_count 4
# TYPE a_words_total counter
a_words_total{key="hello"} 1
`
    )
  })

  it("writes one series once, and the metrics of one name together", () => {
    const counter = Metric.counter("b.total", { incremental: true })
    counter.unsafeUpdate(1, [label("z", "1")])
    Metric.counter("b.other", { incremental: true }).unsafeUpdate(1, [])
    counter.unsafeUpdate(1, [label("z", "2")])
    Metric.gauge("b_total").unsafeUpdate(7, [])
    const text = written("b")
    assert.strictEqual(text.match(/# TYPE b_total /g)?.length, 2 - 1)
    assert.match(text, /b_total\{z="1"\} 1\nb_total\{z="2"\} 1\n/)
  })

  it("lets no value of a label break out of its line", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (value) => {
      Metric.gauge("c.value").unsafeUpdate(1, [label("text", value)])
      const lines = written("c.").split("\n").filter((line) => line.startsWith("c_value"))
      return lines.every((line) => /^c_value\{text="(?:[^"\\]|\\["\\n])*"\} 1$/s.test(line))
    }))
  })

  it("passes promtool's lint, where that is installed", ({ skip }) => {
    Metric.counter("d.requests", { description: "Requests", incremental: true }).unsafeUpdate(2, [label("path", "a \"quoted\" \\ path\nof two lines")])
    const { error, stderr, stdout } = spawnSync("promtool", ["check", "metrics"], { input: written("d."), encoding: "utf8" })
    if (error !== undefined) {
      assert.isUndefined(process.env["CI"], "promtool is not installed")
      skip("promtool is not installed: apt-get install prometheus")
    }
    assert.strictEqual(stdout + stderr, "")
  })
})
