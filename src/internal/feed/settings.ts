// Checks the options of a feed and fills in the defaults.
import type * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import type { BookOptions, Options } from "../../market/MarketFeed.ts"
import type { Venue } from "../../market/Venue.ts"
import { invalid, shown } from "../connection/reconnectSettings.ts"
import * as Connection from "../connection/settings.ts"
import type { Limits } from "./repair.ts"
import * as Session from "../session/settings.ts"

export interface Settings {
  readonly redundancy: number
  readonly maxAge: Duration.Duration
  readonly renewalTimeout: Duration.Duration
  readonly streamsPerConnection: number
  readonly buffer: number
  readonly repair: Limits
  readonly fillCandles: boolean
  readonly symbolLabels: boolean
  readonly grace: Duration.Duration
}

// The docstrings of `MarketFeed.Options` repeat the defaults for users.
export const resolve = (venue: Venue, options: Options): Either.Either<Settings, ConfigError.ConfigError> =>
  Either.gen(function*() {
    // Checked here, since the connections are opened later.
    yield* Connection.resolve({ ...options.connection, url: "" }, true)
    yield* Session.resolve(venue.protocol)
    const { topicsPerConnection } = venue.limits
    return {
      redundancy: yield* Connection.atLeast("redundancy", 1, options.redundancy, 1),
      maxAge: yield* Connection.positive("maxAge", options.maxAge, Duration.hours(23)),
      renewalTimeout: yield* Connection.positive("renewalTimeout", options.renewalTimeout, Duration.seconds(30)),
      streamsPerConnection: yield* Connection.atLeast(
        "streamsPerConnection",
        1,
        options.streamsPerConnection,
        yield* Connection.atLeast("venue.limits.topicsPerConnection", 1, topicsPerConnection, topicsPerConnection)
      ),
      buffer: yield* Connection.atLeast("buffer", 1, options.buffer, 8_192),
      repair: {
        events: yield* Connection.atLeast("repairLimit", 1, options.repairLimit, 1_000_000),
        weight: options.repairWeight === undefined
          ? Number.POSITIVE_INFINITY
          : yield* Connection.atLeast("repairWeight", 1, options.repairWeight, options.repairWeight),
        time: yield* Connection.positive("repairTime", options.repairTime, Duration.minutes(10))
      },
      fillCandles: options.fillCandles ?? false,
      symbolLabels: options.symbolLabels ?? false,
      grace: yield* Connection.finite("grace", options.grace, Duration.millis(500))
    }
  })

export interface BookSettings {
  readonly levels: number
  /** Undefined: there are no audits. */
  readonly audit: Duration.Duration | undefined
  readonly speed: string | undefined
}

const speedOf = (speed: string | undefined, speeds: ReadonlyArray<string>) =>
  speed === undefined || speeds.includes(speed)
    ? Either.right(speed)
    : Either.left(invalid(["speed"], shown(speed), speeds.length === 0 ? "no speed, since the venue has no choice" : `one of ${speeds.join(", ")}`))

// The docstring of `MarketFeed.BookOptions` repeats the default for users.
export const resolveBook = ({ audit, levels, speed }: BookOptions, speeds: ReadonlyArray<string> = []): Either.Either<BookSettings, ConfigError.ConfigError> =>
  Either.gen(function*() {
    return {
      levels: yield* Connection.atLeast("levels", 1, levels, 500),
      speed: yield* speedOf(speed, speeds),
      audit: audit === undefined ? undefined : yield* Connection.positive("audit", audit, Duration.infinity)
    }
  })
