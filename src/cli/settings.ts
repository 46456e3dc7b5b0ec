// Settings of the program.
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Duration from "effect/Duration"
import * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { invalid, isBlank, parseDuration, parseNumber } from "../internal/connection/reconnectSettings.ts"
import { either, near } from "./near.ts"
import { allVenueNames, venueNames } from "./venueNames.ts"

// Effect's own names of two levels are accepted too.
const effectNames: ReadonlyMap<string, LogLevel.LogLevel> = new Map([
  ["warning", LogLevel.Warning],
  ["none", LogLevel.None]
])

const labels: ReadonlyMap<string, LogLevel.LogLevel> = new Map(
  LogLevel.allLevels.map((level) => [level.label.toLowerCase(), level])
)

export const logLevels: ReadonlyMap<string, LogLevel.LogLevel> = new Map([...labels, ...effectNames])

export const logLevelNames: ReadonlyArray<string> = [...labels.keys()]

const unknownChoice = (text: string, choices: ReadonlyArray<string>): ConfigError.ConfigError => {
  const meant = near(text.trim(), choices)
  const hint = meant.length === 0 ? "" : `, which may stand for ${either(meant)}`
  return ConfigError.InvalidData([], `Expected one of ${choices.join(", ")}, but received "${text}"${hint}`)
}

/** Reads one of the choices. An empty value counts as missing: that is how a shell clears a variable. */
export const oneOf = <A>(
  key: string,
  choices: ReadonlyMap<string, A>,
  fallback: A,
  shown: ReadonlyArray<string> = [...choices.keys()]
): Config.Config<A> =>
  Config.string(key).pipe(
    Config.mapOrFail((text) => {
      const word = text.trim().toLowerCase()
      const choice = word === "" ? fallback : choices.get(word)
      return choice === undefined
        ? Either.left(unknownChoice(text, shown))
        : Either.right(choice)
    }),
    Config.withDefault(fallback)
  )

/** The venue where no option names one. */
export const tradingMode = oneOf("TRADING_MODE", allVenueNames, "demo", venueNames)

/** The lowest level that the program logs. Off by default, because the view shows the same to people. */
export const logLevel = oneOf("LOG_LEVEL", logLevels, LogLevel.None, logLevelNames)

// Undefined: the variable is not set, or empty.
const optional = <A>(key: string, allowed: string, parse: (text: string) => Option.Option<A>): Config.Config<A | undefined> =>
  Config.string(key).pipe(
    Config.mapOrFail((text): Either.Either<A | undefined, ConfigError.ConfigError> =>
      isBlank(text) ? Either.right(undefined) : Either.fromOption(parse(text.trim()), () => invalid([], text, allowed))
    ),
    Config.withDefault(undefined)
  )

const count = (key: string) =>
  optional(key, "a whole number from 1", (text) =>
    Option.filter(parseNumber(text), (value) => Number.isSafeInteger(value) && value >= 1))

/** The limits of the repair of one gap. */
export const repair = Config.all({
  repairLimit: count("REPAIR_LIMIT"),
  repairWeight: count("REPAIR_WEIGHT"),
  repairTime: optional("REPAIR_TIME", `a duration longer than zero, in seconds or like "10 minutes"`, (text) =>
    Option.filter(parseDuration(text), (time) => Duration.greaterThan(time, Duration.zero)))
})

/** The key for older trades of Binance's futures. */
export const apiKey: Config.Config<Redacted.Redacted | undefined> = Config.redacted("BINANCE_API_KEY").pipe(
  Config.map((key) => isBlank(Redacted.value(key)) ? undefined : key),
  Config.withDefault(undefined)
)
