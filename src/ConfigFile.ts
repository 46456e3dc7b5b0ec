/**
 * Settings from a JSON file, as an alternative to environment variables.
 *
 * @since 0.1.0
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describePlatformError } from "./internal/platformError.ts"
import { concise } from "./internal/connection/configError.ts"
import { isBlank } from "./internal/connection/reconnectSettings.ts"
import { settingKeys } from "./internal/transport/nodeSettings.ts"
import * as ReconnectPolicy from "./ReconnectPolicy.ts"

// Imported only when there is a file, because they load many other modules.
const modules = Effect.promise(() => Promise.all([import("@effect/platform/FileSystem"), import("effect/Schema")]))

const unusable = (path: string, problem: string) =>
  ConfigError.InvalidData(["HOLDFAST_CONFIG"], `"${path}" ${problem}`)

// Treats an empty value as missing, so that the next provider answers.
const withoutBlanks = ({ flattened }: ConfigProvider.ConfigProvider): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromFlat(ConfigProvider.makeFlat({
    load: (path, config, split) =>
      Effect.filterOrFail(
        flattened.load(path, config, split),
        (values) => !values.some((value) => typeof value === "string" && isBlank(value)),
        () => ConfigError.MissingData([...path], "Expected a value, but it is empty")
      ),
    enumerateChildren: (path) => flattened.enumerateChildren(path),
    patch: flattened.patch
  }))

// The keys of the file are in lower case.
const keyOf = (path: ReadonlyArray<string>) => path.join(".").toLowerCase()

// Calls `asked` with each key before it is read.
const reporting = ({ flattened }: ConfigProvider.ConfigProvider, asked: (key: string) => void): ConfigProvider.ConfigProvider =>
  ConfigProvider.fromFlat(ConfigProvider.makeFlat({
    load: (path, config, split) =>
      Effect.suspend(() => {
        asked(keyOf(path))
        return flattened.load(path, config, split)
      }),
    enumerateChildren: (path) => flattened.enumerateChildren(path),
    patch: flattened.patch
  }))

// Appends the source of a value to the errors about it.
const located = (error: ConfigError.ConfigError, sourceOf: (key: string) => string): ConfigError.ConfigError => {
  switch (error._op) {
    case "And":
      return ConfigError.And(located(error.left, sourceOf), located(error.right, sourceOf))
    case "Or":
      return ConfigError.Or(located(error.left, sourceOf), located(error.right, sourceOf))
    case "InvalidData":
      return ConfigError.InvalidData(error.path, `${error.message}${sourceOf(keyOf(error.path))}`)
    default:
      return error
  }
}

// Asks the environment first, then the file, and names the file in the errors about its values.
const environmentThenFile = (
  environment: ConfigProvider.ConfigProvider,
  file: ConfigProvider.ConfigProvider,
  path: string
): ConfigProvider.ConfigProvider => {
  // The file is asked only for what the environment does not have, so a bad value of such a key is the file's.
  const asked = new Set<string>()
  const both = ConfigProvider.orElse(withoutBlanks(environment), () => reporting(file, (key) => asked.add(key)))
  const sourceOf = (key: string) => asked.has(key) ? ` (in ${path})` : ""
  return ConfigProvider.make({
    load: (config) => Effect.mapError(both.load(config), (error) => concise(located(error, sourceOf))),
    flattened: both.flattened
  })
}

const prefix = "websocket_"

const load = (path: string) =>
  Effect.gen(function*() {
    const [{ FileSystem }, Schema] = yield* modules
    const Settings = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
    const isSetting = Schema.is(Schema.Union(Schema.String, Schema.Number, Schema.Boolean))
    const fs = yield* FileSystem
    const text = yield* Effect.mapError(
      fs.readFileString(path),
      (error) => unusable(path, `cannot be read: ${describePlatformError(error)}`)
    )
    // The error does not show the content of the file, which may be secret.
    const settings = yield* Effect.mapError(
      Schema.decode(Settings)(text),
      ({ message }) => unusable(path, `is not a JSON object of settings${/ at position \d+/.exec(message)?.[0] ?? ""}`)
    )
    for (const [key, value] of Object.entries(settings)) {
      if (!isSetting(value)) {
        return yield* Effect.fail(
          unusable(path, `is not a JSON object of settings: ${key} is neither text, nor a number, nor a boolean`)
        )
      }
    }
    const known = new Set([...ReconnectPolicy.keys, ...settingKeys].map((key) => key.toLowerCase()))
    for (const key of Object.keys(settings)) {
      // Warns about a misspelled setting, which would otherwise go unnoticed.
      const name = key.toLowerCase()
      if (name.startsWith(prefix) && !known.has(name)) {
        yield* Effect.logWarning(`${path} has an unknown setting: ${key}.`).pipe(Effect.annotateLogs({ key }))
      }
    }
    return ConfigProvider.fromMap(
      new Map(Object.entries(settings).map(([key, value]) => [key.toLowerCase(), String(value)]))
    ).pipe(ConfigProvider.mapInputPath((key) => key.toLowerCase()))
  })

/**
 * Reads settings from the environment first, then from the JSON file whose path is in `HOLDFAST_CONFIG`. The file has the
 * same keys, in upper or lower case, with text, numbers or booleans as values, such as `{ "websocket_max_retries": 10 }`.
 * Without `HOLDFAST_CONFIG` the layer changes nothing.
 *
 * Fails with a `ConfigError` if the file cannot be read or is not such an object. Logs a warning for each unknown
 * `websocket_` key. An error about a value from the file names the file.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
 * import * as Config from "effect/Config"
 * import * as Layer from "effect/Layer"
 * import { ConfigFile, Connection, ReconnectPolicy } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const ConnectionLive = Connection.layerConfig({
 *   url: Config.string("FEED_URL"),
 *   reconnect: ReconnectPolicy.config
 * }).pipe(
 *   Layer.provide(NodeTransport.layer),
 *   Layer.provide(ConfigFile.layer),
 *   Layer.provide(NodeFileSystem.layer)
 * )
 * ```
 */
export const layer: Layer.Layer<never, ConfigError.ConfigError, FileSystem.FileSystem> = Layer.unwrapEffect(
  Effect.gen(function*() {
    const path = Option.filter(yield* Config.option(Config.string("HOLDFAST_CONFIG")), (path) => !isBlank(path))
    if (Option.isNone(path)) return Layer.empty
    const file = yield* load(path.value)
    const environment = yield* Effect.configProviderWith(Effect.succeed)
    return Layer.setConfigProvider(environmentThenFile(environment, file, path.value))
  })
)
