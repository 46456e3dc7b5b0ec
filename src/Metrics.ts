/**
 * What is measured, named as OpenTelemetry names things. There is no WebSocket convention yet; these follow the ones
 * for HTTP and for database pools. Durations are in seconds.
 *
 * Every metric carries `server.address` and `server.port`; none carries a path, a query or a header.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricLabel from "effect/MetricLabel"

const seconds = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
  Metric.histogram(name, MetricBoundaries.fromIterable(boundaries), description).pipe(Metric.tagged("unit", "s"))

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

const quick = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const slow = [1, 2, 5, 10, 30, 60, 120, 300, 600]
const lives = [1, 10, 60, 600, 3_600, 21_600, 86_400]

/**
 * Dials that ended, by `outcome` (`opened` or `failed`) and, for failed ones, `error.type` (the error's tag).
 *
 * @since 0.1.0
 * @category metrics
 */
export const attempts: Metric.Metric.Counter<number> = counter("websocket.client.connection.attempts", "Dials that ended, by outcome")

/**
 * Connections that are open now.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connections: Metric.Metric.Gauge<number> = Metric.gauge("websocket.client.connections", {
  description: "Connections that are open now"
}).pipe(Metric.tagged("state", "open"))

/**
 * How long connections lived, from open to lost.
 *
 * @since 0.1.0
 * @category metrics
 */
export const duration: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.duration", "How long connections lived", lives)

/**
 * How long dials took, the handshake after them included.
 *
 * @since 0.1.0
 * @category metrics
 */
export const openDuration: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.open.duration", "How long dials took", quick)

/**
 * How long was waited before a retry.
 *
 * @since 0.1.0
 * @category metrics
 */
export const reconnectDelay: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.reconnect.delay", "Waits before retries", slow)

/**
 * How long outages lasted, from lost to open again.
 *
 * @since 0.1.0
 * @category metrics
 */
export const outageDuration: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.outage.duration", "How long outages lasted", slow)

/**
 * Connections that ended, by `websocket.close.code` where there was one, and `error.type`.
 *
 * @since 0.1.0
 * @category metrics
 */
export const closes: Metric.Metric.Counter<number> = counter("websocket.client.closes", "Connections that ended, by close code")

/**
 * Messages, by `direction` (`received` or `sent`).
 *
 * @since 0.1.0
 * @category metrics
 */
export const messages: Metric.Metric.Counter<number> = counter("websocket.client.messages", "Messages sent and received")

/**
 * Messages that arrived and were dropped, since the inbox was full.
 *
 * @since 0.1.0
 * @category metrics
 */
export const dropped: Metric.Metric.Counter<number> = counter("websocket.client.messages.dropped", "Messages dropped by the inbox")

/**
 * How long pings took to be answered.
 *
 * @since 0.1.0
 * @category metrics
 */
export const pingRoundTrip: Metric.Metric.Histogram<number> = seconds("websocket.client.ping.rtt", "Round trips of pings", quick)

/**
 * The counters of the hot path, bound to a server once, so that a batch costs one addition.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counters {
  readonly received: (count: number) => void
  readonly sent: (count: number) => void
  readonly dropped: (count: number) => void
  readonly pong: (roundTrip: Duration.Duration) => Effect.Effect<void>
  /** One connection more (1) or less (-1) is open. */
  readonly open: (change: 1 | -1) => Effect.Effect<void>
}

/**
 * Binds the {@link Counters} to a server.
 *
 * @since 0.1.0
 * @category constructors
 */
export const forServer = (server: { readonly address: string; readonly port: number }): Counters => {
  const tags = [
    MetricLabel.make("server.address", server.address),
    MetricLabel.make("server.port", String(server.port))
  ]
  // A metric finds what belongs to labels by the array they are in: the same one each time, or it is a long search.
  const received = [MetricLabel.make("direction", "received"), ...tags]
  const sent = [MetricLabel.make("direction", "sent"), ...tags]
  const openNow = Metric.taggedWithLabels(connections, tags)
  const roundTrips = Metric.taggedWithLabels(pingRoundTrip, tags)
  return {
    received: (count) => {
      messages.unsafeUpdate(count, received)
    },
    sent: (count) => {
      messages.unsafeUpdate(count, sent)
    },
    dropped: (count) => {
      dropped.unsafeUpdate(count, tags)
    },
    pong: (roundTrip) => Metric.update(roundTrips, Duration.toSeconds(roundTrip)),
    open: (change) => Metric.modify(openNow, change)
  }
}
