/**
 * Decides when to dial again: the settings, and the schedule that is made from them.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Settings from "./internal/connection/reconnectSettings.ts"

/**
 * The complete settings of a policy.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReconnectPolicy {
  /** Turns reconnection on. When false, the first failure gives the connection up. */
  readonly enabled: boolean
  /** The number of retries per outage. 0 means "never retry". */
  readonly maxRetries: number | "unlimited"
  /** The first wait. If it is zero, the first retry follows at once, and the next waits begin at 1 second. */
  readonly initialDelay: Duration.Duration
  /** The longest wait, jitter included. Only the floor of a failure, such as a `Retry-After`, makes a wait longer. */
  readonly maxDelay: Duration.Duration
  /** The factor from each wait to the next. */
  readonly backoffMultiplier: number
  /** The largest random deviation of a wait, up or down, as a fraction of it. */
  readonly jitterFactor: number
  /** The time that a connection must be open to be proven. A proven connection resets the backoff and the retry budget. */
  readonly stableAfter: Duration.Duration
  /**
   * The second condition of a proven connection: `"pong"` needs at least one message or one pong, `"message"` needs a message,
   * `"open"` needs neither.
   */
  readonly provenBy: "pong" | "message" | "open"
}

/**
 * The options of a policy. {@link defaults} fill in the rest. A duration given as a plain number is in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Turns reconnection on. Default: true. */
  readonly enabled?: boolean | undefined
  /** The number of retries per outage: a whole number from 0, or `"unlimited"`. Default: 10. */
  readonly maxRetries?: number | "unlimited" | undefined
  /**
   * The first wait: zero or longer. A plain number is in milliseconds: `1` is one millisecond, whereas in the environment it is
   * a second. If it is zero, the first retry follows at once, and the next waits begin at 1 second. Default: 1 second.
   */
  readonly initialDelay?: Duration.DurationInput | undefined
  /**
   * The longest wait: at least `initialDelay`, and longer than zero. A plain number is in milliseconds. Default: 60 seconds.
   */
  readonly maxDelay?: Duration.DurationInput | undefined
  /** The factor from each wait to the next, at least 1. Default: 2. */
  readonly backoffMultiplier?: number | undefined
  /** The largest random deviation of a wait, as a fraction of it, from 0 to 1. Default: 0.25. */
  readonly jitterFactor?: number | undefined
  /**
   * The time that a connection must be open to be proven: zero or longer. A plain number is in milliseconds. Default: 5
   * seconds.
   */
  readonly stableAfter?: Duration.DurationInput | undefined
  /**
   * The second condition of a proven connection: `"pong"` needs at least one message or one pong, `"message"` needs a message,
   * `"open"` needs neither. Default: `"pong"`.
   */
  readonly provenBy?: "pong" | "message" | "open" | undefined
}

/**
 * The default policy: ten retries after 1, 2, 4, 8, 16, 32, 60, 60 … seconds, ± 25 %, never more than 60. This is the
 * truncated binary exponential backoff with a random part that RFC 6455 §7.2.3 asks for. A connection is proven after five
 * seconds, which is also the minimum uptime of reconnecting-websocket.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaults: ReconnectPolicy = Settings.defaults

/**
 * Makes a policy from options and defaults. Fails with a `ConfigError` that names every option that is out of range, its
 * value, and the allowed values.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Either from "effect/Either"
 * import { ReconnectPolicy } from "holdfast"
 *
 * const policy = ReconnectPolicy.make({ maxRetries: "unlimited", maxDelay: "30 seconds" })
 * const refused = ReconnectPolicy.make({ jitterFactor: 2 })
 * console.log(Either.isRight(policy), Either.isLeft(refused)) // true true
 * ```
 */
export const make = (options: Options = {}): Either.Either<ReconnectPolicy, ConfigError.ConfigError> => {
  const given = Settings.settings.map((setting) => setting.given(options))
  const policy = {
    ...Settings.policyOf(given.map(({ update }) => update)),
    provenBy: options.provenBy ?? defaults.provenBy
  }
  const errors = [
    ...given.flatMap(({ errors }) => errors),
    ...Option.toArray(Settings.provenByError(policy)),
    ...Option.toArray(Settings.orderError(policy, "name"))
  ]
  return Arr.isNonEmptyReadonlyArray(errors)
    ? Either.left(errors.reduce((all, error) => ConfigError.And(all, error)))
    : Either.right(policy)
}

// ---------------------------------------------------------------------------------------------------------------------
// The schedule

/**
 * The facts of a loss, the input of the schedule. A failed dial is a loss too.
 *
 * `reconnect` is not a loss. If it replaced a proven connection and the dial after it fails, the schedule gets the facts of
 * the replaced connection, so that it starts over for the new outage.
 *
 * @since 0.1.0
 * @category models
 */
export interface Loss {
  /** True if the connection opened and its handshake was done. */
  readonly opened: boolean
  /** The time that the connection was open. */
  readonly openFor: Duration.Duration
  /** The number of messages that it received. */
  readonly messages: number
  /** The number of pongs that it received in time. 0 if the transport cannot ping. */
  readonly pongs: number
  /** False if a session has asked for topics, and the peer has accepted none of them. True without a session. */
  readonly isAccepted: boolean
  /** The shortest wait that the failure allows, such as a `Retry-After`. */
  readonly floor: Option.Option<Duration.Duration>
}

const isEvidence: Readonly<Record<ReconnectPolicy["provenBy"], (loss: Omit<Loss, "floor">) => boolean>> = {
  pong: ({ messages, pongs }) => messages > 0 || pongs > 0,
  message: ({ messages }) => messages > 0,
  open: () => true
}

/**
 * Tells whether a connection was proven: open for `stableAfter`, and by default with at least one message or one pong. A
 * connection to a server that accepts it and closes it at once is never proven. Nor is one on which a session has asked for
 * topics, and the peer has neither acknowledged one nor sent data.
 *
 * @since 0.1.0
 * @category predicates
 * @example
 * ```ts
 * import * as Duration from "effect/Duration"
 * import * as Option from "effect/Option"
 * import { ReconnectPolicy } from "holdfast"
 *
 * const isProven = ReconnectPolicy.isProven(ReconnectPolicy.defaults)
 * const loss = { opened: true, openFor: Duration.hours(1), messages: 0, pongs: 0, isAccepted: true, floor: Option.none() }
 * console.log(isProven(loss), isProven({ ...loss, pongs: 1 })) // false true
 * ```
 */
export const isProven = (policy: ReconnectPolicy) => (loss: Omit<Loss, "floor">): boolean =>
  loss.opened &&
  loss.isAccepted &&
  Duration.greaterThanOrEqualTo(loss.openFor, policy.stableAfter) &&
  isEvidence[policy.provenBy](loss)

const isZero = (delay: Duration.DurationInput) => Duration.equals(delay, Duration.zero)

// The second wait when the first one is zero.
const afterZero = defaults.initialDelay

/**
 * Waits `initialDelay`, then `initialDelay · multiplier`, then `initialDelay · multiplier²`, and so on without end. If
 * `initialDelay` is zero, the first wait is zero and the next ones begin at 1 second. A plain number is in milliseconds.
 *
 * @since 0.1.0
 * @category combinators
 */
export const exponential = (
  initialDelay: Duration.DurationInput,
  multiplier: number
): Schedule.Schedule<Duration.Duration> =>
  isZero(initialDelay)
    ? Schedule.andThen(Schedule.as(Schedule.once, Duration.zero), Schedule.exponential(afterZero, multiplier))
    : Schedule.exponential(initialDelay, multiplier)

/**
 * Limits every wait to `maxDelay`. A plain number is in milliseconds.
 *
 * @since 0.1.0
 * @category combinators
 */
export const capped =
  (maxDelay: Duration.DurationInput) => <Out, In, R>(self: Schedule.Schedule<Out, In, R>): Schedule.Schedule<Out, In, R> =>
    Schedule.modifyDelay(self, (_, delay) => Duration.min(delay, maxDelay))

// A random duration between two others, uniform. An infinite one stays as it is.
const between = (least: number, most: number): Effect.Effect<Duration.Duration> =>
  Effect.map(Random.next, (chance) => Duration.millis(Number.isFinite(least) ? least + chance * (most - least) : least))

/**
 * Replaces every wait `b` with a random one, uniform on `[b·(1 − factor), min(b·(1 + factor), maxDelay)]`. Waits at the cap
 * are spread below it, so that clients that lost their connections together do not keep dialling together.
 *
 * @since 0.1.0
 * @category combinators
 */
export const jittered =
  (factor: number, maxDelay: Duration.DurationInput) =>
  <Out, In, R>(self: Schedule.Schedule<Out, In, R>): Schedule.Schedule<Out, In, R> => {
    const cap = Duration.toMillis(maxDelay)
    return Schedule.modifyDelayEffect(self, (_, delay) => {
      const nominal = Duration.toMillis(delay)
      return between(nominal * (1 - factor), Math.min(nominal * (1 + factor), cap))
    })
  }

/**
 * Ends after `maxRetries` waits, or never.
 *
 * @since 0.1.0
 * @category combinators
 */
export const recurs =
  (maxRetries: number | "unlimited") =>
  <Out, In, R>(self: Schedule.Schedule<Out, In, R>): Schedule.Schedule<Out, In, R> =>
    maxRetries === "unlimited" ? self : Schedule.zipLeft(self, Schedule.recurs(maxRetries))

/**
 * Starts over, with the first wait and a full count, when the lost connection {@link isProven | was proven}.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resetWhenProven =
  (policy: ReconnectPolicy) =>
  <Out, R>(self: Schedule.Schedule<Out, Loss, R>): Schedule.Schedule<Loss, Loss, R> => {
    const startsOver = isProven(policy)
    // `Schedule.resetWhen` checks the output, so it would run each step that starts over twice.
    return Schedule.makeWithState(self.initial, (now, loss, state) =>
      Effect.map(
        self.step(now, loss, startsOver(loss) ? self.initial : state),
        ([next, , decision]) => [next, loss, decision] as const
      ))
  }

/**
 * Waits at least as long as the failure's `floor`, plus a random part of up to `factor` times that floor, so that clients
 * with the same `Retry-After` do not come back together. Such a wait may be longer than the cap.
 *
 * @since 0.1.0
 * @category combinators
 */
export const noSoonerThanAsked =
  (factor: number) => <R>(self: Schedule.Schedule<Loss, Loss, R>): Schedule.Schedule<Loss, Loss, R> =>
    Schedule.modifyDelayEffect(self, ({ floor }, delay) =>
      Option.match(floor, {
        onNone: () => Effect.succeed(delay),
        onSome: (least) => {
          const millis = Duration.toMillis(least)
          return Effect.map(between(millis, millis * (1 + factor)), Duration.max(delay))
        }
      }))

/**
 * Spaces dials when `initialDelay` is zero: the next dial is at least 1 second after the lost connection opened, or
 * `maxDelay` if that is shorter. Without this, a policy with a very short `stableAfter` would dial without a pause while a
 * server accepts, sends and closes.
 *
 * @since 0.1.0
 * @category combinators
 */
export const noStorm =
  ({ initialDelay, maxDelay }: ReconnectPolicy) =>
  <R>(self: Schedule.Schedule<Loss, Loss, R>): Schedule.Schedule<Loss, Loss, R> => {
    if (!isZero(initialDelay)) return self
    const apart = Duration.min(afterZero, maxDelay)
    return Schedule.modifyDelay(self, ({ openFor, opened }, delay) =>
      opened ? Duration.max(delay, Duration.subtract(apart, openFor)) : delay)
  }

/**
 * Makes the schedule of a policy: the waits between dials. Its input is each loss.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Chunk from "effect/Chunk"
 * import * as Duration from "effect/Duration"
 * import * as Effect from "effect/Effect"
 * import * as Option from "effect/Option"
 * import * as Schedule from "effect/Schedule"
 * import { ReconnectPolicy } from "holdfast"
 *
 * const refused: ReconnectPolicy.Loss = { opened: false, openFor: Duration.zero, messages: 0, pongs: 0, isAccepted: true, floor: Option.none() }
 * const policy = { ...ReconnectPolicy.defaults, jitterFactor: 0 }
 * const waits = Schedule.run(Schedule.delays(ReconnectPolicy.schedule(policy)), 0, Array.from({ length: 8 }, () => refused))
 * Effect.runPromise(Effect.map(waits, Chunk.map(Duration.toSeconds))).then(console.log)
 * // 1, 2, 4, 8, 16, 32, 60, 60
 * ```
 */
export const schedule = (policy: ReconnectPolicy): Schedule.Schedule<Loss, Loss> =>
  exponential(policy.initialDelay, policy.backoffMultiplier).pipe(
    capped(policy.maxDelay),
    jittered(policy.jitterFactor, policy.maxDelay),
    recurs(policy.maxRetries),
    resetWhenProven(policy),
    noStorm(policy),
    noSoonerThanAsked(policy.jitterFactor)
  )

// ---------------------------------------------------------------------------------------------------------------------
// From the environment or a file

/**
 * Reads the settings from `WEBSOCKET_RECONNECTION_ENABLED`, `WEBSOCKET_MAX_RETRIES`, `WEBSOCKET_INITIAL_DELAY`,
 * `WEBSOCKET_MAX_DELAY`, `WEBSOCKET_BACKOFF_MULTIPLIER`, `WEBSOCKET_JITTER_FACTOR` and `WEBSOCKET_STABLE_AFTER`.
 *
 * A duration is a plain number of seconds, or text such as `"500 millis"`. A missing or empty value means the default. Fails
 * with a `ConfigError` that names every key whose value is not allowed, the value, and the allowed values.
 *
 * @since 0.1.0
 * @category config
 * @example
 * ```ts
 * import { Connection, ReconnectPolicy } from "holdfast"
 * import * as Config from "effect/Config"
 *
 * const ConnectionLive = Connection.layerConfig({
 *   url: Config.string("FEED_URL"),
 *   reconnect: ReconnectPolicy.config
 * })
 * ```
 */
export const config: Config.Config<ReconnectPolicy> = Config.all(Settings.settings.map(({ config }) => config)).pipe(
  Config.mapOrFail((updates) => {
    const policy = Settings.policyOf(updates)
    return Option.match(Settings.orderError(policy), { onNone: () => Either.right(policy), onSome: Either.left })
  })
)

/**
 * The keys that {@link config} reads.
 *
 * @since 0.1.0
 * @category config
 */
export const keys: ReadonlyArray<string> = Settings.settings.map(({ key }) => key)

/**
 * Reads the same settings, but never fails: for each value that is not allowed, it logs a warning and uses the default.
 * If `WEBSOCKET_MAX_DELAY` is below the initial delay, it uses the default cap, or the initial delay if that is longer.
 *
 * @since 0.1.0
 * @category config
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { Connection, ReconnectPolicy } from "holdfast"
 *
 * const ConnectionLive = Layer.unwrapEffect(
 *   Effect.map(ReconnectPolicy.configOrDefault, (reconnect) => Connection.layer({ url: "ws://127.0.0.1:8080", reconnect }))
 * )
 * ```
 */
export const configOrDefault: Effect.Effect<ReconnectPolicy> = Effect.flatMap(
  Effect.forEach(Settings.settings, ({ configOrDefault }) => configOrDefault),
  (updates) => Settings.raiseCap(Settings.policyOf(updates))
)
