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
  /** The first wait. */
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
  /** Longer than zero. Default: 1 second. */
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
export const defaults: ReconnectPolicy = {
  enabled: true,
  maxRetries: 10,
  initialDelay: Duration.seconds(1),
  maxDelay: Duration.seconds(60),
  backoffMultiplier: 2,
  jitterFactor: 0.25,
  stableAfter: Duration.seconds(5),
  provenBy: "message"
}

// ---------------------------------------------------------------------------------------------------------------------
// The rules for each setting: the one place where they are written down.

interface Field<A> {
  readonly key: string
  readonly allowed: string
  readonly fallback: A
  readonly parse: (text: string) => Option.Option<A>
  readonly isAllowed: (value: A) => boolean
}

const booleans = new Map([
  ...["true", "yes", "on", "1"].map((text) => [text, true] as const),
  ...["false", "no", "off", "0"].map((text) => [text, false] as const)
])

const parseBoolean = (text: string) => Option.fromNullable(booleans.get(text.toLowerCase()))

const parseNumber = (text: string) => {
  const number = Number(text)
  return Number.isFinite(number) ? Option.some(number) : Option.none()
}

// Plain numbers are seconds. `Duration` itself would read a negative one as zero.
const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  if (text.startsWith("-")) return Option.none()
  return Option.orElse(Option.map(parseNumber(text), Duration.seconds), () => Duration.decodeUnknown(text))
}

const parseRetries = (text: string): Option.Option<number | "unlimited"> =>
  text === "unlimited" ? Option.some(text) : parseNumber(text)

const isFinite = (duration: Duration.Duration) => Duration.isFinite(duration)

const fields = {
  enabled: {
    key: "WEBSOCKET_RECONNECTION_ENABLED",
    allowed: "true or false",
    fallback: defaults.enabled,
    parse: parseBoolean,
    isAllowed: () => true
  },
  maxRetries: {
    key: "WEBSOCKET_MAX_RETRIES",
    allowed: `a whole number from 0, or "unlimited"`,
    fallback: defaults.maxRetries,
    parse: parseRetries,
    isAllowed: (retries) => retries === "unlimited" || (Number.isSafeInteger(retries) && retries >= 0)
  },
  initialDelay: {
    key: "WEBSOCKET_INITIAL_DELAY",
    allowed: `longer than zero, in seconds or like "500 millis"`,
    fallback: defaults.initialDelay,
    parse: parseDuration,
    isAllowed: (delay) => isFinite(delay) && Duration.greaterThan(delay, Duration.zero)
  },
  maxDelay: {
    key: "WEBSOCKET_MAX_DELAY",
    allowed: `longer than zero, in seconds or like "2 minutes"`,
    fallback: defaults.maxDelay,
    parse: parseDuration,
    isAllowed: (delay) => isFinite(delay) && Duration.greaterThan(delay, Duration.zero)
  },
  backoffMultiplier: {
    key: "WEBSOCKET_BACKOFF_MULTIPLIER",
    allowed: "a number from 1",
    fallback: defaults.backoffMultiplier,
    parse: parseNumber,
    isAllowed: (multiplier) => Number.isFinite(multiplier) && multiplier >= 1
  },
  jitterFactor: {
    key: "WEBSOCKET_JITTER_FACTOR",
    allowed: "a number from 0 to 1",
    fallback: defaults.jitterFactor,
    parse: parseNumber,
    isAllowed: (factor) => factor >= 0 && factor <= 1
  },
  stableAfter: {
    key: "WEBSOCKET_STABLE_AFTER",
    allowed: `zero or longer, in seconds or like "5 seconds"`,
    fallback: defaults.stableAfter,
    parse: parseDuration,
    isAllowed: isFinite
  }
} satisfies { readonly [K in Exclude<keyof ReconnectPolicy, "provenBy">]: Field<ReconnectPolicy[K]> }

type Value = boolean | number | string | Duration.Duration

const shown = (value: Value) => Duration.isDuration(value) ? Duration.format(value) : String(value)

const invalid = (key: string, value: string, allowed: string) =>
  ConfigError.InvalidData([key], `${key} is "${value}", and must be ${allowed}`)

// The one rule between two settings.
const atLeastInitial = (initial: Duration.Duration) => `at least the initial delay of ${Duration.format(initial)}`

const inOrder = ({ initialDelay, maxDelay }: Pick<ReconnectPolicy, "initialDelay" | "maxDelay">) =>
  Duration.greaterThanOrEqualTo(maxDelay, initialDelay)

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
  const duration = (input: Duration.DurationInput | undefined, fallback: Duration.Duration) =>
    input === undefined ? fallback : Duration.decode(input)
  const policy: ReconnectPolicy = {
    enabled: options.enabled ?? defaults.enabled,
    maxRetries: options.maxRetries ?? defaults.maxRetries,
    initialDelay: duration(options.initialDelay, defaults.initialDelay),
    maxDelay: duration(options.maxDelay, defaults.maxDelay),
    backoffMultiplier: options.backoffMultiplier ?? defaults.backoffMultiplier,
    jitterFactor: options.jitterFactor ?? defaults.jitterFactor,
    stableAfter: duration(options.stableAfter, defaults.stableAfter),
    provenBy: options.provenBy ?? defaults.provenBy
  }
  const check = <A extends Value>(
    name: string,
    value: A,
    { allowed, isAllowed }: { readonly allowed: string; readonly isAllowed: (value: A) => boolean }
  ) =>
    isAllowed(value)
      ? []
      : [invalid(name, shown(value), allowed)]
  const errors = [
    ...check("maxRetries", policy.maxRetries, fields.maxRetries),
    ...check("initialDelay", policy.initialDelay, fields.initialDelay),
    ...check("maxDelay", policy.maxDelay, fields.maxDelay),
    ...check("backoffMultiplier", policy.backoffMultiplier, fields.backoffMultiplier),
    ...check("jitterFactor", policy.jitterFactor, fields.jitterFactor),
    ...check("stableAfter", policy.stableAfter, fields.stableAfter),
    ...check("maxDelay", policy.maxDelay, {
      allowed: atLeastInitial(policy.initialDelay),
      isAllowed: () => inOrder(policy)
    })
  ]
  return Arr.isNonEmptyReadonlyArray(errors)
    ? Either.left(errors.reduce((all, error) => ConfigError.And(all, error)))
    : Either.right(policy)
}

// ---------------------------------------------------------------------------------------------------------------------
// The schedule

/**
 * What a life that ended tells the schedule. A dial that never opened is a life too, if a short one.
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
export const isProven = (policy: ReconnectPolicy) => (loss: Loss): boolean =>
  loss.opened &&
  Duration.greaterThanOrEqualTo(loss.openFor, policy.stableAfter) &&
  (policy.provenBy === "open" || loss.messages > 0)

/**
 * Waits `initialDelay`, then that times `multiplier`, and so on, without end or bound.
 *
 * @since 0.1.0
 * @category combinators
 */
export const exponential = (
  initialDelay: Duration.DurationInput,
  multiplier: number
): Schedule.Schedule<Duration.Duration> => Schedule.exponential(initialDelay, multiplier)

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
  Effect.map(Random.next, (chance) => Duration.millis(least + chance * (most - least)))

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
  <Out, R>(self: Schedule.Schedule<Out, Loss, R>): Schedule.Schedule<Loss, Loss, R> =>
    self.pipe(Schedule.zipRight(Schedule.identity<Loss>()), Schedule.resetWhen(isProven(policy)))

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
    noSoonerThanAsked(policy.jitterFactor)
  )

// ---------------------------------------------------------------------------------------------------------------------
// From the environment or a file

// An empty value is how a shell unsets a variable: as good as none.
const read = <A>({ allowed, fallback, isAllowed, key, parse }: Field<A>): Config.Config<A> =>
  Config.string(key).pipe(
    Config.mapOrFail((text) =>
      text.trim() === "" ? Either.right(fallback) : Either.fromOption(
        Option.filter(parse(text.trim()), isAllowed),
        () => invalid(key, text, allowed)
      )
    ),
    Config.withDefault(fallback)
  )

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
export const config: Config.Config<ReconnectPolicy> = Config.all({
  enabled: read(fields.enabled),
  maxRetries: read(fields.maxRetries),
  initialDelay: read(fields.initialDelay),
  maxDelay: read(fields.maxDelay),
  backoffMultiplier: read(fields.backoffMultiplier),
  jitterFactor: read(fields.jitterFactor),
  stableAfter: read(fields.stableAfter)
}).pipe(
  Config.mapOrFail((settings) =>
    inOrder(settings)
      ? Either.right({ ...settings, provenBy: defaults.provenBy })
      : Either.left(
        invalid(fields.maxDelay.key, Duration.format(settings.maxDelay), atLeastInitial(settings.initialDelay))
      )
  )
)

/**
 * The names of the settings as {@link config} reads them.
 *
 * @since 0.1.0
 * @category config
 */
export const keys: ReadonlyArray<string> = Object.values(fields).map(({ key }) => key)

const warn = (message: string, key: string, used: string) =>
  Effect.logWarning(`${message}. Using ${used} instead.`).pipe(Effect.annotateLogs({ key, used }))

const readOrDefault = <A extends Value>(
  field: Field<A>
): Effect.Effect<A> =>
  Effect.catchAll(read(field), (error) =>
    Effect.as(
      warn("message" in error ? error.message : `${field.key} cannot be read`, field.key, shown(field.fallback)),
      field.fallback
    ))

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
export const configOrDefault: Effect.Effect<ReconnectPolicy> = Effect.gen(function*() {
  const settings = {
    enabled: yield* readOrDefault(fields.enabled),
    maxRetries: yield* readOrDefault<number | "unlimited">(fields.maxRetries),
    initialDelay: yield* readOrDefault(fields.initialDelay),
    maxDelay: yield* readOrDefault(fields.maxDelay),
    backoffMultiplier: yield* readOrDefault(fields.backoffMultiplier),
    jitterFactor: yield* readOrDefault(fields.jitterFactor),
    stableAfter: yield* readOrDefault(fields.stableAfter),
    provenBy: defaults.provenBy
  }
  if (inOrder(settings)) return settings
  const maxDelay = Duration.max(defaults.maxDelay, settings.initialDelay)
  const { key } = fields.maxDelay
  const text = `${key} is "${Duration.format(settings.maxDelay)}", and must be ${atLeastInitial(settings.initialDelay)}`
  yield* warn(text, key, shown(maxDelay))
  return { ...settings, maxDelay }
})
