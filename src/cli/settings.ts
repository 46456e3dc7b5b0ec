// Settings of the program that are one word out of a few.
import * as Config from "effect/Config"
import * as Either from "effect/Either"
import { invalid } from "../internal/connection/reconnectSettings.ts"

/** An empty value is how a shell unsets a variable: as good as none. */
export const oneOf = <A>(key: string, choices: ReadonlyMap<string, A>, fallback: A): Config.Config<A> =>
  Config.string(key).pipe(
    Config.mapOrFail((text) => {
      const word = text.trim().toLowerCase()
      const choice = word === "" ? fallback : choices.get(word)
      return choice === undefined
        ? Either.left(invalid([], text, `one of ${[...choices.keys()].join(", ")}`))
        : Either.right(choice)
    }),
    Config.withDefault(fallback)
  )
