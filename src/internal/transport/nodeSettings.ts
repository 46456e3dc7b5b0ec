// The settings of the transport for Node that can be read from the environment or a file.
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Redacted from "effect/Redacted"
import { allowed, parse } from "./proxyUrl.ts"

const keys = { proxy: "WEBSOCKET_PROXY", caFile: "WEBSOCKET_CA_FILE" } as const

/** The keys that {@link config} reads. */
export const settingKeys: ReadonlyArray<string> = Object.values(keys)

export interface NodeSettings {
  readonly proxy?: Redacted.Redacted | "environment" | undefined
  readonly caFile?: string | undefined
}

type Parse<A> = (given: Redacted.Redacted) => Either.Either<A, ConfigError.ConfigError>

// An empty value counts as missing: that is how a shell clears a variable.
const setting = <A>(key: string, parse: Parse<A>): Config.Config<A | undefined> =>
  Config.string(key).pipe(
    Config.mapOrFail((text) => text.trim() === "" ? Either.right(undefined) : parse(Redacted.make(text))),
    Config.withDefault(undefined)
  )

const proxyOf: Parse<NodeSettings["proxy"]> = (given) =>
  Redacted.value(given).trim() === "environment"
    ? Either.right("environment")
    : Either.mapBoth(parse(given), {
      onLeft: (problem) => ConfigError.InvalidData([], `Expected environment, or ${allowed}, but ${problem}`),
      onRight: () => given
    })

export const config: Config.Config<NodeSettings> = Config.all({
  proxy: setting(keys.proxy, proxyOf),
  caFile: setting(keys.caFile, (given) => Either.right(Redacted.value(given).trim()))
})
