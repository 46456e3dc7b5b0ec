/**
 * The errors of a subscription.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type { ConnectionError } from "./ConnectionError.ts"
import { formatDuration } from "./internal/time/durationText.ts"

/**
 * The peer refused the subscription of a topic. Other topics go on.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubscriptionRefused extends Data.TaggedError("SubscriptionRefused")<{
  readonly topic: string
  /** The peer's reason. */
  readonly reason: string
}> {
  override get message(): string {
    return `The peer refused the subscription to ${this.topic}: ${this.reason.replace(/\.$/, "")}.`
  }
}

/**
 * A topic had no data while others had, and subscribing to it again did not help. The topic may not exist.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubscriptionStale extends Data.TaggedError("SubscriptionStale")<{
  readonly topic: string
  /** The time without data. */
  readonly idleFor: Duration.Duration
}> {
  override get message(): string {
    const idleFor = formatDuration(this.idleFor)
    return `The topic ${this.topic} had no data for ${idleFor}, while others had data. Check that it exists.`
  }
}

/**
 * The errors that a subscription can end with.
 *
 * @since 0.1.0
 * @category errors
 */
export type SessionError = ConnectionError | SubscriptionRefused | SubscriptionStale
