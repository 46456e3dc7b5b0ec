// Runs a command: finds the venue, makes the feed, shows its events, stops when the time is up, and prints a summary.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as BinanceFeed from "../binance/BinanceFeed.ts"
import type { MarketEvent } from "../binance/MarketEvent.ts"
import { formatDuration } from "../internal/time/durationText.ts"
import { monotonic, monotonicMillis } from "../internal/time/monotonic.ts"
import { sleep } from "../internal/time/sleep.ts"
import * as ReconnectPolicy from "../ReconnectPolicy.ts"
import * as VenueChoice from "./VenueChoice.ts"
import { repair } from "./settings.ts"
import * as Summary from "./Summary.ts"
import { lookOf } from "./terminal.ts"
import * as View from "./View.ts"

export interface Arguments {
  readonly duration: Option.Option<Duration.Duration>
  readonly ws: Option.Option<string>
  readonly rest: Option.Option<string>
  readonly json: boolean
}

export interface Running {
  readonly feed: BinanceFeed.BinanceFeed
  /** Counts an event and shows it. */
  readonly market: (event: MarketEvent) => void
}

/** The time of `--for` was up, and no connection had opened. */
export class NeverConnected extends Data.TaggedError("NeverConnected")<{ readonly within: Duration.Duration }> {
  override get message(): string {
    return `No connection opened within ${formatDuration(this.within)}. Check the address and the network.`
  }
}

export const write = (text: string) => {
  process.stdout.write(text)
}

/** Runs `body` until it ends or the time is up. `title` gets the name of the venue. */
export const run = <E, R>(
  { duration, json, rest, ws }: Arguments,
  title: (venue: string) => string,
  body: (running: Running) => Effect.Effect<void, E, R>,
  /** Whether `body` has market events: they are counted, and the status is shown once a second. */
  { hasMarket = true }: { readonly hasMarket?: boolean } = {}
) =>
  Effect.gen(function*() {
    const reconnect = yield* ReconnectPolicy.config
    const limits = yield* repair
    const choice = yield* VenueChoice.resolve(ws, rest)
    const view = json ? View.json(choice.venue.name, write) : View.human(write, lookOf(process.env, process.stdout.isTTY))
    const clock = yield* Effect.clock
    let summary = Summary.begin(monotonicMillis(clock), hasMarket)

    yield* Effect.addFinalizer(() =>
      Effect.zipWith(Clock.currentTimeMillis, monotonic, (at, now) => {
        view.end(summary, at, now)
      })
    )
    const feed = yield* BinanceFeed.make({
      venue: choice.venue,
      connection: { ...choice.connection, reconnect },
      rest: choice.rest,
      ...limits
    }).pipe(Effect.provide(choice.transport))
    if (!json) write(`${title(choice.venue.name)} Ctrl-C ends it.\n`)

    const events = Stream.runForEach(feed.events, (event) =>
      Effect.sync(() => {
        summary = Summary.add(summary, event, monotonicMillis(clock))
        view.happened(event)
      }))
    const ticks = Effect.repeat(
      Effect.map(Clock.currentTimeMillis, (now) => {
        view.tick(now)
      }),
      Schedule.spaced("1 second")
    )
    yield* Effect.forkScoped(events)
    if (hasMarket) yield* Effect.forkScoped(Effect.delay(ticks, "1 second"))

    const running = body({
      feed,
      market: (event) => {
        summary = { ...summary, events: summary.events + 1 }
        view.market(event)
      }
    })
    const unlessConnected = (within: Duration.Duration) =>
      Effect.suspend(() => summary.hasConnected ? Effect.void : new NeverConnected({ within }))
    yield* Option.match(duration, {
      onNone: () => running,
      onSome: (time) => Effect.raceFirst(running, Effect.zipRight(sleep(time), unlessConnected(time)))
    })
  }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
