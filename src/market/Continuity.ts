/**
 * Continuity: how a stream shows that events are missing, and how a feed fetches them.
 *
 * | continuity | a loss shows by | the feed then |
 * |---|---|---|
 * | `Sequence` | a jump in the ids | fetches the missing events and emits them first |
 * | `Candles` | a span of time without a candle | fetches the candles that closed in it and emits them first |
 * | `Diffs` | an update that does not follow the last one | emits a gap, since venues do not keep updates; an order book takes a new snapshot |
 * | `State` | nothing: only the latest event matters | does nothing |
 * | `Unknown` | nothing | emits a gap wherever events may be missing |
 *
 * The functions are declared as methods, so that kinds with different events fit into one table. A feed calls them only with
 * events of their own kind.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { GapCause, MarketEvent } from "./MarketEvent.ts"
import type { RestError } from "./RestError.ts"

/**
 * The stream to fetch events of.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** The name of the stream. */
  readonly name: string
  /** The symbol as the venue's events write it, or `""` for a stream of all symbols. */
  readonly symbol: string
}

/**
 * Ids grow by one with every event. The feed drops duplicates.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sequence<A extends MarketEvent> {
  readonly _tag: "Sequence"
  idOf(event: A): number
  /**
   * The venue's time at which the event happened, the same wherever and however often the venue tells the event. It shows at once
   * whether an event with an old id is a repeated one. Default: the event's `timestamp`, which may differ by a minute.
   */
  happenedAt?(event: A): number
  /** Whether the event really happened. If not, the feed counts its id as seen and drops the event. Default: it did. */
  isReal?(event: A): boolean
  /**
   * Fetches the first `pageSize` events from an id on, oldest first, with `via: "rest"`. The event with that id is one of
   * them if the venue still has it. An empty page means that the venue has no such events yet.
   */
  fetch(target: Target, fromId: number): Effect.Effect<ReadonlyArray<A>, RestError>
  /** The most events that one `fetch` returns. */
  readonly pageSize: number
  /**
   * Fetches the id of the latest event, `undefined` if there is none. With it, the feed knows how much is missing when it resumes
   * a stream. Default: it fetches one page after another until the last.
   */
  latest?(target: Target): Effect.Effect<number | undefined, RestError>
  /**
   * Fetches the id of the first event at a moment or after it, in the venue's unit; `undefined` if there is none yet. Default: a stream
   * cannot begin at a moment.
   */
  firstSince?(target: Target, at: number): Effect.Effect<number | undefined, RestError>
  /** The weight of one `fetch`, in the venue's unit. Default: 0. */
  readonly weight?: number | undefined
  /**
   * Why `fetch` does not reach all events that the venue has: those before the oldest that it returns, or all where it returns none.
   * Undefined: it reaches all. Then the cause of such a gap is `HistoryPruned`, or `NotServedYet`. Default: it reaches all.
   */
  unreachedCause?(): GapCause | undefined
  /**
   * Why ids may be missing between two events that `fetch` returns, although they were events. Default: `undefined`, the ids never
   * were events, and are no gap.
   */
  readonly skippedCause?: GapCause | undefined
  /**
   * Whether events are so rare that the next one, which would show a loss by its id, may be hours away. The feed then fetches what
   * it missed as soon as a lost connection is back. Default: false.
   */
  readonly isRare?: boolean | undefined
}

/**
 * Every event is the present state of a candle. Each candle opens right after the last moment of the one before. Moments are
 * in the venue's unit of time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candles<A extends MarketEvent> {
  readonly _tag: "Candles"
  /** The first moment of the candle. */
  opensAt(event: A): number
  /** The last moment of the candle: one unit of time before the next candle opens. */
  closesAt(event: A): number
  /** Whether the candle is closed, and so does not change any more. */
  isClosed(event: A): boolean
  /**
   * Fetches the candles that open from one moment to another, both included, oldest first, with `via: "rest"`: as many as the
   * venue returns in one answer. All but the last must be closed.
   */
  fetch(target: Target, from: number, to: number): Effect.Effect<ReadonlyArray<A>, RestError>
  /**
   * Fetches the latest candles, oldest first, with `via: "rest"`: so many, or as many as the venue returns in one answer. The last one
   * may be open. Default: a stream cannot begin with the last candles.
   */
  latest?(target: Target, count: number): Effect.Effect<ReadonlyArray<A>, RestError>
  /** The weight of one `fetch`, in the venue's unit. Default: 0. */
  readonly weight?: number | undefined
  /**
   * Makes the candle of a period without trades, which opens at `opensAt` and follows `previous`, with `via: "fill"`. Without it,
   * the feed cannot fill such periods.
   */
  flat?(previous: A, opensAt: number): A
}

/**
 * Every event is a change to the state that the event before it left.
 *
 * @since 0.1.0
 * @category models
 */
export interface Diffs<A extends MarketEvent> {
  readonly _tag: "Diffs"
  /** The position that the event leads to, such as the id of the last update in it. */
  positionOf(event: A): number
  /** The position that the event follows. Nothing is missing if the last event reached it or passed it. */
  previousOf(event: A): number
}

/**
 * Every event is the whole state. The feed emits only events that are newer than the last one.
 *
 * @since 0.1.0
 * @category models
 */
export interface State<A extends MarketEvent> {
  readonly _tag: "State"
  /** A number that grows from one event to the next, such as the time of the event. */
  positionOf(event: A): number
  /** Whether the event's `timestamp` is the venue's time, and not the time of arrival. Default: it is. */
  isTimed?(event: A): boolean
}

/**
 * The order of the events is unknown: they pass as they arrive.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unknown {
  readonly _tag: "Unknown"
}

/**
 * The continuity of a kind of stream: the feed follows a stream by this value.
 *
 * @since 0.1.0
 * @category models
 */
export type Continuity<A extends MarketEvent> = Sequence<A> | Candles<A> | Diffs<A> | State<A> | Unknown

/**
 * The position of an event in its stream, to resume the stream `after` it: the id of an event of a sequence; of a closed candle
 * its last moment, and of one that still forms the last moment of the candle before it; of a diff the position that it leads to.
 * Other continuities cannot be resumed: `undefined`.
 *
 * @since 0.1.0
 * @category positions
 */
export const positionOf = <A extends MarketEvent>(continuity: Continuity<A>, event: A): number | undefined => {
  switch (continuity._tag) {
    case "Sequence":
      return continuity.idOf(event)
    case "Candles":
      return continuity.isClosed(event) ? continuity.closesAt(event) : continuity.opensAt(event) - 1
    case "Diffs":
      return continuity.positionOf(event)
    case "State":
    case "Unknown":
      return undefined
  }
}

/**
 * The only value of {@link Unknown}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unknown: Unknown = { _tag: "Unknown" }
