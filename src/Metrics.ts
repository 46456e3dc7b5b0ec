/**
 * The metrics of connections, named by OpenTelemetry's conventions. OpenTelemetry has none for WebSocket yet; these names
 * follow its conventions for HTTP and for database pools. Durations are in seconds.
 *
 * Every metric has the labels `server.address` and `server.port`, if the server is known. No label contains a path, a query
 * or a header.
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
 * Finished dials, by `outcome` (`opened` or `failed`). Failed ones also have `error.type`, the error's tag.
 *
 * @since 0.1.0
 * @category metrics
 */
export const attempts: Metric.Metric.Counter<number> = counter("websocket.client.connection.attempts", "Finished dials, by outcome")

/**
 * Open connections.
 *
 * @since 0.1.0
 * @category metrics
 */
export const connections: Metric.Metric.Gauge<number> = Metric.fromMetricKey(
  MetricKey.tagged(
    MetricKey.gauge("websocket.client.connections", { description: "Open connections" }),
    "state",
    "open"
  )
)

/**
 * The time from open to lost, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const duration: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.duration", "Time from open to lost", openTimes)

/**
 * The time from the dial to open, the handshake included, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const openDuration: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.open.duration", "Time from the dial to open", quick)

/**
 * The planned waits before retries, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const reconnectDelay: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.reconnect.delay", "Waits before retries", slow)

/**
 * The length of outages, from lost to open again, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const outageDuration: Metric.Metric.Histogram<number> = seconds("websocket.client.connection.outage.duration", "Length of outages", slow)

/**
 * Lost connections, by `websocket.close.code` (`none` without one) and `error.type`, the error's tag.
 *
 * @since 0.1.0
 * @category metrics
 */
export const closes: Metric.Metric.Counter<number> = counter("websocket.client.closes", "Lost connections, by close code")

/**
 * Messages, by `direction` (`received` or `sent`).
 *
 * @since 0.1.0
 * @category metrics
 */
export const messages: Metric.Metric.Counter<number> = counter("websocket.client.messages", "Messages sent and received")

/**
 * Messages that were dropped because the inbox was full.
 *
 * @since 0.1.0
 * @category metrics
 */
export const dropped: Metric.Metric.Counter<number> = counter("websocket.client.messages.dropped", "Messages dropped because the inbox was full")

/**
 * The time from a ping to its pong, in seconds.
 *
 * @since 0.1.0
 * @category metrics
 */
export const pingRoundTrip: Metric.Metric.Histogram<number> = seconds("websocket.client.ping.rtt", "Time from a ping to its pong", quick)

/**
 * Connections that were given up, by `because` (`fatal`, `disabled`, `exhausted` or `limited`) and `error.type`, the tag of the
 * error.
 *
 * @since 0.1.0
 * @category metrics
 */
export const givenUp: Metric.Metric.Counter<number> = counter("websocket.client.connection.given_up", "Connections that were given up, by reason")

/**
 * Dials that wait in dial gates now.
 *
 * @since 0.1.0
 * @category metrics
 */
export const gateWaiting: Metric.Metric.Gauge<number> = Metric.gauge("websocket.client.gate.waiting", { description: "Dials that wait in dial gates" })

/**
 * The time that dials waited in dial gates, in seconds. A dial that need not wait counts too.
 *
 * @since 0.1.0
 * @category metrics
 */
export const gateWait: Metric.Metric.Histogram<number> = seconds("websocket.client.gate.wait", "Time that dials waited in dial gates", [0.01, ...slow])

/**
 * 1 while the breaker of a host is open: so many dials in a row have failed that it counts as down, and dials to it run one at a
 * time. 0 otherwise.
 *
 * @since 0.1.0
 * @category metrics
 */
export const breakerOpen: Metric.Metric.Gauge<number> = Metric.gauge("websocket.client.breaker.open", { description: "Whether a host counts as down, and is dialled one at a time" })

/**
 * Updates the metrics of a dial gate about one host.
 *
 * @since 0.1.0
 * @category models
 */
export interface GateCounters {
  /** A dial begins to wait. */
  readonly waits: () => void
  /** A dial no longer waits. `waited` is the time that it waited, or undefined if it left without its turn. */
  readonly waited: (waited: Duration.Duration | undefined) => void
  /** The breaker opens or closes. */
  readonly breaker: (isOpen: boolean) => void
}

/**
 * Makes the counters of a dial gate about one host, by its name and port.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeGate = (host: string): GateCounters => {
  const [, address = host, port] = /^(.*):(\d+)$/.exec(host) ?? []
  const labels = [MetricLabel.make("server.address", address), ...(port === undefined ? [] : [MetricLabel.make("server.port", port)])]
  return {
    waits: () => {
      gateWaiting.unsafeModify(1, labels)
    },
    waited: (waited) => {
      gateWaiting.unsafeModify(-1, labels)
      if (waited !== undefined) gateWait.unsafeUpdate(Duration.toSeconds(waited), labels)
    },
    breaker: (isOpen) => {
      breakerOpen.unsafeUpdate(isOpen ? 1 : 0, labels)
    }
  }
}

/**
 * The metrics of one connection, as functions to update them. They ignore the metric labels of the current fibre.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counters {
  readonly received: (count: number) => void
  readonly sent: (count: number) => void
  readonly dropped: (count: number) => void
  readonly pong: (roundTrip: Duration.Duration) => void
  /** A connection opened. `took` is the time since the dial began, `outage` the outage that it ended, if there was one. */
  readonly opened: (took: Duration.Duration, outage: Option.Option<Duration.Duration>) => void
  /** A dial failed, with this error's tag. */
  readonly failed: (errorType: string) => void
  /** The socket of an open connection is closed. */
  readonly gone: () => void
  /** An open connection was lost, with this error's tag and, if there was one, this close code. */
  readonly lost: (openFor: Duration.Duration, errorType: string, closeCode: number | undefined) => void
  /** The connection waits before it dials again. */
  readonly waits: (delay: Duration.Duration) => void
  /** The connection was given up, for this reason and with this error's tag. */
  readonly gaveUp: (because: string, errorType: string) => void
}

const directionReceived = MetricLabel.make("direction", "received")
const directionSent = MetricLabel.make("direction", "sent")
const outcomeOpened = MetricLabel.make("outcome", "opened")
const outcomeFailed = MetricLabel.make("outcome", "failed")

/**
 * Makes the {@link Counters} of a connection to a server. All connections to one server add to the same metrics. Effect's
 * metric registry keeps them until the process ends. If the address is empty, both labels are left out. A `name` is the label
 * `websocket.connection.name`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ address, name, port }: {
  readonly address: string
  readonly port: number
  readonly name?: string | undefined
}): Counters => new ServerCounters(address, port, name)

type Labels = ReadonlyArray<MetricLabel.MetricLabel>

const errorType = (type: string) => MetricLabel.make("error.type", type)

// A class, because each connection has one, and methods take no memory per instance as closures do. The labels of the
// frequent metrics are kept in one array each: a metric finds its state by the identity of that array; otherwise it searches.
class ServerCounters implements Counters {
  readonly #server: Labels
  #received: Labels | undefined = undefined
  #sent: Labels | undefined = undefined

  constructor(address: string, port: number, name: string | undefined) {
    this.#server = [
      ...(address === "" ? [] : [MetricLabel.make("server.address", address), MetricLabel.make("server.port", String(port))]),
      ...(name === undefined ? [] : [MetricLabel.make("websocket.connection.name", name)])
    ]
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

  gaveUp(because: string, type: string): void {
    givenUp.unsafeUpdate(1, [MetricLabel.make("because", because), errorType(type), ...this.#server])
  }
}
