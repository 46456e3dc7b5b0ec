// Checks the options of a connection and fills in the defaults.
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import type { Handshake, Options } from "../../Connection.ts"
import type { Classify } from "../../FailureClass.ts"
import * as ReconnectPolicy from "../../ReconnectPolicy.ts"
import type { DialRequest } from "../../Transport.ts"
import type { Overflow } from "../stream/broadcast.ts"
import type { Parts, Source } from "./dialRequest.ts"
import { countOf, headersOf, sourceOf } from "./dialRequest.ts"
import { asDuration, invalid, shown } from "./reconnectSettings.ts"
import type { Reconnect } from "./reconnection.ts"

export interface Settings {
  readonly name: string | undefined
  readonly request: Parts
  readonly dial: Pick<DialRequest, "maxMessageBytes" | "closeTimeout">
  readonly reconnect: Reconnect
  readonly openTimeout: Duration.Duration
  readonly messageTimeout: Duration.Duration
  readonly pingInterval: Duration.Duration
  readonly pongTimeout: Duration.Duration
  readonly inbox: { readonly capacity: number; readonly maxBytes: number; readonly overflow: Overflow }
  readonly classify: Classify
  /** Whether another connection has shown that the server serves us: a refusal then is passing. */
  readonly isTrusted: () => boolean
  readonly onOpen: ((handshake: Handshake) => Effect.Effect<void, unknown>) | undefined
}

export const durationOf = (key: string, value: Duration.DurationInput | undefined, fallback: Duration.Duration) =>
  value === undefined ? Either.right(fallback) : asDuration(key, value)

export const positive = (key: string, value: Duration.DurationInput | undefined, fallback: Duration.Duration) =>
  Either.filterOrLeft(
    durationOf(key, value, fallback),
    Duration.greaterThan(Duration.zero),
    (given) => invalid([key], shown(given), "a duration longer than zero")
  )

export const finite = (key: string, value: Duration.DurationInput | undefined, fallback: Duration.Duration) =>
  Either.filterOrLeft(
    durationOf(key, value, fallback),
    (given) => Duration.isFinite(given),
    (given) => invalid([key], shown(given), "a duration of zero or longer")
  )

export const atLeast = (key: string, least: number, value: number | undefined, fallback: number) =>
  value === undefined || (Number.isInteger(value) && value >= least)
    ? Either.right(value ?? fallback)
    : Either.left(invalid([key], shown(value), `a whole number from ${least}`))

const overflows: ReadonlyArray<Overflow> = ["suspend", "sliding", "dropping", "fail"]

// Checked, because programs without types may pass anything: an unknown policy would drop messages without a trace.
const overflow = (value: Overflow) =>
  overflows.includes(value)
    ? Either.right(value)
    : Either.left(invalid(["inbox.overflow"], value, `one of ${overflows.join(", ")}`))

const name = (given: string | undefined) =>
  given === "" ? Either.left(invalid(["name"], "", "a text that is not empty")) : Either.right(given)

// Programs without types may pass an empty list.
const source = (url: Options["url"]): Either.Either<Source, ConfigError.ConfigError> =>
  Either.filterOrLeft(
    Either.right(sourceOf(url)),
    (given) => countOf(given) > 0,
    () => invalid(["url"], "[]", "at least one URL")
  )

const reconnect = (given: Options["reconnect"]): Either.Either<Reconnect, ConfigError.ConfigError> =>
  given === undefined
    ? Either.right(ReconnectPolicy.defaults)
    : Schedule.isSchedule(given) ? Either.right(given) : ReconnectPolicy.make(given)

/** 64 MiB: four messages of the largest size that is accepted by default. */
export const defaultMaxBytes = 64 * 1024 * 1024

/** The deadline for messages where nothing else shows a dead peer. */
export const defaultMessageTimeout = Duration.seconds(30)

const messageTimeoutFor = (canPing: boolean, pingInterval: Duration.Duration, pongTimeout: Duration.Duration) =>
  canPing && Duration.isFinite(pingInterval) && Duration.isFinite(pongTimeout) ? Duration.infinity : defaultMessageTimeout

// Shared by all connections, to save memory. The docstrings of `Connection.Options` repeat these values for users.
const defaults = {
  closeTimeout: Duration.seconds(2),
  openTimeout: Duration.seconds(10),
  pingInterval: Duration.seconds(20),
  pongTimeout: Duration.seconds(10),
  classify: ((_, standard) => standard) satisfies Classify,
  isTrusted: () => false
}

export const resolve = (
  options: Options,
  canPing: boolean,
  isTrusted: Settings["isTrusted"] = defaults.isTrusted
): Either.Either<Settings, ConfigError.ConfigError> =>
  Either.gen(function*() {
    const pingInterval = yield* positive("pingInterval", options.pingInterval, defaults.pingInterval)
    const pongTimeout = yield* positive("pongTimeout", options.pongTimeout, defaults.pongTimeout)
    return {
      name: yield* name(options.name),
      request: {
        source: yield* source(options.url),
        headers: headersOf(options.headers),
        protocols: options.protocols ?? []
      },
      dial: {
        maxMessageBytes: yield* atLeast("maxMessageBytes", 1, options.maxMessageBytes, 16 * 1024 * 1024),
        closeTimeout: yield* positive("closeTimeout", options.closeTimeout, defaults.closeTimeout)
      },
      reconnect: yield* reconnect(options.reconnect),
      openTimeout: yield* positive("openTimeout", options.openTimeout, defaults.openTimeout),
      messageTimeout: yield* positive(
        "messageTimeout",
        options.messageTimeout,
        messageTimeoutFor(canPing, pingInterval, pongTimeout)
      ),
      pingInterval,
      pongTimeout,
      inbox: {
        capacity: yield* atLeast("inbox.capacity", 2, options.inbox?.capacity, 4096),
        maxBytes: yield* atLeast("inbox.maxBytes", 1, options.inbox?.maxBytes, defaultMaxBytes),
        overflow: yield* overflow(options.inbox?.overflow ?? "suspend")
      },
      classify: options.classify ?? defaults.classify,
      isTrusted,
      onOpen: options.onOpen
    }
  })
