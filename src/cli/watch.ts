// `holdfast`: streams a market, and shows what breaks and how it heals.
import * as Options from "@effect/cli/Options"
import type * as Command from "@effect/cli/Command"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as MarketEvent from "../binance/MarketEvent.ts"
import * as Connection from "../Connection.ts"
import * as ReconnectPolicy from "../ReconnectPolicy.ts"
import * as Summary from "./Summary.ts"
import * as Venue from "./Venue.ts"
import * as View from "./View.ts"

const defaultStreams = ["btcusdt@kline_1m", "btcusdt@ticker", "btcusdt@trade"]

const units = { ms: "millis", s: "seconds", m: "minutes", h: "hours" } as const

// "20s" and "1.5h" as well as "20 seconds".
const parseDuration = (text: string): Option.Option<Duration.Duration> => {
  const short = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/.exec(text.trim())
  const unit = Object.entries(units).find(([name]) => name === short?.[2])?.[1]
  return unit === undefined ? Duration.decodeUnknown(text) : Duration.decodeUnknown(`${short?.[1] ?? ""} ${unit}`)
}

export const options = {
  streams: Options.text("stream").pipe(
    Options.withAlias("s"),
    Options.withDescription("A stream to watch, such as btcusdt@trade; may be given more than once."),
    Options.repeated
  ),
  duration: Options.text("for").pipe(
    Options.withDescription("How long to run, such as 20s, 5m or 1h. Without it: until Ctrl-C."),
    Options.filterMap(parseDuration, "must be a duration, such as 20s, 5m or 1h"),
    Options.optional
  ),
  json: Options.boolean("json").pipe(Options.withDescription("Print one JSON object a line.")),
  ws: Options.text("ws").pipe(
    Options.withDescription("Another venue, by the URL its streams are under: ws://127.0.0.1:9443"),
    Options.optional
  ),
  rest: Options.text("rest").pipe(
    Options.withDescription("That venue's REST interface. Nothing asks for it yet: data is not repaired in this version."),
    Options.optional
  )
}

export type Arguments = Command.Command.ParseConfig<typeof options>

const write = (text: string) => {
  process.stdout.write(text)
}

export const watch = ({ duration, json, streams, ws }: Arguments) =>
  Effect.gen(function*() {
    const names = streams.length === 0 ? defaultStreams : streams
    const reconnect = yield* ReconnectPolicy.config
    const venue = yield* Venue.resolve(ws)
    const view = json ? View.json(venue.name, write) : View.human(write, process.stdout.isTTY)
    let summary = Summary.begin(yield* Clock.currentTimeMillis)

    const connection = yield* Connection.make({
      ...venue.options,
      url: `${venue.ws}/stream?streams=${names.map(encodeURIComponent).join("/")}`,
      reconnect
    })
    yield* Effect.addFinalizer(() =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        view.end(summary, now)
      })
    )

    if (!json) write(`Watching ${names.join(", ")} at ${venue.name}. Ctrl-C ends it.\n`)
    const events = Stream.runForEach(connection.events, (event) =>
      Effect.sync(() => {
        summary = Summary.add(summary, event)
        view.connection(event)
      }))

    const skip = (error: MarketEvent.InvalidFrame, now: number) => {
      summary = { ...summary, invalid: summary.invalid + 1 }
      view.invalid(error, now)
      return Effect.logWarning(error.message)
    }

    const market = Stream.runForEach(connection.messages, (message) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const decoded = MarketEvent.decode(message, now)
        if (Either.isLeft(decoded)) return yield* skip(decoded.left, now)
        for (const event of decoded.right) {
          // Better to move while the old server still stands than to be thrown out.
          if (event.type === "serverShutdown") yield* Effect.ignore(connection.reconnect("the server shuts down"))
          summary = { ...summary, events: summary.events + 1 }
          view.market(event)
        }
      }))

    const ticks = Effect.repeat(
      Effect.map(Clock.currentTimeMillis, (now) => {
        view.tick(now)
      }),
      Schedule.spaced("1 second")
    )

    yield* Effect.forkScoped(events)
    yield* Effect.forkScoped(Effect.delay(ticks, "1 second"))
    yield* Option.match(duration, {
      onNone: () => market,
      onSome: (time) => Effect.raceFirst(market, Effect.sleep(time))
    })
  }).pipe(Effect.scoped)
