/**
 * What came through a connection, with the breaks in it.
 *
 * @since 0.1.0
 */
import * as EffectData from "effect/Data"
import * as Duration from "effect/Duration"
import type { AttemptError, InboxOverflow, ReconnectRequested } from "./ConnectionError.ts"
import type { Message } from "./Transport.ts"

/**
 * Why there is a gap: the connection was lost, it was replaced on request, or the consumer fell behind.
 *
 * @since 0.1.0
 * @category models
 */
export type GapCause = AttemptError | ReconnectRequested | InboxOverflow

/**
 * A message, or a gap: the place where messages may be missing. A consumer that keeps state across messages (an order
 * book, a running sum) repairs or discards it when it sees a `Gap`.
 *
 * @since 0.1.0
 * @category models
 */
export type Item<A = Message> = EffectData.TaggedEnum<{
  readonly Data: { readonly data: A }
  readonly Gap: {
    /** The number of the connection that what follows came from; the first one is 1. */
    readonly epoch: number
    readonly cause: GapCause
    /** How long there was no connection; zero when messages were only dropped. */
    readonly downtime: Duration.Duration
    /** How many messages arrived and were dropped, because the inbox was full. */
    readonly dropped: number
  }
}>

/**
 * The place in the stream where messages may be missing.
 *
 * @since 0.1.0
 * @category models
 */
export type Gap = EffectData.TaggedEnum.Value<Item, "Gap">

/**
 * Constructors, matchers and guards of a connection's items.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Item } from "holdfast"
 *
 * const describe = Item.$match({
 *   Data: ({ data }) => `${data.length} characters or bytes`,
 *   Gap: ({ cause, dropped }) => `something is missing here (${dropped} dropped): ${cause.message}`
 * })
 * ```
 */
export const { $is, $match, Data, Gap } = EffectData.taggedEnum<Item>()

/**
 * Two gaps with nothing between them, as one: the downtimes and the drops add up. A lost connection says more than an
 * overflow, so its cause is kept.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mergeGaps = (first: Gap, second: Gap): Gap =>
  Gap({
    epoch: second.epoch,
    cause: second.cause._tag === "InboxOverflow" ? first.cause : second.cause,
    downtime: Duration.sum(first.downtime, second.downtime),
    dropped: first.dropped + second.dropped
  })
