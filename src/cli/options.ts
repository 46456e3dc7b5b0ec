// What the program and its commands can be told.
import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

const units = { ms: "millis", s: "seconds", m: "minutes", h: "hours" } as const

// "20s" and "1.5h" as well as "20 seconds".
const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const short = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(text.trim())
  const unit = Object.entries(units).find(([name]) => name === short?.[2])?.[1]
  return unit === undefined ? Duration.decodeUnknown(text) : Duration.decodeUnknown(`${short?.[1] ?? ""} ${unit}`)
}

const duration = (name: string) =>
  Options.text(name).pipe(Options.filterMap(parseDuration, `--${name} must be a duration, such as 20s, 5m or 1h`))

const within = (least: number, most: number) => (count: number): Option.Option<number> =>
  count >= least && count <= most ? Option.some(count) : Option.none()

// Levels of a snapshot (Binance docs).
const deepest = 5_000

// What every command can be told.
const common = {
  duration: duration("for").pipe(
    Options.withDescription("How long to run, such as 20s, 5m or 1h. Without it: until Ctrl-C."),
    Options.optional
  ),
  ws: Options.text("ws").pipe(
    Options.withDescription("Another venue, by the URL its streams are under: ws://127.0.0.1:9443"),
    Options.optional
  ),
  rest: Options.text("rest").pipe(
    Options.withDescription("That venue's REST interface. Without it: where its streams are, over HTTP."),
    Options.optional
  )
}

const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON object a line."))

// An option that is misspelt would be taken for a stream, and so would all that comes after it.
const isOption = (text: string) => text.startsWith("-")
const unknownOption = (text: string) => HelpDoc.p(`There is no option ${text}; --help says which there are`)

const argument = (name: string, description: string) =>
  Args.text({ name }).pipe(
    Args.mapEffect((text) => isOption(text) ? Effect.fail(unknownOption(text)) : Effect.succeed(text)),
    Args.withDescription(description)
  )

/** What the program can be told when it is given no command. */
export const defaultConfig = {
  streams: Options.text("stream").pipe(
    Options.withAlias("s"),
    Options.withDescription("A stream to watch, such as btcusdt@trade; may be given more than once."),
    Options.repeated
  ),
  json,
  ...common
}

export const watchConfig = {
  streams: argument("stream", "A stream to watch, such as btcusdt@trade.").pipe(Args.repeated),
  json,
  ...common
}

export const bookConfig = {
  symbol: argument("symbol", "Such as btcusdt."),
  levels: Options.integer("levels").pipe(
    Options.filterMap(within(1, deepest), `--levels must be a whole number from 1 to ${deepest}`),
    Options.withDescription("How many levels of each side to show. Default: 10."),
    Options.withDefault(10)
  ),
  json,
  ...common
}

export const recordConfig = {
  streams: argument("stream", "A stream to record, such as btcusdt@trade.").pipe(Args.atLeast(1)),
  out: Options.file("out").pipe(
    Options.withAlias("o"),
    Options.withDescription("The file to write to, one JSON object a line. What is there is gone on from.")
  ),
  rotateSize: Options.integer("rotate-size").pipe(
    Options.filterMap(within(1, Number.MAX_SAFE_INTEGER), "--rotate-size must be a whole number of 1 or more"),
    Options.withDescription("Begin a new file beyond so many MiB. Default: 256."),
    Options.withDefault(256)
  ),
  rotateEvery: duration("rotate-every").pipe(
    Options.filterMap(
      (every) => Duration.greaterThan(every, Duration.zero) ? Option.some(every) : Option.none(),
      "--rotate-every must be longer than nothing"
    ),
    Options.withDescription("Begin a new file after so long. Default: 1h."),
    Options.withDefault(Duration.hours(1))
  ),
  json,
  ...common
}
