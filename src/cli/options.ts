// The options and arguments of the program and its commands: their values, their help, and how @effect/cli parses them.
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Duration from "effect/Duration"
import type { LogLevel } from "effect/LogLevel"
import * as Option from "effect/Option"
import { byName } from "../binance/internal/streamCheck.ts"
import { normalise } from "../binance/internal/streamNames.ts"
import { logLevelNames, logLevels } from "./settings.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Values

/** Parses a value. `expected` says which values it accepts. */
export interface Value<A> {
  readonly expected: string
  readonly parse: (text: string) => Option.Option<A>
}

const units = { ms: "millis", s: "seconds", m: "minutes", h: "hours" } as const

// Parses "20s" and "1.5h" as well as "20 seconds".
const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const short = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(text)
  const unit = Object.entries(units).find(([name]) => name === short?.[2])?.[1]
  return unit === undefined ? Duration.decodeUnknown(text) : Duration.decodeUnknown(`${short?.[1] ?? ""} ${unit}`)
}

const duration: Value<Duration.Duration> = { expected: "a duration, such as 20s, 5m or 1h", parse: parseDuration }

const age: Value<Duration.Duration> = {
  expected: "a duration longer than zero, such as 30m or 1h",
  parse: (text) => Option.filter(parseDuration(text), Duration.greaterThan(Duration.zero))
}

const integer = (least: number, most: number, expected: string): Value<number> => ({
  expected,
  parse: (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    return number >= least && number <= most ? Option.some(number) : Option.none()
  }
})

const matching = (pattern: RegExp, expected: string): Value<string> => ({
  expected,
  parse: (text) => pattern.test(text) ? Option.some(text) : Option.none()
})

const level: Value<LogLevel> = {
  expected: `one of ${logLevelNames.join(", ")}`,
  parse: (text) => Option.fromNullable(logLevels.get(text.toLowerCase()))
}
const shell = matching(/^(?:sh|bash|fish|zsh)$/, "one of sh, bash, fish, zsh")

/** The shape of a stream's name. */
export const stream = matching(/^(?:[^\s@!/:-][^\s@!/:]*@\S+|!\S+)$/, "a symbol and a kind, such as btcusdt@trade")

/** Why Binance's spot market has no stream of this name; undefined if it has. */
export const notOfBinance = (text: string): string | undefined => byName("spot", normalise(text))?.message

const file = matching(/\S/, "the path of a file")

const speed: Value<number> = {
  expected: "a number greater than zero, such as 10, or max",
  parse: (text) => {
    const number = text === "max" ? Number.POSITIVE_INFINITY : /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    return number > 0 ? Option.some(number) : Option.none()
  }
}

const port = integer(0, 65_535, "a whole number from 0 to 65535")

const symbol = matching(/^[\p{Letter}\p{Number}_]+$/u, "letters and digits, such as btcusdt")

const symbols: Value<ReadonlyArray<string>> = {
  expected: "symbols with commas between, such as btcusdt,ethusdt",
  parse: (text) => {
    const names = text.split(",").map((name) => symbol.parse(name.trim()))
    return Option.all(names)
  }
}

const host = matching(/^[\w.:[\]-]+$/, "an address or a name of this machine, such as 127.0.0.1 or 0.0.0.0")

// The most levels of a snapshot (Binance docs).
const mostLevels = 5_000
const levels = integer(1, mostLevels, `a whole number from 1 to ${mostLevels}`)
const size = integer(1, Number.MAX_SAFE_INTEGER, "a whole number of MiB, 1 or more")

// ---------------------------------------------------------------------------------------------------------------------
// The help

export interface Flag {
  readonly name: string
  readonly alias?: string
  readonly description: string
  /** Stands for the value in help. Without it, the option takes no value. */
  readonly placeholder?: string
  readonly example?: string
  readonly value?: Value<unknown>
  /** Its values count as arguments of the command. */
  readonly isRepeatable?: boolean
  /** Describes what the command needs, for the error when the option is missing. Absent for an optional option. */
  readonly required?: string
}

/** An option and what stands for its value, such as `--for <duration>`. */
export const flagText = ({ name, placeholder }: Flag): string =>
  placeholder === undefined ? `--${name}` : `--${name} <${placeholder}>`

export interface Usage {
  readonly summary: string
  readonly argument?: {
    readonly name: string
    readonly least: number
    readonly most: number
    readonly example: string
    readonly value: Value<unknown>
  }
  readonly flags: ReadonlyArray<Flag>
}

const flags = {
  stream: {
    name: "stream",
    alias: "s",
    placeholder: "stream",
    example: "btcusdt@trade",
    value: stream,
    description: "A stream, such as btcusdt@trade. It may be repeated.",
    isRepeatable: true
  },
  levels: {
    name: "levels",
    placeholder: "number",
    example: "20",
    value: levels,
    description: "Levels of each side to show, from 1 to 5000. Default: 10."
  },
  out: {
    name: "out",
    alias: "o",
    placeholder: "file",
    example: "trades.ndjson",
    required: "a file to write to",
    description: "The file to write to, one JSON object per line. The program continues a recording in it. - is standard output."
  },
  rotateSize: {
    name: "rotate-size",
    placeholder: "MiB",
    example: "256",
    value: size,
    description: "Start a new file when the current one has this size in MiB. Default: 256."
  },
  rotateEvery: {
    name: "rotate-every",
    placeholder: "duration",
    example: "1h",
    value: age,
    description: "Start a new file when the current one has this age. Default: 1h."
  },
  speed: {
    name: "speed",
    placeholder: "factor",
    example: "10",
    value: speed,
    description: "How fast to play: 1 is as fast as it was, 10 ten times as fast, max as fast as the readers read. Default: 1."
  },
  port: {
    name: "port",
    placeholder: "number",
    example: "9443",
    value: port,
    description: "The port to listen on, at 127.0.0.1. Default: a free one."
  },
  servePort: {
    name: "port",
    placeholder: "number",
    example: "8321",
    value: port,
    description: "The port to listen on; 0 is a free one. Default: 8321."
  },
  host: {
    name: "host",
    placeholder: "address",
    example: "0.0.0.0",
    value: host,
    description: "The address to listen on. Any but 127.0.0.1, the default, needs a token."
  },
  token: {
    name: "token",
    placeholder: "text",
    example: "a-long-random-text",
    description: "The token that clients must give. Other users of this machine can see it here: HOLDFAST_TOKEN is better."
  },
  books: {
    name: "books",
    placeholder: "symbols",
    example: "btcusdt,ethusdt",
    value: symbols,
    description: "Order books to keep and to show, with commas between. Default: none."
  },
  jsonLogs: { name: "json", description: "Log one JSON object per line." },
  gzip: { name: "gzip", description: "Compress each file when the next one has begun." },
  unchecked: { name: "unchecked", description: "Ask for streams that Binance does not document, too." },
  json: { name: "json", description: "Print one JSON object per line." },
  for: {
    name: "for",
    placeholder: "duration",
    example: "20s",
    value: duration,
    description: "The time to run, such as 20s, 5m or 1h. Default: until Ctrl-C."
  },
  ws: {
    name: "ws",
    placeholder: "url",
    example: "ws://127.0.0.1:9443",
    description: "Use another venue: the URL of its streams, such as ws://127.0.0.1:9443."
  },
  rest: {
    name: "rest",
    placeholder: "url",
    example: "http://127.0.0.1:9443",
    description: "The URL of that venue's REST interface. Default: the URL of --ws over HTTP."
  }
} satisfies Record<string, Flag>

const commonFlags = [flags.json, flags.for, flags.ws, flags.rest]

/** Options that every command takes. */
export const globalFlags: ReadonlyArray<Flag> = [
  {
    name: "log-level",
    placeholder: "level",
    example: "info",
    value: level,
    description: "Log to standard error from this level on: all, trace, debug, info, warn, error, fatal or off. Default: LOG_LEVEL."
  },
  {
    name: "completions",
    placeholder: "shell",
    example: "bash",
    value: shell,
    description: "Print a completion script for a shell: sh, bash, fish or zsh."
  },
  { name: "wizard", description: "Ask for the options one by one." },
  { name: "help", alias: "h", description: "Show this help." },
  { name: "version", alias: "v", description: "Show the version." }
]

const files = { name: "file", least: 1, most: Number.POSITIVE_INFINITY, example: "trades.ndjson", value: file }

const streams = (least: number) =>
  ({ name: "stream", least, most: Number.POSITIVE_INFINITY, example: "btcusdt@trade", value: stream })

/** The usage without a command. */
export const program: Usage = {
  summary: "Streams market data over connections that heal. Events missed during an outage are fetched and put in their place.",
  flags: [flags.stream, flags.unchecked, ...commonFlags]
}

/** The usage of each command. */
export const commands = {
  watch: { summary: "Shows market events as they arrive.", argument: streams(0), flags: [flags.stream, flags.unchecked, ...commonFlags] },
  book: {
    summary: "Shows the top of an order book once a second.",
    argument: { name: "symbol", least: 1, most: 1, example: "btcusdt", value: symbol },
    flags: [flags.levels, ...commonFlags]
  },
  record: {
    summary: "Writes market events to a file, and continues it after a restart.",
    argument: streams(1),
    flags: [flags.out, flags.stream, flags.rotateSize, flags.rotateEvery, flags.gzip, flags.unchecked, ...commonFlags]
  },
  serve: {
    summary: "Reads streams, and shows over HTTP what happens: /metrics, /healthz, /readyz, /events and a page.",
    argument: streams(0),
    flags: [flags.servePort, flags.host, flags.token, flags.books, flags.unchecked, flags.jsonLogs, flags.for, flags.ws, flags.rest]
  },
  verify: {
    summary: "Verifies recordings: whether their lines are those that were written, and what each stream has and lacks.",
    argument: files,
    flags: [flags.json]
  },
  replay: {
    summary: "Serves the events of a recording again: holdfast watch --ws reads them.",
    argument: files,
    flags: [flags.speed, flags.port, flags.for]
  }
} satisfies Record<string, Usage>

// ---------------------------------------------------------------------------------------------------------------------
// The options and arguments for @effect/cli. commandLine.ts has checked the values before, with clearer errors.

const text = ({ description, name, placeholder = "text" }: Flag) =>
  Options.text(name).pipe(Options.withPseudoName(placeholder), Options.withDescription(description))

const parsed = <A>(flag: Flag & { readonly value: Value<A> }) =>
  Options.filterMap(text(flag), flag.value.parse, `--${flag.name} must be ${flag.value.expected}.`)

const unchecked = Options.boolean("unchecked").pipe(Options.withDescription(flags.unchecked.description))

const common = {
  json: Options.boolean("json").pipe(Options.withDescription(flags.json.description)),
  duration: Options.optional(parsed(flags.for)),
  ws: Options.optional(text(flags.ws)),
  rest: Options.optional(text(flags.rest))
}

/** The options without a command. */
export const defaultConfig = {
  streams: text(flags.stream).pipe(Options.withAlias("s"), Options.repeated),
  unchecked,
  ...common
}

export const watchConfig = { streams: Args.repeated(Args.text({ name: "stream" })), unchecked, ...common }

export const bookConfig = {
  symbol: Args.text({ name: "symbol" }),
  levels: Options.withDefault(parsed(flags.levels), 10),
  ...common
}

export const recordConfig = {
  streams: Args.atLeast(Args.text({ name: "stream" }), 1),
  out: Options.withAlias(text(flags.out), "o"),
  rotateSize: Options.withDefault(parsed(flags.rotateSize), 256),
  rotateEvery: Options.withDefault(parsed(flags.rotateEvery), Duration.hours(1)),
  gzip: Options.boolean("gzip").pipe(Options.withDescription(flags.gzip.description)),
  unchecked,
  ...common
}

export const serveConfig = {
  streams: Args.repeated(Args.text({ name: "stream" })),
  port: Options.withDefault(parsed(flags.servePort), 8_321),
  host: Options.withDefault(text(flags.host), "127.0.0.1"),
  token: Options.optional(text(flags.token)),
  books: Options.withDefault(parsed(flags.books), []),
  unchecked,
  ...common,
  json: Options.boolean("json").pipe(Options.withDescription(flags.jsonLogs.description))
}

const fileArguments = Args.atLeast(Args.text({ name: "file" }), 1)

export const verifyConfig = { files: fileArguments, json: common.json }

export const replayConfig = {
  files: fileArguments,
  speed: Options.withDefault(parsed(flags.speed), 1),
  port: Options.optional(parsed(flags.port)),
  duration: common.duration
}
