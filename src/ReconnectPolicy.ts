/**
 * When to dial again: the settings, and the schedule that is composed of them.
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
 * The settings, complete.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReconnectPolicy {
  /** Whether to reconnect at all. When false, the first failure is the last. */
  readonly enabled: boolean
  /** How many re-dials an outage gets: 0 means "never retry". */
  readonly maxRetries: number | "unlimited"
  /** The first wait. At zero the first retry is at once, and the waits after it begin at a second. */
  readonly initialDelay: Duration.Duration
  /** The longest wait, jitter included. Only a server that asks for more time gets more. */
  readonly maxDelay: Duration.Duration
  /** What each wait is multiplied with to make the next. */
  readonly backoffMultiplier: number
  /** How far a wait may be off its nominal length, as a part of it, up or down. */
  readonly jitterFactor: number
  /** How long a connection must have been open before its end starts a new outage rather than prolonging the old. */
  readonly stableAfter: Duration.Duration
  /** What else it takes: at least one message, or nothing (for peers that only speak when spoken to). */
  readonly provenBy: "message" | "open"
}

/**
 * The settings as users give them; what is left out is taken from {@link defaults}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Default: true. */
  readonly enabled?: boolean | undefined
  /** A whole number from 0, or "unlimited". Default: 10. */
  readonly maxRetries?: number | "unlimited" | undefined
  /** From zero, which retries at once and then waits 1, 2, 4 … seconds. Default: 1 second. */
  readonly initialDelay?: Duration.DurationInput | undefined
  /** At least `initialDelay`. Default: 60 seconds. */
  readonly maxDelay?: Duration.DurationInput | undefined
  /** From 1. Default: 2. */
  readonly backoffMultiplier?: number | undefined
  /** From 0 to 1. Default: 0.25. */
  readonly jitterFactor?: number | undefined
  /** From zero. Default: 5 seconds. */
  readonly stableAfter?: Duration.DurationInput | undefined
  /** Default: "message". */
  readonly provenBy?: "message" | "open" | undefined
}

/**
 * Ten retries at 1, 2, 4, 8, 16, 32, 60, 60 … seconds, ± 25 %, never more than 60. RFC 6455 §7.2.3 asks for truncated
 * binary exponential backoff with a random part; five seconds of uptime is what long-proven clients wait for before
 * they forget a failure.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaults: ReconnectPolicy = Settings.defaults

/**
 * Completes the settings. What is out of range is a `ConfigError` that names every setting at fault, its value, and
 * what is allowed.
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
  const errors = [...given.flatMap(({ errors }) => errors), ...Option.toArray(Settings.orderError(policy, "maxDelay"))]
  return Arr.isNonEmptyReadonlyArray(errors)
    ? Either.left(errors.reduce((all, error) => ConfigError.And(all, error)))
    : Either.right(policy)
}

// ---------------------------------------------------------------------------------------------------------------------
// The schedule

/**
 * The facts of a loss, which the schedule decides by. A dial that never opened is a loss too.
 *
 * A reconnect on request is none. When the dial after it fails, and the connection that it replaced was proven, the facts are
 * still those of that connection: the schedule starts over for every outage.
 *
 * @since 0.1.0
 * @category models
 */
export interface Loss {
  /** Whether the connection opened, its handshake included. */
  readonly opened: boolean
  /** How long it was open. */
  readonly openFor: Duration.Duration
  /** How many messages came. */
  readonly messages: number
  /** The least wait that the failure asks for, such as a `Retry-After`. */
  readonly floor: Option.Option<Duration.Duration>
}

/**
 * Whether a life was long and good enough to forget the failures before it: a server that accepts and then closes
 * never proves anything.
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
 * const life = { opened: true, openFor: Duration.hours(1), messages: 0, floor: Option.none() }
 * console.log(isProven(life), isProven({ ...life, messages: 1 })) // false true
 * ```
 */
export const isProven = (policy: ReconnectPolicy) => (loss: Omit<Loss, "floor">): boolean =>
  loss.opened &&
  Duration.greaterThanOrEqualTo(loss.openFor, policy.stableAfter) &&
  (policy.provenBy === "open" || loss.messages > 0)

const isZero = (delay: Duration.DurationInput) => Duration.equals(delay, Duration.zero)

// What the waits begin at when the first of them is none.
const afterZero = defaults.initialDelay

/**
 * Waits `initialDelay`, then that times `multiplier`, and so on, without end or bound. When `initialDelay` is zero, the
 * waits begin at a second after the first.
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
 * Shortens every wait to `maxDelay` at most.
 *
 * @since 0.1.0
 * @category combinators
 */
export const capped =
  (maxDelay: Duration.DurationInput) => <Out, In, R>(self: Schedule.Schedule<Out, In, R>): Schedule.Schedule<Out, In, R> =>
    Schedule.modifyDelay(self, (_, delay) => Duration.min(delay, maxDelay))

// A moment between two others, each as likely.
const between = (least: number, most: number): Effect.Effect<Duration.Duration> =>
  Effect.map(Random.next, (chance) => Duration.millis(Number.isFinite(least) ? least + chance * (most - least) : least))

/**
 * Makes every wait `b` a random one, uniform on `[b·(1 − factor), min(b·(1 + factor), maxDelay)]`: never above the
 * cap, and yet not all at the cap either, where a herd of clients would stay together for ever.
 *
 * @since 0.1.0
 * @category combinators
 */
export const jittered =
  (factor: number, maxDelay: Duration.DurationInput) =>
  <Out, In, R>(self: Schedule.Schedule<Out, In, R>): Schedule.Schedule<Out, In, R> => {
    const most = Duration.toMillis(maxDelay)
    return Schedule.modifyDelayEffect(self, (_, delay) => {
      const nominal = Duration.toMillis(delay)
      return between(nominal * (1 - factor), Math.min(nominal * (1 + factor), most))
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
 * Starts over, delay and count, when the life that ended {@link isProven | was proven}.
 *
 * @since 0.1.0
 * @category combinators
 */
export const resetWhenProven =
  (policy: ReconnectPolicy) =>
  <Out, R>(self: Schedule.Schedule<Out, Loss, R>): Schedule.Schedule<Loss, Loss, R> => {
    const startsOver = isProven(policy)
    // `Schedule.resetWhen` would take every step that starts over twice, since it looks at the outcome.
    return Schedule.makeWithState(self.initial, (now, loss, state) =>
      Effect.map(
        self.step(now, loss, startsOver(loss) ? self.initial : state),
        ([next, , decision]) => [next, loss, decision] as const
      ))
  }

/**
 * Waits at least as long as the failure asks for, and then up to `factor` longer: clients that were told the same
 * `Retry-After` must not come back as one. The peer's word is above our cap.
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
 * Where the first retry is at once: not before the connection that was lost would be a second old (or `maxDelay`, if
 * that is shorter). Otherwise a server that accepts, sends something and closes would be dialled without a pause by
 * a policy for which such a life is proven.
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
 * The waits between one dial and the next, as the policy has them. Its input is how each life ended.
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
 * const refused: ReconnectPolicy.Loss = { opened: false, openFor: Duration.zero, messages: 0, floor: Option.none() }
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
 * `WEBSOCKET_MAX_DELAY`, `WEBSOCKET_BACKOFF_MULTIPLIER`, `WEBSOCKET_JITTER_FACTOR` and `WEBSOCKET_STABLE_AFTER`. Plain
 * numbers are seconds where a duration is meant; `"500 millis"` works too. What is missing or empty has its default;
 * every one that is not allowed is named, with its value and what is allowed.
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
 * The names of the settings as {@link config} reads them.
 *
 * @since 0.1.0
 * @category config
 */
export const keys: ReadonlyArray<string> = Settings.settings.map(({ key }) => key)

/**
 * The same, for programs that should rather run on a default than not at all: each setting that is not allowed is
 * logged as one warning, and its default is used. A `WEBSOCKET_MAX_DELAY` below the initial delay gives way to the
 * default, or to the initial delay if that is longer.
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
