// Runs a command: finds the venue, makes the feed, shows its events, stops when the time is up, and prints a summary.
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as BinanceFeed from "../binance/BinanceFeed.ts"
import type { MarketEvent } from "../binance/MarketEvent.ts"
import { monotonic, monotonicMillis } from "../internal/time/monotonic.ts"
import { sleep } from "../internal/time/sleep.ts"
import * as ReconnectPolicy from "../ReconnectPolicy.ts"
import type * as Venue from "../binance/Venue.ts"
import * as ExitCode from "./exitCode.ts"
import { NeverConnected } from "./NeverConnected.ts"
import * as Output from "./output.ts"
import type { Size } from "./region.ts"
import * as VenueChoice from "./VenueChoice.ts"
import { repair } from "./settings.ts"
import * as Summary from "./Summary.ts"
import { lookOf } from "./terminal.ts"
import * as View from "./View.ts"

export interface Arguments extends VenueChoice.Where {
  readonly duration: Option.Option<Duration.Duration>
  readonly json: boolean
  readonly quiet: boolean
  /** Whether market events are shown to people, too. Default: false. */
  readonly events?: boolean
  /** Streams that the venue must document. Default: none. */
  readonly streams?: ReadonlyArray<string>
  /** Whether it need not document them. Default: false. */
  readonly unchecked?: boolean
}

export interface Running {
  readonly feed: BinanceFeed.BinanceFeed
  /** Counts an event and shows it. */
  readonly market: (event: MarketEvent) => void
  /** Prints text. */
  readonly write: (text: string) => void
  /** Draws lines over those before. Undefined: the output is no terminal that could. */
  readonly draw: View.View["draw"]
  /** The size of the terminal now. */
  readonly size: () => Size
  /** Completes when the output can take more. */
  readonly drained: Effect.Effect<void>
}

/** The work of a command at a venue. */
export interface Plan<E, R> {
  readonly title: string
  readonly body: (running: Running) => Effect.Effect<void, E, R>
  /** Whether `body` has market events: they are counted, and the status is shown once a second. Default: it has. */
  readonly hasMarket?: boolean
  /**
   * Where the status and the summary go: to standard output, whose reader sets the pace (the default); to standard output as far
   * as somebody reads it; or to standard error.
   */
  readonly status?: "paced" | "offered" | "aside"
}

/** Says that a market is no real one. */
export const madeUp = "MADE-UP MARKET: the demo is an exchange inside this program, and none of its prices is real. " +
  "--venue spot reads Binance."

const targets = {
  paced: { stream: process.stdout, isPaced: true },
  offered: { stream: process.stdout, isPaced: false },
  aside: { stream: process.stderr, isPaced: false }
} as const

/** Carries out a plan until it ends or the time is up. `planAt` gets the venue. */
export const run = <E, R, E2, R2>(
  { duration, events: hasEvents, json, quiet: isQuiet, streams = [], unchecked = false, ...where }: Arguments,
  planAt: (venue: Venue.Venue) => Effect.Effect<Plan<E, R>, E2, R2>
) =>
  Effect.gen(function*() {
    const reconnect = yield* ReconnectPolicy.config
    const limits = yield* repair
    const choice = yield* VenueChoice.resolve(where)
    // Before a file is opened, or a connection.
    if (!unchecked) yield* VenueChoice.check(choice.venue, streams)
    const { body, hasMarket = true, status = "paced", title } = yield* planAt(choice.venue)
    const { isPaced, stream } = targets[status]
    const leftOut = json ? View.jsonLeftOut(choice.venue.name) : View.humanLeftOut
    const { drained, isFull, offer, write } = Output.make(stream, leftOut)
    const print = isPaced ? write : offer
    const size = () => ({ columns: stream.columns || 80, rows: stream.rows || 24 })
    const label = choice.isMadeUp ? choice.venue.name : undefined
    const view = json
      ? View.json(choice.venue.name, print, isQuiet)
      : View.human(print, { ...lookOf(process.env, stream.isTTY), hasEvents, isQuiet, label, size })
    const clock = yield* Effect.clock
    let summary = Summary.begin(monotonicMillis(clock), hasMarket)
    ExitCode.onInterrupt(ExitCode.failed)

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
    view.begin(yield* Clock.currentTimeMillis, title, choice.isMadeUp ? madeUp : undefined)

    // A feed keeps only its latest events for a slow reader.
    const events = Stream.runForEach(feed.events, (event) =>
      Effect.suspend(() => {
        summary = Summary.add(summary, event, monotonicMillis(clock))
        if (summary.hasConnected) ExitCode.onInterrupt(ExitCode.done)
        view.happened(event)
        return isPaced ? drained : Effect.void
      }))
    const ticks = Effect.repeat(
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (!isFull()) view.tick(now)
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
      },
      write: print,
      draw: view.draw,
      size,
      drained
    })
    const unlessConnected = (within: Duration.Duration) =>
      Effect.suspend(() => summary.hasConnected ? Effect.void : new NeverConnected({ within }))
    yield* Option.match(duration, {
      onNone: () => running,
      onSome: (time) => Effect.raceFirst(running, Effect.zipRight(sleep(time), unlessConnected(time)))
    })
  }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer))
