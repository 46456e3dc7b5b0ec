/**
 * The events of a session's subscriptions.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type { SubscriptionRefused } from "./SessionError.ts"

/**
 * An event of a session's subscriptions. `at` is Unix time in milliseconds.
 *
 * - `Requested`: the session sends a request to subscribe to these topics.
 * - `RequestFailed`: the protocol could not write a request for these topics, for this `reason`. The session tries again
 *   after the time `retry`; without one, the topics end with `SubscriptionUnavailable`.
 * - `Acknowledged`: the peer acknowledged that these topics are subscribed. In a protocol without acknowledgements: the
 *   request was sent.
 * - `Unanswered`: the peer did not answer a request for these topics in time. The session asks again, or ends the topic with
 *   `SubscriptionUnanswered`.
 * - `Refused`: the peer refused a topic. The session asks again after the time `retry`; without one, the topic ends with
 *   this error.
 * - `Dropped`: the peer has ended the subscription of a topic. The session asks for it again.
 * - `Live`: a topic has its first data since it was requested or became stale.
 * - `Stale`: a topic had activity, but no data came for `idleFor`. `remedy` names the next step of the session: subscribe
 *   again, or move the topic to another connection. Or the peer does not know the topic, and it fails.
 * - `Idle`: a topic has had no data for `idleFor`. It may have nothing to say. The session subscribes to it again.
 * - `Released`: the peer acknowledged that these topics are unsubscribed. In a protocol without acknowledgements: the
 *   request was sent.
 * - `Invalid`: the peer sent a message that the protocol does not know. `excerpt` is its beginning.
 * - `EventsDropped`: this reader fell behind; `count` events are missing before the next one.
 *
 * @since 0.1.0
 * @category models
 */
export type SessionEvent = Data.TaggedEnum<{
  readonly Requested: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly RequestFailed: {
    readonly at: number
    readonly method: "subscribe" | "unsubscribe"
    readonly topics: ReadonlyArray<string>
    readonly reason: string
    readonly retry: Option.Option<Duration.Duration>
  }
  readonly Acknowledged: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly Unanswered: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly Refused: {
    readonly at: number
    readonly error: SubscriptionRefused
    readonly retry: Option.Option<Duration.Duration>
  }
  readonly Dropped: { readonly at: number; readonly topic: string; readonly reason: string }
  readonly Live: { readonly at: number; readonly topic: string }
  readonly Stale: {
    readonly at: number
    readonly topic: string
    readonly idleFor: Duration.Duration
    readonly remedy: "resubscribe" | "relocate" | "fail"
  }
  readonly Idle: { readonly at: number; readonly topic: string; readonly idleFor: Duration.Duration }
  readonly Released: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly Invalid: { readonly at: number; readonly reason: string; readonly excerpt: string }
  readonly EventsDropped: { readonly at: number; readonly count: number }
}>

/**
 * Constructors, matchers and guards of {@link SessionEvent}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const {
  $is,
  $match,
  Acknowledged,
  Dropped,
  EventsDropped,
  Idle,
  Invalid,
  Live,
  Refused,
  Released,
  RequestFailed,
  Requested,
  Stale,
  Unanswered
} = Data.taggedEnum<SessionEvent>()
