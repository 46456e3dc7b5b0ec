// Checks what a protocol says in numbers and durations, and fills in the defaults.
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type { SessionProtocol } from "../../SessionProtocol.ts"
import { invalid, shown } from "../connection/reconnectSettings.ts"
import { atLeast, defaultMaxBytes, durationOf, positive } from "../connection/settings.ts"

const positiveAndFinite = (key: string, value: Duration.DurationInput) =>
  Either.filterOrLeft(
    positive(key, value, Duration.zero),
    (given) => Duration.isFinite(given),
    () => invalid([key], shown(Duration.infinity), "a duration that ends")
  )

const limit = (value: number) =>
  value >= 1 ? Either.right(value) : Either.left(invalid(["protocol.pace.limit"], shown(value), "a number from 1"))

type Acknowledgements = Exclude<SessionProtocol<never>["acknowledgements"], undefined>

const allAcknowledgements: ReadonlyArray<Acknowledgements> = ["expected", "none"]

// Checked, because programs without types may pass anything.
const acknowledgements = (given: Acknowledgements) =>
  allAcknowledgements.includes(given)
    ? Either.right(given)
    : Either.left(invalid(["protocol.acknowledgements"], given, `one of ${allAcknowledgements.join(", ")}`))

export interface Settings {
  readonly maxBatch: number
  readonly pace: { readonly limit: number; readonly window: Duration.Duration }
  readonly acknowledgements: Acknowledgements
  /** The durations of the heartbeat, if there is one. */
  readonly heartbeat: { readonly interval: Duration.Duration; readonly timeout: Duration.Duration } | undefined
}

export const resolve = <A, N>(protocol: SessionProtocol<A, N>): Either.Either<Settings, ConfigError.ConfigError> =>
  Either.gen(function*() {
    const { heartbeat } = protocol
    return {
      maxBatch: yield* atLeast("protocol.maxBatch", 1, protocol.maxBatch, 1),
      pace: {
        limit: yield* limit(protocol.pace.limit),
        window: yield* positiveAndFinite("protocol.pace.window", protocol.pace.window)
      },
      acknowledgements: yield* acknowledgements(protocol.acknowledgements ?? "expected"),
      heartbeat: heartbeat === undefined ? undefined : {
        interval: yield* positiveAndFinite("protocol.heartbeat.interval", heartbeat.interval),
        timeout: yield* positive("protocol.heartbeat.timeout", heartbeat.timeout, Duration.seconds(10))
      }
    }
  })

export interface StreamSettings {
  readonly capacity: number
  readonly maxBytes: number
}

/** Checks the options of a topic's stream. */
export const resolveStream = (
  { capacity, maxBytes }: { readonly [K in keyof StreamSettings]?: number | undefined }
): Either.Either<StreamSettings, ConfigError.ConfigError> =>
  Either.gen(function*() {
    return {
      capacity: yield* atLeast("capacity", 2, capacity, 4_096),
      maxBytes: yield* atLeast("maxBytes", 1, maxBytes, defaultMaxBytes)
    }
  })

/** The time that a refusal asks for. Undefined for none, for one that never ends, and for one that is no duration. */
export const retryOf = (given: Duration.DurationInput | undefined): Duration.Duration | undefined => {
  const retry = durationOf("retry", given, Duration.infinity)
  return Either.isRight(retry) && Duration.isFinite(retry.right) ? retry.right : undefined
}
