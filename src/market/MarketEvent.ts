/**
 * The events of any market, and the gaps between them.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { formatDuration } from "../internal/time/durationText.ts"
import type { FeedError } from "./FeedError.ts"
import type { RestError } from "./RestError.ts"

/**
 * An event of a market. `data` keeps the venue's own field names. `timestamp` is the venue's time of the event, in the venue's
 * unit, if the data has one. Otherwise it is the time of arrival, as Unix time in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface MarketEvent<Data extends object = object, Type extends string = string> {
  /** The name of the venue. */
  readonly source: string
  /** The symbol, as the venue writes it. */
  readonly symbol: string
  /** The kind of stream: `trade`, `kline`, `ticker`, `depth` … */
  readonly type: Type
  /** A string in it may keep the text of its message in memory: at most 2,048 characters. */
  readonly data: Data
  readonly timestamp: number
  /**
   * `"ws"`: it came over a socket. `"rest"`: the sockets missed it, and the feed fetched it. `"fill"`: the feed made it, a candle
   * of a period without trades.
   */
  readonly via: "ws" | "rest" | "fill"
}

/**
 * The missing events are older than the venue's history.
 *
 * @since 0.1.0
 * @category errors
 */
export class HistoryPruned extends Data.TaggedError("HistoryPruned") {
  override get message(): string {
    return "The venue no longer has the missing events."
  }
}

/**
 * The sockets are ahead of the REST interface, which did not catch up in time.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotServedYet extends Data.TaggedError("NotServedYet") {
  override get message(): string {
    return "The venue's REST interface does not have the missing events yet."
  }
}

/**
 * More events are missing than the feed may fetch. It fetches the newest of them, and these are the older ones.
 *
 * @since 0.1.0
 * @category errors
 */
export class GapTooLarge extends Data.TaggedError("GapTooLarge")<{
  /** The most events that the feed fetches for one gap, by its `repairLimit` and `repairWeight`. */
  readonly limit: number
}> {
  override get message(): string {
    return `More than ${this.limit} events are missing: repairLimit or repairWeight allows no more for one gap, the newest.`
  }
}

/**
 * The feed did not fetch all missing events in the time that it has for one gap. It fetched the oldest and the newest of them.
 *
 * @since 0.1.0
 * @category errors
 */
export class RepairTooLong extends Data.TaggedError("RepairTooLong")<{
  /** The time that the feed has for one gap: its `repairTime`. */
  readonly limit: Duration.Duration
}> {
  override get message(): string {
    return `The missing events were not fetched within ${formatDuration(this.limit)}: repairTime allows no more for one gap.`
  }
}

/**
 * The missing events cannot be fetched: the venue does not serve events of this kind, or it has reset its ids.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotRepairable extends Data.TaggedError("NotRepairable")<{
  /** Why events are missing, or why they cannot be fetched: a sentence. */
  readonly reason: string
}> {
  override get message(): string {
    return `The missing events cannot be fetched. ${this.reason}`
  }
}

/**
 * The reason why a gap was not repaired.
 *
 * @since 0.1.0
 * @category errors
 */
export type GapCause = HistoryPruned | NotServedYet | GapTooLarge | RepairTooLong | NotRepairable | RestError

/**
 * The place in a stream where events are missing and could not be fetched. `from` and `to` are the first and the last
 * missing id of a sequence, or update id of a book. Of candles they are moments: the first moment of the first missing candle
 * and the last moment of the last one. Both are undefined where the stream does not show how many events are missing; only
 * `to` is undefined where the venue has reset its ids.
 *
 * @since 0.1.0
 * @category models
 */
export type Gap = MarketEvent<{
  readonly stream: string
  readonly from: number | undefined
  readonly to: number | undefined
  readonly cause: GapCause
}, "gap">

/**
 * Whether an event is a gap.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isGap = (event: MarketEvent): event is Gap => event.type === "gap"

/**
 * The place in a joint stream from which on one of its streams has no more events, since it has failed. The others go on.
 *
 * @since 0.1.0
 * @category models
 */
export type Ended = MarketEvent<{
  readonly stream: string
  readonly error: FeedError
}, "ended">

/**
 * Whether an event is the end of a stream.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isEnded = (event: MarketEvent): event is Ended => event.type === "ended"

/**
 * A gap as an error: {@link failOnGap} fails with it.
 *
 * @since 0.1.0
 * @category errors
 */
export class MarketGap extends Data.TaggedError("MarketGap")<{ readonly gap: Gap }> {
  override get message(): string {
    const { cause, from, stream, to } = this.gap.data
    const bounds = from === undefined ? "events" : `${from} to ${to ?? "?"}`
    return `${stream} is missing ${bounds}. ${cause.message}`
  }
}

/**
 * Fails a stream with {@link MarketGap} at its first gap.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import type { MarketFeed } from "holdfast/market"
 * import { MarketEvent } from "holdfast/market"
 *
 * const watch = (feed: MarketFeed.MarketFeed) =>
 *   feed.stream("btcusdt@trade").pipe(
 *     MarketEvent.failOnGap,
 *     Stream.runForEach(({ data }) => Effect.log(data))
 *   )
 * ```
 */
export const failOnGap = <A extends MarketEvent, E, R>(
  stream: Stream.Stream<A | Gap, E, R>
): Stream.Stream<A, E | MarketGap, R> =>
  Stream.mapEffect(stream, (event) => isGap(event) ? new MarketGap({ gap: event }) : Effect.succeed(event))

/**
 * Fails a joint stream as soon as one of its streams has failed, with the error of that one.
 *
 * @since 0.1.0
 * @category combinators
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import type { MarketFeed } from "holdfast/market"
 * import { MarketEvent } from "holdfast/market"
 *
 * const watch = (feed: MarketFeed.MarketFeed) =>
 *   feed.stream(["btcusdt@trade", "ethusdt@trade"]).pipe(
 *     MarketEvent.failOnEnded,
 *     Stream.runForEach(({ data }) => Effect.log(data))
 *   )
 * ```
 */
export const failOnEnded = <A extends MarketEvent, E, R>(
  stream: Stream.Stream<A | Ended, E, R>
): Stream.Stream<A, E | FeedError, R> =>
  Stream.mapEffect(stream, (event) => isEnded(event) ? Effect.fail(event.data.error) : Effect.succeed(event))
