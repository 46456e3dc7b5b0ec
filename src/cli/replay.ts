// `holdfast replay`: serves the events of a recording again, through the embedded exchange.
import type * as Command from "@effect/cli/Command"
import * as Chunk from "effect/Chunk"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import type { MarketEvent } from "../binance/MarketEvent.ts"
import { isGap } from "../binance/MarketEvent.ts"
import { series } from "../binance/internal/recordedSeries.ts"
import * as Recording from "../binance/Recording.ts"
import * as Exchange from "../binance/exchange/Exchange.ts"
import type { Recorded } from "../binance/exchange/Replay.ts"
import { streamsIn } from "../internal/recording/streams.ts"
import { sleep } from "../internal/time/sleep.ts"
import type { replayConfig } from "./options.ts"
import * as ReplayedRest from "./replayedRest.ts"
import { FileUnreadable } from "./verify.ts"

/** The files have no event that can be served. */
export class NothingToReplay extends Data.TaggedError("NothingToReplay")<{ readonly files: ReadonlyArray<string> }> {
  override get message(): string {
    return `There is no event to serve in ${this.files.join(", ")}.`
  }
}

const candleOf = ({ data }: MarketEvent): string => {
  const interval = Predicate.hasProperty(data, "k") && Predicate.hasProperty(data.k, "i") ? data.k.i : ""
  return `kline_${String(interval)}`
}
// Events of "1hTicker" are of the stream ticker_1h.
const windowOf = ({ data }: MarketEvent): string =>
  `ticker_${Predicate.hasProperty(data, "e") ? String(data.e).replace(/Ticker$/, "") : ""}`
const levelsOf = ({ data }: MarketEvent): string => {
  const side = Predicate.hasProperty(data, "bids") ? data.bids : Predicate.hasProperty(data, "b") ? data.b : []
  const count = Array.isArray(side) ? side.length : 0
  return `depth${[5, 10].find((levels) => count <= levels) ?? 20}`
}

// The stream of an event, by its type where that is not its name.
const names: Readonly<Partial<Record<string, (event: MarketEvent) => string>>> = {
  kline: candleOf,
  windowTicker: windowOf,
  partialDepth: levelsOf
}

// The streams that have an event: those of its series, as the recording names them, or else the one of its type.
const streamsOf = (recorded: ReadonlySet<string>) => {
  const bySeries = new Map<string, ReadonlyArray<string>>()
  for (const stream of recorded) {
    const name = series.ofStream(stream)
    if (name !== undefined) bySeries.set(name, [...bySeries.get(name) ?? [], stream])
  }
  return (event: MarketEvent): ReadonlyArray<string> => {
    const name = series.rangeOf(event)?.series
    const known = name === undefined ? undefined : bySeries.get(name)
    return known ?? [`${event.symbol.toLowerCase()}@${names[event.type]?.(event) ?? event.type}`]
  }
}

// From here on, times are in microseconds: in milliseconds, this is the year 5138.
const micros = 1e14

const messageOf = (event: MarketEvent, stream: string): Recorded => ({
  receivedAt: event.timestamp / (event.timestamp < micros ? 1_000 : 1_000_000),
  message: JSON.stringify({ stream, data: event.data })
})

// The generated market of the exchange has other ids than any recording.
const firstId = 2 ** 50

export const replay = ({ duration, files, port, speed }: Command.Command.ParseConfig<typeof replayConfig>) =>
  Effect.gen(function*() {
    const events = yield* Stream.runCollect(Stream.filter(Recording.make(files).raw, (event) => !isGap(event)))
    const recorded = yield* Effect.mapError(streamsIn(files), (cause) => new FileUnreadable({ files, cause }))
    const streamsFor = streamsOf(recorded)
    const known: Array<ReplayedRest.Played> = []
    const messages = Chunk.toReadonlyArray(events).flatMap((event) => {
      const messages = streamsFor(event).map((stream) => messageOf(event, stream))
      known.push({ event, at: (known.at(-1)?.at ?? 0) + messages.length })
      return messages
    })
    if (messages.length === 0) return yield* new NothingToReplay({ files })
    const streams = new Set(Chunk.toReadonlyArray(events).flatMap(streamsFor))
    const exchange = yield* Exchange.make({ port: Option.getOrUndefined(port), firstId, replay: { messages, speed, rest: ReplayedRest.make(known) } })
    yield* Console.log(
      `Serving ${events.length} events at ${exchange.wsUrl}, from the first reader on. Ctrl-C ends it. Read them with:\n` +
        `holdfast watch ${[...streams].join(" ")} --venue ${exchange.wsUrl}`
    )
    const played = Effect.repeat(exchange.stats, {
      schedule: Schedule.spaced("100 millis"),
      until: ({ replayed }) => replayed === messages.length
    })
    // The readers get the last messages before the server ends.
    const all = Effect.zipRight(played, Effect.sleep("1 second"))
    yield* Option.match(duration, {
      onNone: () => all,
      onSome: (time) => Effect.raceFirst(all, sleep(time))
    })
  }).pipe(Effect.scoped)
