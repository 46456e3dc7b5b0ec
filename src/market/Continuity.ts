/**
 * How the events of a stream hang together: what shows that one is missing, and where it can be fetched.
 *
 * | continuity | a loss shows | what is done about it |
 * |---|---|---|
 * | `Sequence` | by ids that follow each other | what is missing is fetched, and comes first |
 * | `Candles` | by spans of time without a candle | candles that closed unseen are fetched, and come first |
 * | `Diffs` | by the update that each one follows | a gap, since venues do not keep them; an order book takes a new snapshot |
 * | `State` | not at all: only the latest matters | nothing |
 * | `Unknown` | not at all | whatever may be missing is a gap |
 *
 * The functions are declared as methods, so that kinds of streams with different events can stand in one table. A feed calls
 * each only with events of its own kind.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { MarketEvent } from "./MarketEvent.ts"
import type { RestError } from "./RestError.ts"

/**
 * Which stream something is fetched for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Target {
  /** The name of the stream. */
  readonly name: string
  readonly symbol: string
}

/**
 * Ids grow by one with every event. Duplicates are dropped.
 *
 * @since 0.1.0
 * @category models
 */
export interface Sequence<A extends MarketEvent> {
  readonly _tag: "Sequence"
  idOf(event: A): number
  /** Whether something happened under this id. What did not counts as seen, and is not shown. Default: always. */
  isReal?(event: A): boolean
  /**
   * The events from an id on, oldest first, with `via: "rest"`: that id's own as well, if the venue still has it. The first
   * `pageSize` of them; none when there are none yet.
   */
  fetch(target: Target, fromId: number): Effect.Effect<ReadonlyArray<A>, RestError>
  /** Events that one `fetch` gives at most. */
  readonly pageSize: number
}

/**
 * Every event is a candle as it stands; the next one opens right after the last moment of the one before. Moments are in the
 * venue's unit of time.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candles<A extends MarketEvent> {
  readonly _tag: "Candles"
  /** The first moment of the candle. */
  opensAt(event: A): number
  /** The last moment of the candle: one before the next one opens. */
  closesAt(event: A): number
  isClosed(event: A): boolean
  /**
   * The candles that open from one moment to another, both included, oldest first, with `via: "rest"`. As many as the venue
   * gives at once. All but the last must be closed.
   */
  fetch(target: Target, from: number, to: number): Effect.Effect<ReadonlyArray<A>, RestError>
}

/**
 * Every event changes the state that the one before left behind.
 *
 * @since 0.1.0
 * @category models
 */
export interface Diffs<A extends MarketEvent> {
  readonly _tag: "Diffs"
  /** Where the event leads to, such as the id of the last update in it. */
  positionOf(event: A): number
  /** The position that the event follows: nothing is missing where it is no later than the last one seen. */
  previousOf(event: A): number
}

/**
 * Every event is all there is to know. Only what is newer than the last one passes.
 *
 * @since 0.1.0
 * @category models
 */
export interface State<A extends MarketEvent> {
  readonly _tag: "State"
  /** Grows from one event to the next, such as their time. */
  positionOf(event: A): number
  /** Whether the event's timestamp is the venue's own, and not that of its arrival. Default: it is. */
  isTimed?(event: A): boolean
}

/**
 * Nothing is known: events pass as they come.
 *
 * @since 0.1.0
 * @category models
 */
export interface Unknown {
  readonly _tag: "Unknown"
}

/**
 * The continuity of a kind of stream: a value that the feed obeys.
 *
 * @since 0.1.0
 * @category models
 */
export type Continuity<A extends MarketEvent> = Sequence<A> | Candles<A> | Diffs<A> | State<A> | Unknown

/**
 * The only value of {@link Unknown}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unknown: Unknown = { _tag: "Unknown" }
