// The settings of a reconnect policy, as one table: the key, the parser and the allowed values of each.
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { pipe } from "effect/Function"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import type { Options, ReconnectPolicy } from "../../ReconnectPolicy.ts"

export const defaults: ReconnectPolicy = {
  enabled: true,
  maxRetries: 10,
  initialDelay: Duration.seconds(1),
  maxDelay: Duration.seconds(60),
  backoffMultiplier: 2,
  jitterFactor: 0.25,
  stableAfter: Duration.seconds(5),
  provenBy: "pong"
}

// ---------------------------------------------------------------------------------------------------------------------
// Values

const booleans = new Map([
  ...["true", "yes", "on", "1"].map((text) => [text, true] as const),
  ...["false", "no", "off", "0"].map((text) => [text, false] as const)
])

const parseBoolean = (text: string) => Option.fromNullable(booleans.get(text.toLowerCase()))

/** Parses a finite number. */
export const parseNumber = (text: string) => {
  const number = Number(text)
  return Number.isFinite(number) ? Option.some(number) : Option.none()
}

// `Duration` would read a negative number, and NaN, as zero.
const isNegative = (given: unknown): boolean => {
  if (Array.isArray(given)) return given.some(isNegative)
  return typeof given === "number" || typeof given === "bigint" ? !(given >= 0) : typeof given === "string" && given.startsWith("-")
}

// A longer one counts as infinite: neither the date of its end nor its text could be computed.
const longest = Duration.days(36_525)

const decode = (given: unknown): Option.Option<Duration.Duration> =>
  isNegative(given) ? Option.none() : Option.map(
    Duration.decodeUnknown(given),
    (duration) => Duration.greaterThan(duration, longest) ? Duration.infinity : duration
  )

/** Parses a duration. Plain numbers are seconds. */
export const parseDuration = (text: string): Option.Option<Duration.Duration> =>
  Option.match(parseNumber(text), { onNone: () => decode(text), onSome: (seconds) => decode(seconds * 1_000) })

const parseRetries = (text: string): Option.Option<number | "unlimited"> =>
  text === "unlimited" ? Option.some(text) : parseNumber(text)

type Value = boolean | number | string | Duration.Duration

export const shown = (value: Value) => Duration.isDuration(value) ? Duration.format(value) : String(value)

/** An empty value counts as missing: that is how a shell clears a variable. */
export const isBlank = (text: string): boolean => text.trim() === ""

// Effect shows the path in front of the message, and puts the key of a `Config` into the path. So the message names no key.
export const invalid = (path: ReadonlyArray<string>, value: string, allowed: string) =>
  ConfigError.InvalidData([...path], `Expected ${allowed}, but received "${value}"`)

/** Decodes a duration given in code. Programs without types may pass anything, so a bad value is a `ConfigError` too. */
export const asDuration = (
  name: string,
  given: Duration.DurationInput
): Either.Either<Duration.Duration, ConfigError.ConfigError> =>
  Either.fromOption(
    decode(given),
    () => invalid([name], String(given), `a duration, such as "20 seconds"`)
  )

// ---------------------------------------------------------------------------------------------------------------------
// One setting

// `provenBy` can be set in code only.
type Name = Exclude<keyof ReconnectPolicy, "provenBy">

interface Row<A, Given> {
  readonly key: string
  readonly allowed: string
  /** Reads the value from configuration. */
  readonly parse: (text: string) => Option.Option<A>
  /** Reads the value from options in code. */
  readonly decode: (name: string, given: Given) => Either.Either<A, ConfigError.ConfigError>
  readonly isAllowed: (value: A) => boolean
}

/** Puts one setting into a policy. */
export type Update = (policy: ReconnectPolicy) => ReconnectPolicy

export interface Setting<K extends Name = Name> {
  readonly name: K
  readonly key: string
  /** Reads the value from options in code. A value that is not allowed comes with an error. */
  readonly given: (options: Options) => { readonly update: Update; readonly errors: ReadonlyArray<ConfigError.ConfigError> }
  readonly config: Config.Config<Update>
  /** Reads the value from configuration. Logs a warning if it is not allowed, and uses the default. */
  readonly configOrDefault: Effect.Effect<Update>
}

const warn = (key: string, error: ConfigError.ConfigError, used: Value, what = "") =>
  Effect.logWarning(`${key}: ${"message" in error ? error.message : "It cannot be read"}. Using ${what}${shown(used)} instead.`).pipe(
    Effect.annotateLogs({ key, used: shown(used) })
  )

const setting = <K extends Name>(name: K, row: Row<ReconnectPolicy[K], NonNullable<Options[K]>>): Setting<K> => {
  const { allowed, decode, isAllowed, key, parse } = row
  const fallback: ReconnectPolicy[K] = defaults[name]
  const put = (value: ReconnectPolicy[K]): Update => (policy) => ({ ...policy, [name]: value })

  const config = pipe(
    Config.string(key),
    Config.mapOrFail((text) =>
      isBlank(text) ? Either.right(fallback) : Either.fromOption(
        Option.filter(parse(text.trim()), isAllowed),
        () => invalid([], text, allowed)
      )
    ),
    Config.withDefault(fallback)
  )

  return {
    name,
    key,
    given: (options) =>
      Option.match(Option.fromNullable(options[name]), {
        onNone: () => ({ update: put(fallback), errors: [] }),
        onSome: (given) =>
          Either.match(decode(name, given), {
            onLeft: (error) => ({ update: put(fallback), errors: [error] }),
            onRight: (value) => ({
              update: put(value),
              errors: isAllowed(value) ? [] : [invalid([name], shown(value), allowed)]
            })
          })
      }),
    config: Config.map(config, put),
    configOrDefault: config.pipe(
      Effect.catchAll((error) => Effect.as(warn(key, error, fallback), fallback)),
      Effect.map(put)
    )
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The table

const asGiven = <A>(_: string, given: A) => Either.right(given)

const isFinite = (duration: Duration.Duration) => Duration.isFinite(duration)

const table: { readonly [K in Name]: Setting<K> } = {
  enabled: setting("enabled", {
    key: "WEBSOCKET_RECONNECTION_ENABLED",
    allowed: "true or false",
    parse: parseBoolean,
    decode: asGiven,
    isAllowed: Predicate.isBoolean
  }),
  maxRetries: setting("maxRetries", {
    key: "WEBSOCKET_MAX_RETRIES",
    allowed: `a whole number from 0, or "unlimited"`,
    parse: parseRetries,
    decode: asGiven,
    isAllowed: (retries) => retries === "unlimited" || (Number.isSafeInteger(retries) && retries >= 0)
  }),
  initialDelay: setting("initialDelay", {
    key: "WEBSOCKET_INITIAL_DELAY",
    allowed: `a duration of zero or longer, in seconds or like "500 millis"`,
    parse: parseDuration,
    decode: asDuration,
    isAllowed: isFinite
  }),
  maxDelay: setting("maxDelay", {
    key: "WEBSOCKET_MAX_DELAY",
    allowed: `a duration longer than zero, in seconds or like "2 minutes"`,
    parse: parseDuration,
    decode: asDuration,
    isAllowed: (delay) => isFinite(delay) && Duration.greaterThan(delay, Duration.zero)
  }),
  backoffMultiplier: setting("backoffMultiplier", {
    key: "WEBSOCKET_BACKOFF_MULTIPLIER",
    allowed: "a number from 1",
    parse: parseNumber,
    decode: asGiven,
    isAllowed: (multiplier) => Number.isFinite(multiplier) && multiplier >= 1
  }),
  jitterFactor: setting("jitterFactor", {
    key: "WEBSOCKET_JITTER_FACTOR",
    allowed: "a number from 0 to 1",
    parse: parseNumber,
    decode: asGiven,
    isAllowed: (factor) => Number.isFinite(factor) && factor >= 0 && factor <= 1
  }),
  stableAfter: setting("stableAfter", {
    key: "WEBSOCKET_STABLE_AFTER",
    allowed: `a duration of zero or longer, in seconds or like "5 seconds"`,
    parse: parseDuration,
    decode: asDuration,
    isAllowed: isFinite
  })
}

/** The error if `provenBy` is none of its words. */
export const provenByError = ({ provenBy }: ReconnectPolicy): Option.Option<ConfigError.ConfigError> =>
  ["pong", "message", "open"].includes(provenBy)
    ? Option.none()
    : Option.some(invalid(["provenBy"], provenBy, "pong, message or open"))

/** All rows of the table. */
export const settings: ReadonlyArray<Setting> = Object.values(table)

export const policyOf = (updates: ReadonlyArray<Update>): ReconnectPolicy =>
  updates.reduce((policy, update) => update(policy), defaults)

// ---------------------------------------------------------------------------------------------------------------------
// The pace

// The mean of the waits that go on for ever: at the cap, jitter only shortens.
const lastWait = ({ backoffMultiplier, initialDelay, jitterFactor, maxDelay }: ReconnectPolicy): number => {
  const first = Duration.toMillis(initialDelay) || 1_000
  const cap = Duration.toMillis(maxDelay)
  const wait = backoffMultiplier > 1 ? cap : Math.min(first, cap)
  return wait < cap ? wait : cap * (1 - jitterFactor / 2)
}

// The time from one dial to the next at a server that accepts each and closes it as soon as it counts as proven.
const provenWait = ({ initialDelay, maxDelay, stableAfter }: ReconnectPolicy): number =>
  Duration.toMillis(stableAfter) + Math.min(Duration.toMillis(initialDelay) || 1_000, Duration.toMillis(maxDelay))

const storm = 100

/** Tells whether the policy can dial more than ten times a second without end. */
export const isStorm = (policy: ReconnectPolicy): boolean =>
  policy.enabled && policy.maxRetries !== 0 &&
  ((policy.maxRetries === "unlimited" && lastWait(policy) < storm) || provenWait(policy) < storm)

// ---------------------------------------------------------------------------------------------------------------------
// The rule between two settings

// The longest wait is at fault only if the user set it.
const culprit = ({ maxDelay }: ReconnectPolicy) =>
  Duration.equals(maxDelay, defaults.maxDelay) ? table.initialDelay : table.maxDelay

/** The error if the longest wait is below the first one. It names `field` of the setting that is at fault. */
export const orderError = (policy: ReconnectPolicy, field: "key" | "name" = "key"): Option.Option<ConfigError.ConfigError> =>
  Duration.lessThan(policy.maxDelay, policy.initialDelay)
    ? Option.some(ConfigError.InvalidData(
      [culprit(policy)[field]],
      `The initial delay of ${shown(policy.initialDelay)} is longer than the maximum of ${shown(policy.maxDelay)}`
    ))
    : Option.none()

/** Raises a `maxDelay` below the first wait to the default, or to the first wait if that is longer, and logs a warning. */
export const raiseCap = (policy: ReconnectPolicy): Effect.Effect<ReconnectPolicy> =>
  Option.match(orderError(policy), {
    onNone: () => Effect.succeed(policy),
    onSome: (error) => {
      const maxDelay = Duration.max(defaults.maxDelay, policy.initialDelay)
      return Effect.as(warn(culprit(policy).key, error, maxDelay, "a maximum of "), { ...policy, maxDelay })
    }
  })
