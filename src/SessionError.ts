/**
 * The errors of a subscription.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type { ConnectionError } from "./ConnectionError.ts"
import { reasonOf } from "./internal/reason.ts"
import { formatDuration } from "./internal/time/durationText.ts"

const describe = (cause: unknown) => reasonOf(cause).replace(/[.!]+$/, "")

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
 * A topic never had data, and the peer does not know it.
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
    return `The topic ${this.topic} had no data for ${idleFor}, and the peer does not know it. Check its name.`
  }
}

/**
 * The peer did not answer several requests to subscribe to a topic, while it served other topics of the connection.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubscriptionUnanswered extends Data.TaggedError("SubscriptionUnanswered")<{
  readonly topic: string
  /** The number of requests. */
  readonly requests: number
  /** The deadline of each of them. */
  readonly after: Duration.Duration
}> {
  override get message(): string {
    const requests = this.requests === 1 ? "a request" : `${this.requests} requests`
    const each = this.requests === 1 ? "" : "each "
    return `The peer did not answer ${requests} to subscribe to ${this.topic}, ${each}within ${formatDuration(this.after)}.`
  }
}

/**
 * The protocol could not write the request to subscribe to a topic: its `subscribe` threw, or its effect failed or took too
 * long.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubscriptionUnavailable extends Data.TaggedError("SubscriptionUnavailable")<{
  readonly topic: string
  readonly cause: unknown
}> {
  override get message(): string {
    return `The protocol could not write a request to subscribe to ${this.topic}: ${describe(this.cause)}.`
  }
}

/**
 * The peer ended the subscription of a topic. This is the cause in a gap; no stream fails with it.
 *
 * @since 0.1.0
 * @category models
 */
export class SubscriptionDropped extends Data.TaggedError("SubscriptionDropped")<{
  readonly topic: string
  /** The peer's reason. */
  readonly reason: string
}> {
  override get message(): string {
    return `The peer ended the subscription to ${this.topic}: ${this.reason.replace(/\.$/, "")}.`
  }
}

/**
 * A user's function threw and ended a session. It is a defect, not a failure: the streams of the session die with it. The
 * session works again after `connect`.
 *
 * @since 0.1.0
 * @category errors
 */
export class SessionDefect extends Data.TaggedError("SessionDefect")<{
  /** The function, such as `cadence of the protocol` or `data of a listener`. */
  readonly function: string
  readonly cause: unknown
}> {
  override get message(): string {
    return `The function ${this.function} threw and ended the session: ${describe(this.cause)}.`
  }
}

/**
 * The errors that a subscription can end with.
 *
 * @since 0.1.0
 * @category errors
 */
export type SessionError =
  | ConnectionError
  | SubscriptionRefused
  | SubscriptionStale
  | SubscriptionUnanswered
  | SubscriptionUnavailable
