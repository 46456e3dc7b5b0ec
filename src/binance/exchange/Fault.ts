/**
 * The faults that the exchange can inject.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"

/**
 * A fault. A plain number for a duration is in milliseconds.
 *
 * These act at once, on every open connection unless stated otherwise:
 *
 * - `Drop`: ends the TCP connection with a FIN and no close frame.
 * - `Reset`: resets the TCP connection.
 * - `ResetOne`: resets the TCP connection of the oldest client only.
 * - `Close`: sends a close frame and ends the connection. The code must be one that may be sent (RFC 6455 §7.4), the
 *   reason at most 123 bytes long: anything else is a defect.
 * - `Mute`: sends no more messages, but still answers pings.
 * - `Vanish`: stops sending, reading and answering pings, but keeps the TCP connection open, as if a cable had been
 *   pulled.
 * - `Malformed`: sends a text message whose JSON is cut off.
 * - `Oversize`: sends a text message of `bytes` bytes.
 * - `Violation`: sends a frame with a reserved opcode (RFC 6455 §5.2).
 * - `Shutdown`: sends the `serverShutdown` event, and closes the connection with 1001 after `notice`.
 * - `Restart`: resets every connection and stops listening for `downtime`.
 *
 * This acts on one stream:
 *
 * - `Stall`: acknowledges the stream, and sends nothing of it for `lasts`, while its market goes on. REST has what it does not send.
 *
 * These act on the next `times` requests:
 *
 * - `RefuseUpgrades`: answers WebSocket upgrades with an HTTP status.
 * - `DelayUpgrades`: answers WebSocket upgrades after `delay`.
 * - `FailRest`: answers REST requests with an HTTP status.
 *
 * @since 0.1.0
 * @category models
 */
export type Fault = Data.TaggedEnum<{
  readonly Drop: object
  readonly Reset: object
  readonly ResetOne: object
  readonly Close: { readonly code: number; readonly reason: string }
  readonly Mute: object
  readonly Vanish: object
  readonly Malformed: object
  readonly Oversize: { readonly bytes: number }
  readonly Violation: object
  readonly Shutdown: { readonly notice: Duration.DurationInput }
  readonly Restart: { readonly downtime: Duration.DurationInput }
  readonly Stall: { readonly stream: string; readonly lasts: Duration.DurationInput }
  readonly RefuseUpgrades: Refusal
  readonly DelayUpgrades: { readonly times: number; readonly delay: Duration.DurationInput }
  readonly FailRest: Refusal
}>

/**
 * The answer to refused requests.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  /** The number of requests to refuse. */
  readonly times: number
  /** The HTTP status. */
  readonly status: number
  /** The `Retry-After` header: a number of seconds, or a date. Default: none. */
  readonly retryAfter?: string | undefined
}

/**
 * Constructors, matchers and guards of {@link Fault}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const {
  $is,
  $match,
  Close,
  DelayUpgrades,
  Drop,
  FailRest,
  Malformed,
  Oversize,
  RefuseUpgrades,
  Reset,
  ResetOne,
  Restart,
  Shutdown,
  Stall,
  Mute,
  Vanish,
  Violation
} = Data.taggedEnum<Fault>()

/**
 * A fault in a script.
 *
 * @since 0.1.0
 * @category models
 */
export interface Scripted {
  /** The wait after the fault before it, or after the start of the script. A plain number is in milliseconds. */
  readonly after: Duration.DurationInput
  readonly fault: Fault
}
