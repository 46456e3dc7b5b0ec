/**
 * The errors that a stream of a feed can end with.
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import * as Data from "effect/Data"
import type { SessionError } from "../SessionError.ts"
import type { RestRejected } from "./RestError.ts"

/**
 * The venue has no stream of this name: its kind is not documented, or the venue does not list its symbol.
 *
 * @since 0.1.0
 * @category errors
 */
export class StreamUnknown extends Data.TaggedError("StreamUnknown")<{
  /** The name of the stream. */
  readonly stream: string
  /** Why there is no such stream: a clause without a capital or a full stop. */
  readonly reason: string
  /** Names that are near, nearest first. */
  readonly near: ReadonlyArray<string>
}> {
  override get message(): string {
    const advice = this.near.length === 0 ? "" : ` Did you mean ${listed(this.near)}?`
    return `There is no stream ${this.stream}: ${this.reason}.${advice}`
  }
}

const listed = (names: ReadonlyArray<string>): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} or ${names.at(-1) ?? ""}`

/**
 * The errors that a stream of a feed can end with. A `ConfigError` says that an option of the
 * stream is out of range, such as `after`. `RestRejected` ends what is fetched only by REST.
 *
 * @since 0.1.0
 * @category errors
 */
export type FeedError = SessionError | StreamUnknown | ConfigError.ConfigError | RestRejected
