/**
 * The metrics of feeds, order books, REST clients and recordings, named by OpenTelemetry's conventions. Durations are in seconds.
 *
 * Those of feeds, books and REST clients have the label `market.source`, the name of the venue; those of streams also
 * `market.kind`, the type of their events. The label `market.symbol` is there only if a feed has the option `symbolLabels`: a
 * metric is kept until the process ends for every label that it ever had.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"

const counterKey = (name: string, description: string) => MetricKey.counter(name, { description, incremental: true })
const bytesKey = (name: string, description: string) => MetricKey.tagged(counterKey(name, description), "unit", "By")
const secondsKey = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
  MetricKey.tagged(MetricKey.histogram(name, MetricBoundaries.fromIterable(boundaries), description), "unit", "s")

const quick = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const slow = [0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]

const eventsKey = counterKey("market.events", "Events that were passed to readers")
const eventLagKey = secondsKey("market.event.lag", "Time from an event to its reader", quick)
const gapsKey = counterKey("market.gaps", "Places where events are missing and could not be fetched, by cause")
const repairedKey = counterKey("market.repair.events", "Events that the sockets missed and the feed fetched")
const repairDurationKey = secondsKey("market.repair.duration", "Time from noticing missing events to having passed on all that can be had", slow)
const bookResyncsKey = counterKey("market.book.resyncs", "Books that needed a new snapshot, since an update was missing or they were wrong")
const comparisonsKey = counterKey("market.book.comparisons", "Books compared with new snapshots, by outcome")
const differencesKey = counterKey("market.book.differences", "Levels of books that differed from new snapshots")
const droppedKey = counterKey("market.book.dropped", "Levels and updates that books dropped because of their bounds")
const restRequestsKey = counterKey("market.rest.requests", "Requests to the REST interface, by outcome")
const restWeightKey = counterKey("market.rest.weight", "Weight of the requests to the REST interface")
const restWaitKey = secondsKey("market.rest.wait", "Time that a request waited for the budget, or for Retry-After", slow)

/**
 * Events that were passed to readers: those that came over sockets, those that were fetched, and those that the feed made.
 *
 * @since 0.1.0
 * @category metrics
 */
export const events: Metric.Metric.Counter<number> = Metric.fromMetricKey(eventsKey)

/**
 * The time from an event, by the venue's clock, to its reader, in seconds. Events that the venue gives no time have none. It is
 * measured with the newest event of a batch, at most once a millisecond.
 *
 * @since 0.1.0
 * @category metrics
 */
export const eventLag: Metric.Metric.Histogram<number> = Metric.fromMetricKey(eventLagKey)

/**
 * Gaps in streams: events are missing there, and could not be fetched. `cause` is the tag of the cause.
 *
 * @since 0.1.0
 * @category metrics
 */
export const gaps: Metric.Metric.Counter<number> = Metric.fromMetricKey(gapsKey)

/**
 * Events that the sockets had missed and the feed fetched.
 *
 * @since 0.1.0
 * @category metrics
 */
export const repairedEvents: Metric.Metric.Counter<number> = Metric.fromMetricKey(repairedKey)

/**
 * The time from noticing that events are missing until the stream is whole again, or has a gap for what cannot be had, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const repairDuration: Metric.Metric.Histogram<number> = Metric.fromMetricKey(repairDurationKey)

/**
 * The times that books needed a new snapshot: an update was missing, the connection was lost, or the book was wrong.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bookResyncs: Metric.Metric.Counter<number> = Metric.fromMetricKey(bookResyncsKey)

/**
 * Comparisons of books with new snapshots, by `outcome` (`equal` or `different`). Audits are comparisons.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bookComparisons: Metric.Metric.Counter<number> = Metric.fromMetricKey(comparisonsKey)

/**
 * Levels of books that differed from new snapshots.
 *
 * @since 0.1.0
 * @category metrics
 */
export const bookDifferences: Metric.Metric.Counter<number> = Metric.fromMetricKey(differencesKey)

/**
 * Levels and updates that books dropped because of their bounds, by `what` (`levels` or `updates`).
 *
 * @since 0.1.0
 * @category metrics
 */
export const bookDropped: Metric.Metric.Counter<number> = Metric.fromMetricKey(droppedKey)

/**
 * Requests to REST interfaces, by `outcome`: `answered`, or the tag of the error.
 *
 * @since 0.1.0
 * @category metrics
 */
export const restRequests: Metric.Metric.Counter<number> = Metric.fromMetricKey(restRequestsKey)

/**
 * The weight of requests to REST interfaces, in the venue's unit.
 *
 * @since 0.1.0
 * @category metrics
 */
export const restWeight: Metric.Metric.Counter<number> = Metric.fromMetricKey(restWeightKey)

/**
 * The time that each request waited for the budget, or for `Retry-After`, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const restWait: Metric.Metric.Histogram<number> = Metric.fromMetricKey(restWaitKey)

/**
 * Bytes that recorders wrote to their files.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordedBytes: Metric.Metric.Counter<number> = Metric.fromMetricKey(
  bytesKey("recording.bytes", "Bytes written to recordings")
)

/**
 * The time of each fsync of a recording, in seconds. Its count is the number of fsyncs.
 *
 * @since 0.1.0
 * @category metrics
 */
export const recordingSync: Metric.Metric.Histogram<number> = Metric.fromMetricKey(
  secondsKey("recording.fsync.duration", "Time that writing a recording to the disk took", quick)
)

// ---------------------------------------------------------------------------------------------------------------------
// Updates

type Labels = ReadonlyArray<MetricLabel.MetricLabel>
type Update = (value: number) => void

const none: Labels = []

// A metric that has all of its labels finds its state without a search.
const counting = (key: MetricKey.MetricKey.Counter<number>, labels: Labels): Update => {
  const metric = Metric.fromMetricKey(MetricKey.taggedWithLabels(key, labels))
  return (value) => {
    metric.unsafeUpdate(value, none)
  }
}

const observing = (key: MetricKey.MetricKey.Histogram, labels: Labels): Update => {
  const metric = Metric.fromMetricKey(MetricKey.taggedWithLabels(key, labels))
  return (value) => {
    metric.unsafeUpdate(value, none)
  }
}

const lazily = (make: () => Update): Update => {
  let update: Update | undefined
  return (value) => {
    update ??= make()
    update(value)
  }
}

const sourceLabel = (source: string) => MetricLabel.make("market.source", source)

/**
 * Updates the metrics of streams of one kind.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamCounters {
  /** So many events were passed on. */
  readonly events: Update
  /** An event took so many seconds to its reader. */
  readonly lag: Update
  /** A gap was passed on; `cause` is the tag of its cause. */
  readonly gap: (cause: string) => void
  /** So many missed events were fetched. */
  readonly repaired: Update
  /** A repair took so many seconds. */
  readonly whole: Update
}

/**
 * Updates the metrics of the books of a feed.
 *
 * @since 0.1.0
 * @category models
 */
export interface BookCounters {
  /** The book needs a new snapshot. */
  readonly resync: () => void
  /** The book was compared with a new snapshot; so many levels differ. */
  readonly compared: (differences: number) => void
  /** The book dropped so many levels or updates because of its bounds. */
  readonly dropped: (what: "levels" | "updates", count: number) => void
}

/**
 * Updates the metrics of a feed.
 *
 * @since 0.1.0
 * @category models
 */
export interface FeedCounters {
  readonly ofStream: (kind: string, symbol: string) => StreamCounters
  readonly ofBook: (symbol: string) => BookCounters
}

/**
 * Makes the counters of a feed. All feeds of one venue add to the same metrics.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ source, symbolLabels = false }: {
  readonly source: string
  /** Whether metrics have the label `market.symbol`. Default: false. */
  readonly symbolLabels?: boolean | undefined
}): FeedCounters => {
  const ofSymbol = (symbol: string): Labels =>
    [sourceLabel(source), ...(symbolLabels && symbol !== "" ? [MetricLabel.make("market.symbol", symbol)] : [])]
  // Streams without a label of their own share one object.
  const streams = new Map<string, StreamCounters>()
  return {
    ofStream: (kind, symbol) => {
      const name = symbolLabels ? `${kind} ${symbol}` : kind
      const known = streams.get(name)
      if (known !== undefined) return known
      const labels = [...ofSymbol(symbol), MetricLabel.make("market.kind", kind)]
      const made: StreamCounters = {
        events: counting(eventsKey, labels),
        lag: lazily(() => observing(eventLagKey, labels)),
        gap: (cause) => {
          gaps.unsafeUpdate(1, [...labels, MetricLabel.make("cause", cause)])
        },
        repaired: counting(repairedKey, labels),
        whole: lazily(() => observing(repairDurationKey, labels))
      }
      streams.set(name, made)
      return made
    },
    ofBook: (symbol) => {
      const labels = ofSymbol(symbol)
      const resyncs = counting(bookResyncsKey, labels)
      return {
        resync: () => {
          resyncs(1)
        },
        compared: (differences) => {
          const outcome = MetricLabel.make("outcome", differences === 0 ? "equal" : "different")
          bookComparisons.unsafeUpdate(1, [...labels, outcome])
          bookDifferences.unsafeUpdate(differences, labels)
        },
        dropped: (what, count) => {
          bookDropped.unsafeUpdate(count, [...labels, MetricLabel.make("what", what)])
        }
      }
    }
  }
}

/**
 * Updates the metrics of a REST client.
 *
 * @since 0.1.0
 * @category models
 */
export interface RestCounters {
  /** A request of this weight was granted after so many seconds. */
  readonly granted: (weight: number, waited: number) => void
  /** A request ended: `answered`, or with the tag of its error. */
  readonly ended: (outcome: string) => void
}

/**
 * Makes the counters of a REST client of a venue.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeRest = (source: string): RestCounters => {
  const labels = [sourceLabel(source)]
  const weights = counting(restWeightKey, labels)
  const waits = observing(restWaitKey, labels)
  return {
    granted: (weight, waited) => {
      weights(weight)
      waits(waited)
    },
    ended: (outcome) => {
      restRequests.unsafeUpdate(1, [...labels, MetricLabel.make("outcome", outcome)])
    }
  }
}
