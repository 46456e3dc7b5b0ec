/**
 * What is measured, named as OpenTelemetry names things. There is no WebSocket convention yet; these follow the ones
 * for HTTP and for database pools. Durations are in seconds.
 *
 * Every metric carries `server.address` and `server.port`; none carries a path, a query or a header.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"

const seconds = (name: string, description: string, boundaries: ReadonlyArray<number>) =>
  Metric.fromMetricKey(MetricKey.tagged(MetricKey.histogram(name, MetricBoundaries.fromIterable(boundaries), description), "unit", "s"))

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })

const quick = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const slow = [1, 2, 5, 10, 30, 60, 120, 300, 600]
const openTimes = [1, 10, 60, 600, 3_600, 21_600, 86_400]

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
export const connections: Metric.Metric.Gauge<number> = Metric.fromMetricKey(
  MetricKey.tagged(
    MetricKey.gauge("websocket.client.connections", { description: "Connections that are open now" }),
    "state",
    "open"
  )
)

/**
 * How long connections lived, from open to lost.
 *
 * @since 0.1.0
 * @category metrics
 */
export const duration: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.duration", "How long connections lived", openTimes)

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
 * What is measured of one connection. An update is one addition, and has no other tags than those of its metric: not those
 * of the fibre it runs in.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counters {
  readonly received: (count: number) => void
  readonly sent: (count: number) => void
  readonly dropped: (count: number) => void
  readonly pong: (roundTrip: Duration.Duration) => void
  /** A dial that opened a connection, which is now open; and how long the outage was that it ended, if it did. */
  readonly opened: (took: Duration.Duration, outage: Option.Option<Duration.Duration>) => void
  /** A dial that failed, by the error's tag. */
  readonly failed: (errorType: string) => void
  /** A connection that was open and is not any more. */
  readonly gone: () => void
  /** How long it had been open, by the error's tag and the close code, if there was one. */
  readonly lost: (openFor: Duration.Duration, errorType: string, closeCode: number | undefined) => void
  readonly waits: (delay: Duration.Duration) => void
}

const directionReceived = MetricLabel.make("direction", "received")
const directionSent = MetricLabel.make("direction", "sent")
const outcomeOpened = MetricLabel.make("outcome", "opened")
const outcomeFailed = MetricLabel.make("outcome", "failed")

/**
 * Makes the {@link Counters} of a connection to a server. Without an address, the metrics name no server. All that are made for one server add to the same metrics, which
 * Effect's own registry keeps for as long as the process runs; nothing else is kept.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ address, port }: { readonly address: string; readonly port: number }): Counters =>
  new ServerCounters(address, port)

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

const errorType = (type: string) => MetricLabel.make("error.type", type)

// A class, since there is one for each connection, and what closures weigh, methods do not. A metric finds what belongs to
// labels by the array they are in: the same one each time where that is often, or it is a long search.
class ServerCounters implements Counters {
  readonly #server: Labels
  #received: Labels | undefined = undefined
  #sent: Labels | undefined = undefined

  constructor(address: string, port: number) {
    this.#server = address === ""
      ? []
      : [MetricLabel.make("server.address", address), MetricLabel.make("server.port", String(port))]
  }

  received(count: number): void {
    messages.unsafeUpdate(count, this.#received ??= [directionReceived, ...this.#server])
  }

  sent(count: number): void {
    messages.unsafeUpdate(count, this.#sent ??= [directionSent, ...this.#server])
  }

  dropped(count: number): void {
    dropped.unsafeUpdate(count, this.#server)
  }

  pong(roundTrip: Duration.Duration): void {
    pingRoundTrip.unsafeUpdate(Duration.toSeconds(roundTrip), this.#server)
  }

  opened(took: Duration.Duration, outage: Option.Option<Duration.Duration>): void {
    attempts.unsafeUpdate(1, [outcomeOpened, ...this.#server])
    connections.unsafeModify(1, this.#server)
    openDuration.unsafeUpdate(Duration.toSeconds(took), this.#server)
    if (Option.isSome(outage)) outageDuration.unsafeUpdate(Duration.toSeconds(outage.value), this.#server)
  }

  failed(type: string): void {
    attempts.unsafeUpdate(1, [outcomeFailed, errorType(type), ...this.#server])
  }

  gone(): void {
    connections.unsafeModify(-1, this.#server)
  }

  lost(openFor: Duration.Duration, type: string, closeCode: number | undefined): void {
    duration.unsafeUpdate(Duration.toSeconds(openFor), this.#server)
    const code = MetricLabel.make("websocket.close.code", String(closeCode ?? "none"))
    closes.unsafeUpdate(1, [errorType(type), code, ...this.#server])
  }

  waits(delay: Duration.Duration): void {
    reconnectDelay.unsafeUpdate(Duration.toSeconds(delay), this.#server)
  }
}
