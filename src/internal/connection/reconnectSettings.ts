// What is allowed of each setting of the reconnection, where it is read from, and what it is when nobody says: the one
// place where the rules are written down.
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import type { ReconnectPolicy } from "../../ReconnectPolicy.ts"

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

export interface Field<A> {
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

export const fields = {
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
    allowed: `zero or longer, in seconds or like "500 millis"`,
    fallback: defaults.initialDelay,
    parse: parseDuration,
    isAllowed: isFinite
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

export type Value = boolean | number | string | Duration.Duration

export const shown = (value: Value) => Duration.isDuration(value) ? Duration.format(value) : String(value)

/** An empty value is how a shell unsets a variable: as good as none. */
export const isBlank = (text: string): boolean => text.trim() === ""

export const invalid = (key: string, value: string, allowed: string) =>
  ConfigError.InvalidData([key], `${key} is "${value}", and must be ${allowed}`)

/** A duration as it is given in code: what the compiler would have refused says so as everything else does. */
export const duration = (
  key: string,
  input: Duration.DurationInput | undefined,
  fallback: Duration.Duration
): Either.Either<Duration.Duration, ConfigError.ConfigError> =>
  input === undefined
    ? Either.right(fallback)
    : Either.fromOption(
      Duration.decodeUnknown(input),
      () => invalid(key, String(input), `a duration, such as "20 seconds"`)
    )

// The one rule between two settings.
export const atLeastInitial = (initial: Duration.Duration) => `at least the initial delay of ${Duration.format(initial)}`

export const inOrder = ({ initialDelay, maxDelay }: Pick<ReconnectPolicy, "initialDelay" | "maxDelay">) =>
  Duration.greaterThanOrEqualTo(maxDelay, initialDelay)
