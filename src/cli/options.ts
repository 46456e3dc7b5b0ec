// What the commands can be told.
import * as Options from "@effect/cli/Options"
import * as Duration from "effect/Duration"
import type * as Option from "effect/Option"

const units = { ms: "millis", s: "seconds", m: "minutes", h: "hours" } as const

// "20s" and "1.5h" as well as "20 seconds".
const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const short = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(text.trim())
  const unit = Object.entries(units).find(([name]) => name === short?.[2])?.[1]
  return unit === undefined ? Duration.decodeUnknown(text) : Duration.decodeUnknown(`${short?.[1] ?? ""} ${unit}`)
}

export const duration = (name: string) =>
  Options.text(name).pipe(Options.filterMap(parseDuration, `--${name} must be a duration, such as 20s, 5m or 1h`))

/** What every command can be told. */
export const common = {
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

export const json = Options.boolean("json").pipe(Options.withDescription("Print one JSON object a line."))
