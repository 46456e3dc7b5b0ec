/**
 * The envelope of an event of any market, and the gaps between events.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { RestError } from "./RestError.ts"

/**
 * One event: `data` has the venue's own field names, and `timestamp` is the venue's event time where it gives one (in the
 * venue's unit), and ours (milliseconds since the epoch) where not.
 *
 * @since 0.1.0
 * @category models
 */
export interface MarketEvent<Data extends object = object, Type extends string = string> {
  /** The name of the venue that it comes from. */
  readonly source: string
  /** The symbol, as the venue writes it. */
  readonly symbol: string
  /** The kind of stream: `trade`, `kline`, `ticker`, `depth` … */
  readonly type: Type
  /** A text in it may keep the frame in memory that it came in, 2,048 characters at most. */
  readonly data: Data
  readonly timestamp: number
  /** Whether it came over a socket, or was fetched since the sockets had missed it. */
  readonly via: "ws" | "rest"
}

/**
 * What was missed is older than what the venue still has.
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
 * The sockets are ahead of the REST interface, and it did not catch up in time.
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
 * More is missing than may be fetched.
 *
 * @since 0.1.0
 * @category errors
 */
export class GapTooLarge extends Data.TaggedError("GapTooLarge")<{
  /** How many events may be fetched for one gap. */
  readonly limit: number
}> {
  override get message(): string {
    return `More is missing than the ${this.limit} events that repairLimit allows to fetch.`
  }
}

/**
 * Nothing can be fetched for this kind of stream: the connection was lost, or the consumer fell behind.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotRepairable extends Data.TaggedError("NotRepairable")<{
  /** What broke the stream. */
  readonly reason: string
}> {
  override get message(): string {
    return `The missing events cannot be fetched. ${this.reason}`
  }
}

/**
 * Why something that is missing was not repaired.
 *
 * @since 0.1.0
 * @category errors
 */
export type GapCause = HistoryPruned | NotServedYet | GapTooLarge | NotRepairable | RestError

/**
 * The place in a stream where events are missing, and could not be repaired. `from` and `to` are the first and last
 * missing ids (of a sequence), update ids (of a book) or moments (of candles: from where the first begins to where the last
 * ends); without them, nobody can say how much is missing.
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
 * Whether this is a gap.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isGap = (event: MarketEvent): event is Gap => event.type === "gap"

/**
 * A gap as a failure, for those who would rather have no stream than one with a hole.
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
 * Fails a stream at its first gap.
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
