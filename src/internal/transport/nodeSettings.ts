// The settings of the transport for Node that can be read from the environment or a file.
import * as Config from "effect/Config"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

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

export const config: Config.Config<NodeSettings> = Config.map(
  Config.all({ proxy: setting(keys.proxy), caFile: setting(keys.caFile) }),
  ({ caFile, proxy }) => ({
    proxy: proxy !== undefined && Redacted.value(proxy).trim() === "environment" ? "environment" : proxy,
    caFile: caFile === undefined ? undefined : Redacted.value(caFile).trim()
  })
)
