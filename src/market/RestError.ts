/**
 * How asking a venue's REST interface fails: for a snapshot, or for what the sockets missed.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import { formatDuration } from "../internal/time/durationText.ts"

/**
 * The venue refused a request, and would refuse it again.
 *
 * @since 0.1.0
 * @category errors
 */
export class RestRejected extends Data.TaggedError("RestRejected")<{
  readonly path: string
  readonly status: number
  /** The venue's own code and sentence, where it gave them. */
  readonly reason: string
}> {
  override get message(): string {
    return `The request ${this.path} was refused with status ${this.status}: ${this.reason.replace(/\.$/, "")}.`
  }
}

/**
 * The venue did not answer, or had no answer, for as long as was tried.
 *
 * @since 0.1.0
 * @category errors
 */
export class RestUnavailable extends Data.TaggedError("RestUnavailable")<{
  readonly path: string
  readonly reason: string
}> {
  override get message(): string {
    return `The request ${this.path} failed: ${this.reason.replace(/\.$/, "")}.`
  }
}

/**
 * The venue asked for patience (status 429), or has banned this address for a time.
 *
 * @since 0.1.0
 * @category errors
 */
export class RestLimited extends Data.TaggedError("RestLimited")<{
  readonly path: string
  readonly status: number
  readonly retryAfter: Duration.Duration
}> {
  override get message(): string {
    const wait = formatDuration(this.retryAfter)
    return `The request ${this.path} was refused with status ${this.status}: no request is sent for ${wait}.`
  }
}

/**
 * How a request can fail. A feed asks for the snapshot of a book again unless it was rejected. Where fetching what is missing
 * fails, the failure is the cause of a gap: a client that should try again does so itself, before it fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type RestError = RestRejected | RestUnavailable | RestLimited
