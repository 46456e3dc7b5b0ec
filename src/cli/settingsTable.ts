// All settings of the program: their names, their defaults, and where the value of each comes from.
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import { formatDuration } from "../internal/time/durationText.ts"
import * as NodeTransport from "../NodeTransport.ts"
import * as ReconnectPolicy from "../ReconnectPolicy.ts"
import { didYouMean, near } from "./near.ts"
import { logLevel, repair, tradingMode } from "./settings.ts"
import { withoutSecrets } from "./shown.ts"

/** Reads every setting, and fails with a sentence for each that is not allowed. */
export const everything = Config.all({
  logLevel,
  reconnect: ReconnectPolicy.config,
  repair,
  tradingMode,
  transport: NodeTransport.config
})

/** The sentences of an error: it may hold several. */
export const sentences = (error: ConfigError.ConfigError): ReadonlyArray<string> =>
  error._op === "And" || error._op === "Or"
    ? [...sentences(error.left), ...sentences(error.right)]
    : [`${error.path.join(".")}: ${error.message}.`]

/** A setting, without its value. */
export interface Setting {
  readonly name: string
  /** The default as text. */
  readonly usual: string
  /** How a value is shown. Default: as it is. */
  readonly shown?: (value: string) => string
  /** Whether only the environment has it. */
  readonly isOutside?: boolean
}

const { defaults } = ReconnectPolicy

const proxyText = (value: string) => value.trim() === "environment" ? value : withoutSecrets(value)

const reconnection: ReadonlyArray<Setting> = [
  { name: "WEBSOCKET_RECONNECTION_ENABLED", usual: String(defaults.enabled) },
  { name: "WEBSOCKET_MAX_RETRIES", usual: String(defaults.maxRetries) },
  { name: "WEBSOCKET_INITIAL_DELAY", usual: formatDuration(defaults.initialDelay) },
  { name: "WEBSOCKET_MAX_DELAY", usual: formatDuration(defaults.maxDelay) },
  { name: "WEBSOCKET_BACKOFF_MULTIPLIER", usual: String(defaults.backoffMultiplier) },
  { name: "WEBSOCKET_JITTER_FACTOR", usual: String(defaults.jitterFactor) },
  { name: "WEBSOCKET_STABLE_AFTER", usual: formatDuration(defaults.stableAfter) }
]

/** All settings, in the order in which they are shown. */
export const settings: ReadonlyArray<Setting> = [
  { name: "TRADING_MODE", usual: "demo" },
  { name: "LOG_LEVEL", usual: "off" },
  { name: "HOLDFAST_CONFIG", usual: "none", isOutside: true },
  ...reconnection,
  { name: "WEBSOCKET_PROXY", usual: "none", shown: proxyText },
  { name: "WEBSOCKET_CA_FILE", usual: "none" },
  { name: "REPAIR_LIMIT", usual: "1000000" },
  { name: "REPAIR_WEIGHT", usual: "no limit" },
  { name: "REPAIR_TIME", usual: "10m" },
  { name: "BINANCE_API_KEY", usual: "none", shown: () => "(hidden)" },
  ...["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"].map((name) => ({ name, usual: "none", shown: proxyText, isOutside: true })),
  ...["NO_PROXY", "NODE_EXTRA_CA_CERTS", "NODE_USE_ENV_PROXY", "NO_COLOR", "FORCE_COLOR"].map((name) => ({ name, usual: "none", isOutside: true }))
]

const known = new Set(settings.map(({ name }) => name))

/** Sentences about variables that look like settings of ours and are none. */
export const unknownSettings = (names: ReadonlyArray<string>): ReadonlyArray<string> =>
  names
    .filter((name) => /^(?:WEBSOCKET|REPAIR|HOLDFAST)_/.test(name) && !known.has(name))
    .map((name) => `${name} is no setting.${didYouMean(near(name, [...known].map((each) => each.toLowerCase())).map((each) => each.toUpperCase()))}`)

/** Where a value comes from. */
export type Source = "option" | "environment" | "file" | "default"

/** A setting with its value. */
export interface Effective {
  readonly name: string
  readonly value: string
  readonly source: Source
}

/** The sources of settings. Keys of the file are in lower case, as text. */
export interface Sources {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly file: ReadonlyMap<string, string>
  /** Values that options of the command line have set, by the name of their setting. */
  readonly options: ReadonlyMap<string, string>
}

const present = (text: string | undefined): text is string => text !== undefined && text.trim() !== ""

/** The value of each setting, and where it comes from. */
export const effective = ({ environment, file, options }: Sources): ReadonlyArray<Effective> =>
  settings.map(({ isOutside = false, name, shown = (value) => value, usual }): Effective => {
    const option = options.get(name)
    if (option !== undefined) return { name, value: shown(option), source: "option" }
    const outside = environment[name]
    if (present(outside)) return { name, value: shown(outside), source: "environment" }
    const inside = isOutside ? undefined : file.get(name.toLowerCase())
    return present(inside) ? { name, value: shown(inside), source: "file" } : { name, value: usual, source: "default" }
  })
