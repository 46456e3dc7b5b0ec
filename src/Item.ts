/**
 * The items of a connection: its messages, and the gaps between them.
 *
 * @since 0.1.0
 */
import * as EffectData from "effect/Data"
import * as Duration from "effect/Duration"
import type { AttemptError, InboxOverflow, ReconnectRequested } from "./ConnectionError.ts"
import type { SubscriptionDropped } from "./SessionError.ts"
import type { Message } from "./Transport.ts"

/**
 * Why messages may be missing: the connection was lost, `reconnect` replaced it, a reader fell behind, or the peer ended the
 * subscription of the topic.
 *
 * @since 0.1.0
 * @category models
 */
export type GapCause = AttemptError | ReconnectRequested | InboxOverflow | SubscriptionDropped

/**
 * A message, or a gap where messages may be missing. A reader that keeps state across messages, such as an order book or
 * a running sum, has to repair or discard that state when it gets a `Gap`.
 *
 * @since 0.1.0
 * @category models
 */
export type Item<A = Message> = EffectData.TaggedEnum<{
  readonly Data: { readonly data: A }
  readonly Gap: {
    /** The epoch of the connection that brings the messages after the gap. The first connection has epoch 1. */
    readonly epoch: number
    readonly cause: GapCause
    /** The time in which no connection was open; zero if messages were only dropped. */
    readonly downtime: Duration.Duration
    /** The number of messages that arrived and were dropped because the inbox was full. */
    readonly dropped: number
  }
}>

/**
 * The place in a stream where messages may be missing.
 *
 * @since 0.1.0
 * @category models
 */
export type Gap = EffectData.TaggedEnum.Value<Item, "Gap">

/**
 * Constructors, matchers and guards of {@link Item}.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { Item } from "holdfast"
 *
 * const describe = Item.$match({
 *   Data: ({ data }) => `${data.length} characters or bytes`,
 *   Gap: ({ cause, dropped }) => `messages may be missing here (${dropped} dropped): ${cause.message}`
 * })
 * ```
 */
export const { $is, $match, Data, Gap } = EffectData.taggedEnum<Item>()

/**
 * Merges two gaps that have no message between them. Downtimes and dropped messages add up, and the epoch is that of the
 * second gap. The cause is that of the second gap too, unless it is an overflow: then it is that of the first.
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
