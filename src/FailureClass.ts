/**
 * From a failure to what is done about it: the table that decides between trying again and giving up.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { AttemptError } from "./ConnectionError.ts"

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

export type Classify = (error: AttemptError, standard: FailureClass) => FailureClass
export const isLocal = (_: AttemptError): boolean => false
export const classify = (error: AttemptError): FailureClass => {
  if (error._tag === "HandshakeRejected") {
    if (error.status === 404) return Fatal()
    if (error.status === 401) return Limited({ tries: 1 })
    if (error.status === 429) return RetryAfter({ floor: Option.getOrElse(error.retryAfter, () => Duration.seconds(5)) })
  }
  if (error._tag === "ConnectionClosed" && error.code === 1008) return Limited({ tries: 3 })
  if (error._tag === "MessageTooLarge") return Limited({ tries: 1 })
  if (error._tag === "InboxOverflow") return Fatal()
  return Retry()
}
