/**
 * The metrics that an observer samples: gauges of what is now. `Observe.make` keeps them up to date, every two seconds and before
 * `/metrics` is answered.
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"
import * as MetricKey from "effect/MetricKey"

const gauge = (name: string, description: string) => Metric.gauge(name, { description })
const seconds = (name: string, description: string): Metric.Metric.Gauge<number> =>
  Metric.fromMetricKey(MetricKey.tagged(MetricKey.gauge(name, { description }), "unit", "s"))

/**
 * Observed connections, by `state`: the tag of the state in lower case.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connectionStates: Metric.Metric.Gauge<number> = gauge("websocket.client.connection.states", "Observed connections, by state")

/**
 * The age of the longest outage that lasts, in seconds: of a connection that is desired and not open. 0 if there is none.
 *
 * @since 0.1.0
 * @category metrics
 */
export const outageAge: Metric.Metric.Gauge<number> = seconds("websocket.client.outage.age", "Age of the longest outage that lasts")

/**
 * Streams by `market.source`, `market.kind` and `status`: `requested`, `acknowledged`, `live` or `stale`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const streams: Metric.Metric.Gauge<number> = gauge("market.streams", "Subscribed streams, by kind and status")

/**
 * The longest time without data among the streams of a kind, in seconds, by `market.source` and `market.kind`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const streamIdle: Metric.Metric.Gauge<number> = seconds("market.stream.idle", "Longest time without data among the streams of a kind")

/**
 * Observed order books, by `state`: `synced` or `stale`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const books: Metric.Metric.Gauge<number> = gauge("market.books", "Observed order books, by state")

/**
 * The weight of the REST requests of the last minute, by `market.source`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const restBudgetUsed: Metric.Metric.Gauge<number> = gauge("market.rest.budget.used", "Weight of the REST requests of the last minute")

/**
 * The most weight of REST requests in a minute, by `market.source`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const restBudgetLimit: Metric.Metric.Gauge<number> = gauge("market.rest.budget.limit", "Most weight of REST requests in a minute")

/**
 * The time for which no REST request is sent, because the venue asked for it, in seconds, by `market.source`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const restHeld: Metric.Metric.Gauge<number> = seconds("market.rest.held", "Time for which the venue asked to send no REST request")

/**
 * 1 if all that is desired is had, otherwise 0.
 *
 * @since 0.1.0
 * @category metrics
 */
export const ready: Metric.Metric.Gauge<number> = gauge("observe.ready", "Whether all that is desired is had")

/**
 * The reasons why something desired is not had, by `reason`, as in {@link Message.Reason}.
 *
 * @since 0.1.0
 * @category metrics
 */
export const unready: Metric.Metric.Gauge<number> = gauge("observe.unready", "Reasons why something desired is not had")
