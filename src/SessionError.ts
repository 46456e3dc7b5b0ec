/**
 * How a subscription fails, as tagged errors.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type { ConnectionError } from "./ConnectionError.ts"
import { formatDuration } from "./internal/time/durationText.ts"

/**
 * The peer refused a subscription. Other subscriptions go on.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubscriptionRefused extends Data.TaggedError("SubscriptionRefused")<{
  readonly topic: string
  /** What the peer said. */
  readonly reason: string
}> {
  override get message(): string {
    return `The subscription to ${this.topic} was refused: ${this.reason.replace(/\.$/, "")}.`
  }
}

/**
 * A subscription stayed silent while others had data, and subscribing it again did not help. It may not exist.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubscriptionStale extends Data.TaggedError("SubscriptionStale")<{
  readonly topic: string
  readonly idleFor: Duration.Duration
}> {
  override get message(): string {
    const idleFor = formatDuration(this.idleFor)
    return `The subscription to ${this.topic} has been silent for ${idleFor} while others had data. Check that it exists.`
  }
}

/**
 * Every error a subscription can end with.
 *
 * @since 0.1.0
 * @category errors
 */
export type SessionError = ConnectionError | SubscriptionRefused | SubscriptionStale
