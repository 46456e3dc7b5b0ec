/**
 * Errors of a venue's REST interface, from which a feed fetches snapshots and missed events.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import { formatDuration } from "../internal/time/durationText.ts"

/**
 * The venue refused a request and would refuse it again: what the request asks for does not exist, or the request is malformed.
 *
 * @since 0.1.0
 * @category errors
 */
export class RestRejected extends Data.TaggedError("RestRejected")<{
  /** The path of the request, without its query. */
  readonly path: string
  /** The HTTP status. */
  readonly status: number
  /** The venue's own code, if it sent one. */
  readonly code?: number | undefined
  /** The venue's own text and code, if it sent them. */
  readonly reason: string
}> {
  override get message(): string {
    return `The venue refused the request ${this.path} with status ${this.status}: ${this.reason.replace(/\.$/, "")}.`
  }
}

/**
 * The venue gave no usable answer for as long as the client tried.
 *
 * @since 0.1.0
 * @category errors
 */
export class RestUnavailable extends Data.TaggedError("RestUnavailable")<{
  /** The path of the request, without its query. */
  readonly path: string
  /** The last failure: a clause that follows a colon. */
  readonly reason: string
}> {
  override get message(): string {
    return `The request ${this.path} failed: ${this.reason.replace(/\.$/, "")}.`
  }
}

/**
 * The venue refused a request because there were too many (status 429), or because it has banned this address for a time.
 *
 * @since 0.1.0
 * @category errors
 */
export class RestLimited extends Data.TaggedError("RestLimited")<{
  /** The path of the request, without its query. */
  readonly path: string
  /** The HTTP status. */
  readonly status: number
  /** The time until requests may be sent again. */
  readonly retryAfter: Duration.Duration
}> {
  override get message(): string {
    const wait = formatDuration(this.retryAfter)
    return `The venue refused the request ${this.path} with status ${this.status}. The next request follows after ${wait}.`
  }
}

/**
 * The reason why a request failed. A feed requests the snapshot of a book again, unless the venue rejected the request. When it
 * cannot fetch missing events, the error becomes the cause of a gap. So the client itself must retry temporary failures before
 * it fails.
 *
 * @since 0.1.0
 * @category errors
 */
export type RestError = RestRejected | RestUnavailable | RestLimited
