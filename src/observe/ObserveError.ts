/**
 * The errors of an observer.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * There is no connection with this id.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConnectionUnknown extends Data.TaggedError("ConnectionUnknown")<{ readonly id: string }> {
  override get message(): string {
    return `There is no connection ${this.id}.`
  }
}

/**
 * A connection cannot do what was asked of it, as it is now.
 *
 * @since 0.1.0
 * @category errors
 */
export class NotPossible extends Data.TaggedError("NotPossible")<{
  readonly id: string
  /** Why: a sentence. */
  readonly reason: string
}> {
  override get message(): string {
    return `Connection ${this.id} cannot do that. ${this.reason}`
  }
}

/**
 * Metrics and spans cannot be exported by OTLP, such as because `@effect/opentelemetry` is not installed.
 *
 * @since 0.1.0
 * @category errors
 */
export class OtlpUnavailable extends Data.TaggedError("OtlpUnavailable")<{
  /** Why: a sentence. */
  readonly reason: string
}> {
  override get message(): string {
    return `Nothing can be exported by OTLP. ${this.reason}`
  }
}
