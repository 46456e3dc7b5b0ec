/**
 * From a failure to what is done about it: the table that decides between trying again and giving up.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"

/**
 * What a failure calls for.
 *
 * - `Retry`: dial again after the backoff.
 * - `RetryAfter`: dial again after the backoff, and no sooner than `floor`.
 * - `Limited`: dial again, but give up when the same failure comes more than `tries` times in one outage.
 * - `Fatal`: give up now; a retry would fail the same way.
 *
 * @since 0.1.0
 * @category models
 */
export type FailureClass = Data.TaggedEnum<{
  readonly Retry: object
  readonly RetryAfter: { readonly floor: Duration.Duration }
  readonly Limited: { readonly tries: number }
  readonly Fatal: object
}>

/**
 * Constructors, matchers and guards of {@link FailureClass}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const { $is, $match, Fatal, Limited, Retry, RetryAfter } = Data.taggedEnum<FailureClass>()
