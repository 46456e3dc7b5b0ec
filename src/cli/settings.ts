// Settings of the program whose value is one word of a list.
import * as Config from "effect/Config"
import * as Either from "effect/Either"
import * as LogLevel from "effect/LogLevel"
import { invalid } from "../internal/connection/reconnectSettings.ts"

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
        ? Either.left(invalid([], text, `one of ${shown.join(", ")}`))
        : Either.right(choice)
    }),
    Config.withDefault(fallback)
  )

/** The lowest level that the program logs. Off by default, because the view shows the same to people. */
export const logLevel = oneOf("LOG_LEVEL", logLevels, LogLevel.None, logLevelNames)
