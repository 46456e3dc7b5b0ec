// The settings of the transport for Node that can be read from the environment or a file.
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { allowed, parse } from "./proxyUrl.ts"

const keys = { proxy: "WEBSOCKET_PROXY", caFile: "WEBSOCKET_CA_FILE" } as const

/** The keys that {@link config} reads. */
export const settingKeys: ReadonlyArray<string> = Object.values(keys)

export interface NodeSettings {
  readonly proxy?: Redacted.Redacted | "environment" | undefined
  readonly caFile?: string | undefined
}

// An empty value counts as missing: that is how a shell clears a variable.
const setting = (key: string) =>
  Config.map(
    Config.option(Config.redacted(key)),
    (found) => Option.getOrUndefined(Option.filter(found, (value) => Redacted.value(value).trim() !== ""))
  )

const proxy = (given: Redacted.Redacted | undefined): Either.Either<NodeSettings["proxy"], ConfigError.ConfigError> => {
  if (given === undefined) return Either.right(undefined)
  if (Redacted.value(given).trim() === "environment") return Either.right("environment")
  return Either.mapBoth(parse(given), {
    onLeft: (problem) => ConfigError.InvalidData([], `Expected environment, or ${allowed}, but ${problem}`),
    onRight: () => given
  })
}

export const config: Config.Config<NodeSettings> = Config.all({
  proxy: Config.mapOrFail(setting(keys.proxy), proxy),
  caFile: Config.map(setting(keys.caFile), (file) => file === undefined ? undefined : Redacted.value(file).trim())
})
