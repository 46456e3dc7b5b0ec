// The options and arguments of the program and its commands: their values, their help, and how @effect/cli parses them.
import * as Args from "@effect/cli/Args"
import * as Options from "@effect/cli/Options"
import * as Duration from "effect/Duration"
import type { LogLevel } from "effect/LogLevel"
import * as Option from "effect/Option"
import { faultNames, parseFault } from "./faults.ts"
import { near } from "./near.ts"
import { logLevelNames, logLevels } from "./settings.ts"
import { withoutSecrets } from "./shown.ts"
import { venueNames, venueShape } from "./venueNames.ts"

// ---------------------------------------------------------------------------------------------------------------------
// Values

/** Parses a value. `expected` says which values it accepts. */
export interface Value<A> {
  readonly expected: string
  readonly parse: (text: string) => Option.Option<A>
  /** The values that a wrong one may stand for. */
  readonly near?: (text: string) => ReadonlyArray<string>
  /** The part of a wrong one that an error shows. Default: all of it, but for the secrets of a URL. */
  readonly shown?: (text: string) => string
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
  parse: (text) => Option.fromNullable(logLevels.get(text.toLowerCase())),
  near: (text) => near(text, logLevelNames)
}
const shell = matching(/^(?:sh|bash|fish|zsh)$/, "one of sh, bash, fish, zsh")

const venue: Value<string> = {
  expected: `one of ${venueNames.join(", ")}, or a URL such as ws://127.0.0.1:9443`,
  parse: (text) => venueShape(text) === undefined ? Option.none() : Option.some(text),
  near: (text) => near(text, venueNames)
}

const webSocketUrl: Value<string> = {
  ...matching(/^wss?(?:\+unix)?:/i, "ws:// or wss:// and a host, such as wss://example.com/feed"),
  near: (text) => /^[\w.-]+(?::\d+)?(?:\/[\w./-]*)?$/.test(text) ? [`wss://${text}`] : [],
  shown: withoutSecrets
}

const header: Value<string> = {
  ...matching(/^[^\s:]+:/, `a name and a value, such as "x-token: abc"`),
  shown: () => "…"
}

const text: Value<string> = matching(/^[^]*$/, "any text")

const fault: Value<unknown> = {
  expected: `one of ${faultNames.join(", ")}`,
  parse: parseFault,
  near: (text) => near(text.replace(/=.*$/, ""), faultNames)
}

/** The shape of a stream's name. */
export const stream = matching(/^(?:[^\s@!/:-][^\s@!/:]*@\S+|!\S+)$/, "a symbol and a kind, such as btcusdt@trade")

const file = matching(/\S/, "the path of a file")

const speed: Value<number> = {
  expected: "a number greater than zero, such as 10, or max",
  parse: (text) => {
    const number = text === "max" ? Number.POSITIVE_INFINITY : /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    return number > 0 ? Option.some(number) : Option.none()
  }
}

const port = integer(0, 65_535, "a whole number from 0 to 65535")

const rate: Value<number> = {
  expected: "a number greater than zero, such as 4",
  parse: (text) => /^\d+(\.\d+)?$/.test(text) && Number(text) > 0 ? Option.some(Number(text)) : Option.none()
}

const symbol = matching(/^[\p{Letter}\p{Number}_]+$/u, "letters and digits, such as btcusdt")

const symbols: Value<ReadonlyArray<string>> = {
  expected: "symbols with commas between, such as btcusdt,ethusdt",
  parse: (text) => {
    const names = text.split(",").map((name) => symbol.parse(name.trim()))
    return Option.all(names)
  }
}

const host = matching(/^[\w.:[\]-]+$/, "an address or a name of this machine, such as 127.0.0.1 or 0.0.0.0")
const pattern = matching(/^[\p{Letter}\p{Number}_*?]+$/u, "letters, digits, * and ?, such as btc or btc*usdt")

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
  /** It may be given more than once. Its values count as arguments of the command, or as options. */
  readonly repeats?: "argument" | "option"
  /** Describes what the command needs, for the error when the option is missing. Absent for an optional option. */
  readonly required?: string
}

/** An option and what stands for its value, such as `--for <duration>`. */
export const flagText = ({ name, placeholder }: Flag): string =>
  placeholder === undefined ? `--${name}` : `--${name} <${placeholder}>`

/** A command line that works, and what it does. */
export type Example = readonly [line: string, does: string]

export interface Argument {
  readonly name: string
  readonly least: number
  readonly most: number
  readonly example: string
  readonly value: Value<unknown>
}

export interface Usage {
  readonly summary: string
  readonly examples: ReadonlyArray<Example>
  /** More that its help says. */
  readonly notes?: ReadonlyArray<string>
  readonly argument?: Argument
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
    repeats: "argument"
  },
  events: { name: "events", description: "Print the market events themselves, one per line, below each other." },
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
  header: {
    name: "header",
    alias: "H",
    placeholder: "header",
    example: `"x-token: abc"`,
    value: header,
    description: "A header of the upgrade request, such as \"x-token: abc\". It may be repeated.",
    repeats: "option"
  },
  protocol: {
    name: "protocol",
    placeholder: "name",
    example: "graphql-transport-ws",
    value: matching(/^[^\s,]+$/, "a name without spaces or commas"),
    description: "A subprotocol to offer. It may be repeated, in order of preference.",
    repeats: "option"
  },
  subscribe: {
    name: "subscribe",
    placeholder: "text",
    example: `'{"op":"subscribe"}'`,
    value: text,
    description: "A text to send on every open, before anything else. It may be repeated.",
    repeats: "option"
  },
  pingInterval: {
    name: "ping-interval",
    placeholder: "duration",
    example: "10s",
    value: age,
    description: "The pause between pings. Default: 20s."
  },
  keepOpen: { name: "keep-open", description: "Stay connected when standard input has ended." },
  linger: {
    name: "linger",
    placeholder: "duration",
    example: "5s",
    value: duration,
    description: "How long to wait for answers after standard input has ended. Default: 1s."
  },
  every: {
    name: "every",
    placeholder: "duration",
    example: "10s",
    value: age,
    description: "The time from one fault to the next. Default: 10s."
  },
  seed: {
    name: "seed",
    placeholder: "number",
    example: "7",
    value: integer(0, Number.MAX_SAFE_INTEGER, "a whole number, 0 or more"),
    description: "The same seed makes the same market. Default: 1."
  },
  rate: {
    name: "trades-per-second",
    placeholder: "number",
    example: "4",
    value: rate,
    description: "The average number of trades of each symbol in a second. Default: 4."
  },
  gzip: { name: "gzip", description: "Compress each file when the next one has begun." },
  unchecked: { name: "unchecked", description: "Ask for streams that Binance does not document, too." },
  json: { name: "json", description: "Print one JSON object per line." },
  quiet: { name: "quiet", alias: "q", description: "Print only data, gaps and errors: no title, no status, no summary." },
  for: {
    name: "for",
    placeholder: "duration",
    example: "20s",
    value: duration,
    description: "The time to run, such as 20s, 5m or 1h. Default: until Ctrl-C."
  },
  venue: {
    name: "venue",
    placeholder: "venue",
    example: "spot",
    value: venue,
    description: "Where the market is: demo (made up, in this process), spot, testnet, us, futures or coin-m of Binance, or a URL. " +
      "Default: TRADING_MODE."
  },
  ws: {
    name: "ws",
    placeholder: "url",
    example: "ws://127.0.0.1:9443",
    description: "Use another venue: the URL of its streams, such as ws://127.0.0.1:9443. The same as --venue with a URL."
  },
  rest: {
    name: "rest",
    placeholder: "url",
    example: "http://127.0.0.1:9443",
    description: "The URL of that venue's REST interface. Default: the URL of its streams over HTTP."
  }
} satisfies Record<string, Flag>

const whereFlags = [flags.venue, flags.ws, flags.rest]
const commonFlags = [...whereFlags, flags.json, flags.quiet, flags.for]

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
  examples: [
    ["holdfast", "Watch the demo, whose connection breaks every few seconds."],
    ["holdfast watch btcusdt@trade --venue spot", "Watch Binance."],
    ["holdfast connect wss://example.com/feed", "Connect to any WebSocket."],
    ["holdfast doctor --venue spot", "Check what lies between this machine and Binance."]
  ],
  flags: [flags.stream, flags.unchecked, flags.events, ...commonFlags]
}

/** The usage of each command. */
export const commands = {
  watch: {
    summary: "Shows market events as they arrive.",
    examples: [
      ["holdfast watch btcusdt@trade --venue spot", "Show the connection's state, prices and counts."],
      ["holdfast watch btcusdt@trade ethusdt@kline_1m --events", "Print the events themselves."],
      ["holdfast watch btcusdt@trade --json --for 20s", "Print JSON for 20 seconds."]
    ],
    argument: streams(0),
    flags: [flags.stream, flags.unchecked, flags.events, ...commonFlags]
  },
  book: {
    summary: "Shows the top of an order book: drawn in place on a terminal, once a second elsewhere.",
    examples: [
      ["holdfast book btcusdt --venue spot", "Show ten levels of each side."],
      ["holdfast book btcusdt --levels 3 --json", "Print JSON once a second."]
    ],
    argument: { name: "symbol", least: 1, most: 1, example: "btcusdt", value: symbol },
    flags: [flags.levels, ...commonFlags]
  },
  record: {
    summary: "Writes market events to a file, and continues it after a restart.",
    examples: [["holdfast record btcusdt@trade --out trades.ndjson --venue spot", "Record trades, and go on where it stopped."]],
    argument: streams(1),
    flags: [flags.out, flags.stream, flags.rotateSize, flags.rotateEvery, flags.gzip, flags.unchecked, ...commonFlags]
  },
  serve: {
    summary: "Reads streams, and shows over HTTP what happens: /metrics, /healthz, /readyz, /events and a page.",
    examples: [
      ["holdfast serve", "Serve the demo: http://127.0.0.1:8321 is its page."],
      ["holdfast serve btcusdt@trade --venue spot --books btcusdt", "Read Binance, and show a book."]
    ],
    argument: streams(0),
    flags: [flags.servePort, flags.host, flags.token, flags.books, flags.unchecked, flags.jsonLogs, flags.for, ...whereFlags]
  },
  verify: {
    summary: "Verifies recordings: whether their lines are those that were written, and what each stream has and lacks.",
    examples: [["holdfast verify trades.ndjson", "Exit with 1 if something is wrong."]],
    argument: files,
    flags: [flags.json]
  },
  replay: {
    summary: "Serves the events of a recording again: holdfast watch --venue URL reads them.",
    examples: [["holdfast replay trades.ndjson --speed 10 --port 9443", "Serve them ten times as fast as they came."]],
    argument: files,
    flags: [flags.speed, flags.port, flags.for]
  },
  connect: {
    summary: "Connects to any WebSocket and heals it: sends the lines of standard input, and prints the messages.",
    examples: [
      ["holdfast connect wss://example.com/feed", "Type a line to send it; Ctrl-D ends it."],
      [`holdfast connect wss://example.com/feed --subscribe '{"op":"subscribe"}' --json`, "Subscribe anew on every open; gaps are lines of the output."],
      [`echo hello | holdfast connect ws://127.0.0.1:8080 --header "x-token: abc"`, "Send one message, print the answers, and end."]
    ],
    notes: [
      "Messages go to standard output, all else to standard error. It ends 1 second after standard input has, unless --keep-open is " +
      "given. A standard input without any line, such as /dev/null, does not end it."
    ],
    argument: { name: "URL", least: 1, most: 1, example: "wss://example.com/feed", value: webSocketUrl },
    flags: [
      flags.header,
      flags.protocol,
      flags.subscribe,
      flags.pingInterval,
      flags.keepOpen,
      flags.linger,
      flags.json,
      flags.quiet,
      flags.for
    ]
  },
  exchange: {
    summary: "Runs the embedded exchange, with faults by schedule or by key press, to test your own client.",
    examples: [
      ["holdfast exchange --port 9443", "Serve a made-up market; on a terminal, keys inject faults."],
      ["holdfast exchange reset close=1012 mute --every 10s", "Inject these faults in turn, one every 10 seconds."]
    ],
    argument: { name: "fault", least: 0, most: Number.POSITIVE_INFINITY, example: "reset", value: fault },
    flags: [flags.port, flags.every, flags.seed, flags.rate, flags.json, flags.quiet, flags.for]
  },
  doctor: {
    summary: "Checks what lies between this machine and a venue, and says what to do about what fails.",
    examples: [
      ["holdfast doctor --venue spot", "Check Binance."],
      ["holdfast doctor ethusdt@trade --venue us --json", "Check another venue with a stream of your own."]
    ],
    argument: { name: "stream", least: 0, most: 1, example: "btcusdt@trade", value: stream },
    flags: [...whereFlags, flags.json]
  },
  config: {
    summary: "Shows the settings that are in force, and where each comes from. Secrets are not shown.",
    examples: [["holdfast config", "Show all settings."], ["holdfast config --venue spot --json", "Print them as JSON."]],
    flags: [...whereFlags, flags.json]
  },
  symbols: {
    summary: "Lists the symbols that a venue has.",
    examples: [
      ["holdfast symbols btc --venue spot", "List the symbols that contain BTC."],
      ["holdfast symbols 'eth*usdt' --venue futures", "List those that match a pattern."]
    ],
    argument: { name: "pattern", least: 0, most: 1, example: "btc", value: pattern },
    flags: [...whereFlags, flags.json]
  }
} satisfies Record<string, Usage>

// ---------------------------------------------------------------------------------------------------------------------
// The options and arguments for @effect/cli. commandLine.ts has checked the values before, with clearer errors.

const textOption = ({ description, name, placeholder = "text" }: Flag) =>
  Options.text(name).pipe(Options.withPseudoName(placeholder), Options.withDescription(description))

const aliased = (flag: Flag & { readonly alias: string }) => Options.withAlias(textOption(flag), flag.alias)

const parsed = <A>(flag: Flag & { readonly value: Value<A> }) =>
  Options.filterMap(textOption(flag), flag.value.parse, `--${flag.name} must be ${flag.value.expected}.`)

const isOn = ({ alias, description, name }: Flag) => {
  const option = Options.boolean(name).pipe(Options.withDescription(description))
  return alias === undefined ? option : Options.withAlias(option, alias)
}

const argument = ({ name }: Argument) => Args.text({ name })

const where = {
  venue: Options.optional(textOption(flags.venue)),
  ws: Options.optional(textOption(flags.ws)),
  rest: Options.optional(textOption(flags.rest))
}

const common = {
  ...where,
  json: isOn(flags.json),
  quiet: isOn(flags.quiet),
  duration: Options.optional(parsed(flags.for))
}

/** The options without a command. */
export const defaultConfig = {
  streams: Options.repeated(aliased(flags.stream)),
  unchecked: isOn(flags.unchecked),
  events: isOn(flags.events),
  ...common
}

export const watchConfig = {
  streams: Args.repeated(argument(commands.watch.argument)),
  unchecked: isOn(flags.unchecked),
  events: isOn(flags.events),
  ...common
}

export const bookConfig = {
  symbol: argument(commands.book.argument),
  levels: Options.withDefault(parsed(flags.levels), 10),
  ...common
}

export const recordConfig = {
  streams: Args.atLeast(argument(commands.record.argument), 1),
  out: aliased(flags.out),
  rotateSize: Options.withDefault(parsed(flags.rotateSize), 256),
  rotateEvery: Options.withDefault(parsed(flags.rotateEvery), Duration.hours(1)),
  gzip: isOn(flags.gzip),
  unchecked: isOn(flags.unchecked),
  ...common
}

export const serveConfig = {
  streams: Args.repeated(argument(commands.serve.argument)),
  port: Options.withDefault(parsed(flags.servePort), 8_321),
  host: Options.withDefault(textOption(flags.host), "127.0.0.1"),
  token: Options.optional(textOption(flags.token)),
  books: Options.withDefault(parsed(flags.books), []),
  unchecked: isOn(flags.unchecked),
  ...where,
  json: isOn(flags.jsonLogs),
  duration: common.duration
}

const fileArguments = Args.atLeast(argument(files), 1)

export const verifyConfig = { files: fileArguments, json: common.json }

export const replayConfig = {
  files: fileArguments,
  speed: Options.withDefault(parsed(flags.speed), 1),
  port: Options.optional(parsed(flags.port)),
  duration: common.duration
}

export const connectConfig = {
  url: argument(commands.connect.argument),
  headers: Options.repeated(aliased(flags.header)),
  protocols: Options.repeated(textOption(flags.protocol)),
  subscribe: Options.repeated(textOption(flags.subscribe)),
  pingInterval: Options.optional(parsed(flags.pingInterval)),
  keepOpen: isOn(flags.keepOpen),
  linger: Options.withDefault(parsed(flags.linger), Duration.seconds(1)),
  json: common.json,
  quiet: common.quiet,
  duration: common.duration
}

export const exchangeConfig = {
  faults: Args.repeated(argument(commands.exchange.argument)),
  port: Options.optional(parsed(flags.port)),
  every: Options.withDefault(parsed(flags.every), Duration.seconds(10)),
  seed: Options.optional(parsed(flags.seed)),
  tradesPerSecond: Options.optional(parsed(flags.rate)),
  json: common.json,
  quiet: common.quiet,
  duration: common.duration
}

export const doctorConfig = { stream: Args.optional(argument(commands.doctor.argument)), json: common.json, ...where }

export const configConfig = { json: common.json, ...where }

export const symbolsConfig = { pattern: Args.optional(argument(commands.symbols.argument)), json: common.json, ...where }
