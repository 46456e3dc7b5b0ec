// Sets gauges that are sampled. A label that no longer occurs goes to 0.
import type * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"

type Labels = Readonly<Record<string, string>>

export class Gauges {
  // The labels of each gauge, by their text.
  readonly #known = new Map<Metric.Metric.Gauge<number>, Map<string, ReadonlyArray<MetricLabel.MetricLabel>>>()

  /** Sets a gauge for all labels that occur now. */
  set(gauge: Metric.Metric.Gauge<number>, values: Iterable<readonly [labels: Labels, value: number]>): void {
    const known = this.#known.get(gauge) ?? new Map<string, ReadonlyArray<MetricLabel.MetricLabel>>()
    this.#known.set(gauge, known)
    const now = new Set<string>()
    for (const [labels, value] of values) {
      const text = JSON.stringify(labels)
      now.add(text)
      const tags = known.get(text) ?? Object.entries(labels).map(([key, label]) => MetricLabel.make(key, label))
      known.set(text, tags)
      gauge.unsafeUpdate(value, tags)
    }
    for (const [text, tags] of known) if (!now.has(text)) gauge.unsafeUpdate(0, tags)
  }
}

/** Adds up values under the same labels. */
export const sums = (values: Iterable<readonly [labels: Labels, value: number]>, add = (a: number, b: number) => a + b) => {
  const all = new Map<string, readonly [Labels, number]>()
  for (const [labels, value] of values) {
    const text = JSON.stringify(labels)
    const known = all.get(text)
    all.set(text, [labels, known === undefined ? value : add(known[1], value)])
  }
  return all.values()
}
