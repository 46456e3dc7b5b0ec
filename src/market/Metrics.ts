/**
 * The metrics of order books. Every metric has the labels `market.source`, the name of the venue, and `market.symbol`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricLabel from "effect/MetricLabel"

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

/**
 * Comparisons of books with new snapshots, by `outcome` (`equal` or `different`).
 *
 * @since 0.1.0
 * @category metrics
 */
export const bookComparisons: Metric.Metric.Counter<number> = counter("market.book.comparisons", "Books compared with new snapshots, by outcome")

/**
 * Levels of books that differed from new snapshots.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bookDifferences: Metric.Metric.Counter<number> = counter("market.book.differences", "Levels of books that differed from new snapshots")

/**
 * Levels and updates that books dropped because of their bounds, by `what` (`levels` or `updates`).
 *
 * @since 0.1.0
 * @category metrics
 */
export const bookDropped: Metric.Metric.Counter<number> = counter("market.book.dropped", "Levels and updates that books dropped because of their bounds")

const labelsOf = (source: string, symbol: string) => [MetricLabel.make("market.source", source), MetricLabel.make("market.symbol", symbol)]

/**
 * Counts levels or updates that a book dropped.
 *
 * @since 0.1.0
 * @category updates
 */
export const dropped = (source: string, symbol: string, what: "levels" | "updates", count: number): void => {
  bookDropped.unsafeUpdate(count, [...labelsOf(source, symbol), MetricLabel.make("what", what)])
}

/**
 * Counts a comparison of a book with a new snapshot.
 *
 * @since 0.1.0
 * @category updates
 */
export const compared = (source: string, symbol: string, differences: number): Effect.Effect<void> => {
  const labels = labelsOf(source, symbol)
  const outcome = MetricLabel.make("outcome", differences === 0 ? "equal" : "different")
  return Effect.zipRight(
    Metric.increment(Metric.taggedWithLabels(bookComparisons, [...labels, outcome])),
    Metric.incrementBy(Metric.taggedWithLabels(bookDifferences, labels), differences)
  )
}
