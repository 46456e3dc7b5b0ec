/**
 * What happens to subscriptions, as it happens.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type { SubscriptionRefused } from "./SessionError.ts"

/**
 * Something that happened to subscriptions. `at` is in milliseconds since the epoch.
 *
 * - `Requested`: a request to subscribe these topics was sent.
 * - `Acknowledged`: the peer acknowledged their subscription.
 * - `Unanswered`: no answer came in time. They are asked for again.
 * - `Refused`: the peer refused a topic. It has ended with this error.
 * - `Live`: the first data of a topic came, or the first since it was stale.
 * - `Stale`: a topic fell silent while others did not; `remedy` is what is done about it.
 * - `Released`: the peer acknowledged that these topics are unsubscribed.
 * - `Invalid`: a message came that the protocol does not know.
 * - `EventsDropped`: this reader fell behind, and this many events before the next one are missing.
 *
 * @since 0.1.0
 * @category models
 */
export type SessionEvent = Data.TaggedEnum<{
  readonly Requested: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly Acknowledged: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly Unanswered: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly Refused: { readonly at: number; readonly error: SubscriptionRefused }
  readonly Live: { readonly at: number; readonly topic: string }
  readonly Stale: {
    readonly at: number
    readonly topic: string
    readonly idleFor: Duration.Duration
    readonly remedy: "resubscribe" | "relocate" | "fail"
  }
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
  EventsDropped,
  Invalid,
  Live,
  Refused,
  Released,
  Requested,
  Stale,
  Unanswered
} = Data.taggedEnum<SessionEvent>()
