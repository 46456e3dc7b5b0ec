/**
 * Writes metrics in the text format that Prometheus scrapes: version 0.0.4 of its exposition format.
 *
 * @since 0.1.0
 */
import * as MetricKeyType from "effect/MetricKeyType"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"

/**
 * The media type of the format.
 *
 * @since 0.1.0
 * @category constants
 */
export const contentType = "text/plain; version=0.0.4; charset=utf-8"

type Pair = MetricPair.MetricPair.Untyped

// The units of the label `unit`, as Prometheus names them (Prometheus docs, "Metric and label naming").
const units: Readonly<Record<string, string>> = { s: "seconds", By: "bytes" }

const nameOf = (text: string): string => text.replace(/[^a-zA-Z0-9_]/g, "_").replace(/^(?=\d)/, "_")

const unitOf = ({ metricKey: { tags } }: Pair): string | undefined => {
  const unit = tags.find(({ key }) => key === "unit")?.value
  return unit === undefined ? undefined : units[unit] ?? nameOf(unit)
}

const isIncremental = ({ metricKey: { keyType } }: Pair) => MetricKeyType.isCounterKey(keyType) && keyType.incremental

type Kind = "counter" | "gauge" | "histogram" | "summary"

const kindOf = (pair: Pair): Kind => {
  const { metricState } = pair
  if (MetricState.isHistogramState(metricState)) return "histogram"
  if (MetricState.isSummaryState(metricState)) return "summary"
  return MetricState.isFrequencyState(metricState) || isIncremental(pair) ? "counter" : "gauge"
}

/**
 * The name that a metric has at Prometheus: with its unit, and `_total` if it only grows.
 *
 * @since 0.1.0
 * @category names
 */
export const familyOf = (pair: MetricPair.MetricPair.Untyped): string => {
  const unit = unitOf(pair)
  const name = nameOf(pair.metricKey.name)
  const withUnit = unit === undefined || name.endsWith(`_${unit}`) ? name : `${name}_${unit}`
  return kindOf(pair) === "counter" ? `${withUnit.replace(/_total$/, "")}_total` : withUnit
}

const escaped = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")

type Label = readonly [name: string, value: string]

const labelsOf = ({ metricKey: { tags } }: Pair): ReadonlyArray<Label> =>
  tags.filter(({ key }) => key !== "unit").map(({ key, value }) => [nameOf(key), value])

const labelText = (labels: ReadonlyArray<Label>): string =>
  labels.length === 0
    ? ""
    : `{${[...labels].sort(([a], [b]) => a < b ? -1 : 1).map(([name, value]) => `${name}="${escaped(value).replaceAll("\"", "\\\"")}"`).join(",")}}`

const numberText = (value: number | bigint): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

const line = (name: string, labels: ReadonlyArray<Label>, value: number | bigint) => `${name}${labelText(labels)} ${numberText(value)}\n`

const samples = (family: string, pair: Pair): string => {
  const { metricState: state } = pair
  const labels = labelsOf(pair)
  const sums = (of: { readonly sum: number; readonly count: number }) =>
    line(`${family}_sum`, labels, of.sum) + line(`${family}_count`, labels, of.count)
  if (MetricState.isCounterState(state)) return line(family, labels, state.count)
  if (MetricState.isGaugeState(state)) return line(family, labels, state.value)
  if (MetricState.isHistogramState(state)) {
    const buckets = [...state.buckets].filter(([boundary]) => Number.isFinite(boundary))
    return [...buckets, [Number.POSITIVE_INFINITY, state.count] as const]
      .map(([boundary, count]) => line(`${family}_bucket`, [...labels, ["le", numberText(boundary)]], count))
      .join("") + sums(state)
  }
  if (MetricState.isSummaryState(state)) {
    return state.quantiles.map(([quantile, value]) =>
      line(family, [...labels, ["quantile", String(quantile)]], Option.getOrElse(value, () => Number.NaN))
    ).join("") + sums(state)
  }
  if (MetricState.isFrequencyState(state)) {
    return [...state.occurrences].map(([word, count]) => line(family, [...labels, ["key", word]], count)).join("")
  }
  return ""
}

/**
 * Writes metrics, such as those of `Metric.unsafeSnapshot()`. Metrics of one name stand together, as the format demands; of two
 * different types under one name, the first is written.
 *
 * @since 0.1.0
 * @category formatting
 * @example
 * ```ts
 * import * as Metric from "effect/Metric"
 * import { Prometheus } from "holdfast/observe"
 *
 * console.log(Prometheus.format(Metric.unsafeSnapshot()))
 * ```
 */
export const format = (pairs: Iterable<MetricPair.MetricPair.Untyped>): string => {
  const families = new Map<string, { readonly kind: Kind; readonly help: string; readonly text: Map<string, string> }>()
  for (const pair of pairs) {
    const name = familyOf(pair)
    const kind = kindOf(pair)
    const family = families.get(name) ?? {
      kind,
      help: Option.getOrElse(pair.metricKey.description, () => ""),
      text: new Map<string, string>()
    }
    families.set(name, family)
    // Two metrics with the same labels, such as of two units, would be one series twice.
    const series = labelText(labelsOf(pair))
    if (family.kind === kind && !family.text.has(series)) family.text.set(series, samples(name, pair))
  }
  return [...families].sort(([a], [b]) => a < b ? -1 : 1).map(([name, { help, kind, text }]) =>
    `${help === "" ? "" : `# HELP ${name} ${escaped(help)}\n`}# TYPE ${name} ${kind}\n${[...text.values()].join("")}`
  ).join("")
}
