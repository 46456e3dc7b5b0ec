/**
 * Spaces the dials to one host over all connections of a process: a rate limit, one probe at a time while the host is
 * down, and one `Retry-After` for all.
 *
 * Dials wait for their turn in order. Waiting never fails a dial, and does not count against `openTimeout`.
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { AttemptError } from "./ConnectionError.ts"
import * as FailureClass from "./FailureClass.ts"
import { atLeast, positive } from "./internal/connection/settings.ts"
import * as Metrics from "./Metrics.ts"
import * as RollingWindow from "./internal/time/rollingWindow.ts"
import * as RateLimiter from "./internal/time/rateLimiter.ts"
import { reasonOf } from "./internal/reason.ts"
import { monotonic } from "./internal/time/monotonic.ts"

/**
 * A dial gate.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialGate {
  /** Waits until the host may be dialled, runs the dial, and records its outcome for later dials. */
  readonly through: (host: string) => <A, E extends AttemptError, R>(dial: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The hosts that it has dialled, and how they are. Default: a gate of one's own tells nothing. */
  readonly hosts?: Effect.Effect<ReadonlyArray<HostStatus>> | undefined
}

/**
 * The state of a host, as a gate knows it.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostStatus {
  /** The name and the port. */
  readonly host: string
  /** Dials that wait for their turn. */
  readonly waiting: number
  /** Failures in a row. */
  readonly failures: number
  /** Whether it counts as down: dials run one at a time. */
  readonly isDown: boolean
  /** Dials within the last {@link Options.window}. 0 without a limit. */
  readonly used: number
  /** The most dials within a window. Undefined: there is no limit. */
  readonly limit: number | undefined
  /** The time until which nothing is dialled, because the host asked for it or is down. Zero if it may be dialled. */
  readonly heldFor: Duration.Duration
}

/**
 * The service. Connections, sessions and feeds use it if it is provided.
 *
 * Without it, a connection dials as its own policy says, and a feed makes a gate for the limit of its venue.
 *
 * @since 0.1.0
 * @category tags
 */
export const DialGate: Context.Tag<DialGate, DialGate> = Context.GenericTag<DialGate>("holdfast/DialGate")

/**
 * Grants dials, for several processes that share one limit of a host.
 *
 * @since 0.1.0
 * @category models
 */
export interface Budget {
  /**
   * Completes when the host may be dialled once. It is asked at the moment of the dial, after the gate's own waits, and may take as
   * long as it needs: the dial waits, and `openTimeout` has not begun. It is interrupted when the connection is given up
   * meanwhile. If it fails or dies, the log has a warning, and the dial goes on within the gate's own `limit`.
   */
  readonly take: (host: string) => Effect.Effect<void, unknown>
}

/**
 * The options of a gate. Plain numbers for durations are in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The most dials to one host within any `window`: a whole number from 1. Default: no limit. */
  readonly limit?: number | undefined
  /** The length of the rolling window for `limit`, longer than zero. Default: 1 minute. */
  readonly window?: Duration.DurationInput | undefined
  /**
   * Grants each dial, in addition to `limit`. Give a `limit` too: it is what holds while the budget cannot be reached.
   * Default: none. A process that is alone needs none.
   */
  readonly budget?: Budget | undefined
  /**
   * The number of failures in a row after which a host counts as down: a whole number from 1. Dials to it then run one at
   * a time, 1, 2, 4 … 30 seconds apart, until one succeeds. Default: 5, as in Finagle.
   */
  readonly failures?: number | undefined
  /**
   * Overrides the class of a failed dial. A failure of the class `RetryAfter` makes all dials to its host wait. Default:
   * the standard table, `FailureClass.classify`.
   */
  readonly classify?: FailureClass.Classify | undefined
}

// The time between two probes of a host that is down. It doubles after each failed probe.
const firstSpacing = Duration.seconds(1)
const longestSpacing = Duration.seconds(30)

interface Host {
  readonly name: string
  readonly counters: Metrics.GateCounters
  waiting: number
  readonly window: RollingWindow.RollingWindow
  readonly limiter: RateLimiter.RateLimiter<void>
  /** The one dial that probes a host that is down holds this. */
  readonly probe: Effect.Semaphore
  failures: number
}

interface Settings {
  readonly limit: number | undefined
  readonly failuresUntilDown: number
  readonly newWindow: (host: string) => RollingWindow.RollingWindow
  readonly classify: FailureClass.Classify
}

const withBudget = (own: RollingWindow.RollingWindow, budget: Budget | undefined, host: string): RollingWindow.RollingWindow => {
  if (budget === undefined) return own
  const goOn = (error: unknown) =>
    Effect.logWarning(`The budget of the dial gate granted no dial of ${host}: ${reasonOf(error)}. The gate's own limit holds meanwhile.`)
  const granted = Effect.suspend(() => budget.take(host)).pipe(Effect.catchAll(goOn), Effect.catchAllDefect(goOn))
  return { ...own, take: (cost) => Effect.zipRight(own.take(cost), granted) }
}

const settingsOf = ({ budget, classify, failures, limit, window }: Options): Either.Either<Settings, ConfigError.ConfigError> =>
  Either.gen(function*() {
    const most = limit === undefined ? undefined : yield* atLeast("limit", 1, limit, limit)
    const length = yield* positive("window", window, Duration.minutes(1))
    return {
      limit: most,
      failuresUntilDown: yield* atLeast("failures", 1, failures, 5),
      newWindow: (host) =>
        withBudget(most === undefined ? RollingWindow.unlimited : RollingWindow.make(most, length), budget, host),
      classify: classify ?? ((_, standard) => standard)
    }
  })

const dieOf = (error: ConfigError.ConfigError) => {
  const problem = error._op === "InvalidData" ? `${error.path.join(".")}: ${error.message}` : "They cannot be read"
  return Effect.dieMessage(`The options of the dial gate are wrong. ${problem}.`)
}

const gateOf = ({ classify, failuresUntilDown, limit, newWindow }: Settings): DialGate => {
  const hosts = new Map<string, Host>()

  const hostOf = (name: string): Host => {
    const known = hosts.get(name)
    if (known !== undefined) return known
    const window = newWindow(name)
    const host: Host = {
      name,
      counters: Metrics.makeGate(name),
      waiting: 0,
      window,
      limiter: RateLimiter.make(window),
      probe: Effect.unsafeMakeSemaphore(1),
      failures: 0
    }
    hosts.set(name, host)
    return host
  }

  const classOf = (error: AttemptError) => {
    try {
      return classify(error, FailureClass.classify(error))
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new Error(`the classify of the dial gate threw: ${reason}`, { cause })
    }
  }

  const recordFailure = (host: Host, error: AttemptError) =>
    Effect.map(monotonic, (now) => {
      // A local failure says nothing about the host.
      if (FailureClass.isLocal(error)) return
      host.failures++
      if (host.failures === failuresUntilDown) host.counters.breaker(true)
      const failureClass = classOf(error)
      const asked = failureClass._tag === "RetryAfter" ? failureClass.floor : Duration.zero
      const spacing = host.failures < failuresUntilDown
        ? Duration.zero
        : Duration.min(Duration.times(firstSpacing, 2 ** Math.min(host.failures - failuresUntilDown, 10)), longestSpacing)
      host.limiter.holdUntil(now + Duration.toMillis(Duration.max(asked, spacing)))
    })

  // Runs a dial that waits for its turn. `turn` marks the end of the wait; one that is given up leaves without it.
  const waitIn = <A, E, R>(host: Host, dial: (turn: Effect.Effect<void>) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(monotonic, (began) => {
      let isWaiting = true
      const leave = (waited: Duration.Duration | undefined) => {
        if (!isWaiting) return
        isWaiting = false
        host.waiting--
        host.counters.waited(waited)
      }
      host.waiting++
      host.counters.waits()
      const turn = Effect.map(monotonic, (now) => {
        leave(Duration.millis(now - began))
      })
      return Effect.ensuring(dial(turn), Effect.sync(() => {
        leave(undefined)
      }))
    })

  const statusOf = (host: Host, now: number): HostStatus => ({
    host: host.name,
    waiting: host.waiting,
    failures: host.failures,
    isDown: host.failures >= failuresUntilDown,
    used: host.window.used(now),
    limit,
    heldFor: Duration.millis(host.limiter.heldFor(now))
  })

  return {
    hosts: Effect.map(monotonic, (now) => [...hosts.values()].map((host) => statusOf(host, now))),
    through: (name) => <A, E extends AttemptError, R>(dial: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
      const host = hostOf(name)
      const { acquire, awaitHold } = host.limiter
      return waitIn(host, (turn) => {
        const attempt = Effect.zipRight(turn, dial).pipe(
          Effect.tapBoth({
            onFailure: (error) => recordFailure(host, error),
            onSuccess: () =>
              Effect.sync(() => {
                if (host.failures >= failuresUntilDown) host.counters.breaker(false)
                host.failures = 0
              })
          })
        )
        const isDown = () => host.failures >= failuresUntilDown
        // One probe at a time. If the host came back while this dial waited for the permit, it dials as usual.
        const probe = (ready: Effect.Effect<void>): Effect.Effect<A, E, R> =>
          Effect.flatMap(
            host.probe.withPermits(1)(
              Effect.suspend(() => isDown() ? Effect.asSome(Effect.zipRight(ready, attempt)) : Effect.succeedNone)
            ),
            Option.match({ onNone: () => next, onSome: Effect.succeed })
          )
        // If the host went down while this dial waited for the limit, it probes, but does not count twice.
        const next: Effect.Effect<A, E, R> = Effect.suspend(() =>
          isDown()
            ? probe(acquire(1))
            : Effect.zipRight(acquire(1), Effect.suspend(() => isDown() ? probe(awaitHold()) : attempt))
        )
        return next
      })
    }
  }
}

/**
 * Makes a gate. If an option is not allowed, every dial through the gate dies and names the option.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): DialGate =>
  Either.match(settingsOf(options), { onLeft: (error) => ({ through: () => () => dieOf(error) }), onRight: gateOf })

/**
 * A layer with a gate. Effect shares layers by reference: to share the gate, provide the same layer value to all
 * connections. If an option is not allowed, the layer dies and names the option.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Connection, DialGate } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * class News extends Connection.Tag<News>()("News") {}
 * class Chat extends Connection.Tag<Chat>()("Chat") {}
 *
 * const gate = DialGate.layer({ limit: 20, window: "1 minute" })
 * const Live = Layer.merge(
 *   News.layer({ url: "wss://example.com/news" }),
 *   Chat.layer({ url: "wss://example.com/chat" })
 * ).pipe(Layer.provide([NodeTransport.layer, gate]))
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<DialGate> =>
  Layer.effect(
    DialGate,
    Either.match(settingsOf(options), { onLeft: dieOf, onRight: (settings) => Effect.sync(() => gateOf(settings)) })
  )

/**
 * A gate that lets every dial through at once.
 *
 * @since 0.1.0
 * @category constructors
 */
export const open: DialGate = { through: () => (dial) => dial }
