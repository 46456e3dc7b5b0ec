/**
 * What the exchange can do to its clients, on command or by script.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"

/**
 * A fault. The first group strikes every open socket at once; the second, what is asked for next.
 *
 * - `Drop`: the TCP connection ends with a FIN and no close frame.
 * - `Reset`: the TCP connection is reset.
 * - `ResetOne`: the same for the oldest connection alone.
 * - `Close`: a close frame, and then the end. The code is one that may be sent (RFC 6455 §7.4), and the reason has 123
 *   bytes at most: anything else is a defect.
 * - `Mute`: nothing more is sent, but pings are still answered.
 * - `Vanish`: nothing more is sent or read, pings neither, and nothing ends: a cable was pulled.
 * - `Malformed`: a text message that breaks off in the middle of its JSON.
 * - `Oversize`: a text message of so many bytes.
 * - `Violation`: a frame with an opcode that does not exist (RFC 6455 §5.2).
 * - `Shutdown`: the `serverShutdown` event, and a close with 1001 so much later.
 * - `Restart`: every socket is reset, and nobody listens for so long.
 * - `RefuseUpgrades`: the next so many upgrades are answered with a status.
 * - `DelayUpgrades`: the next so many upgrades are answered so much later.
 * - `FailRest`: the next so many REST requests are answered with a status.
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
  readonly RefuseUpgrades: Refusal
  readonly DelayUpgrades: { readonly times: number; readonly delay: Duration.DurationInput }
  readonly FailRest: Refusal
}>

/**
 * How requests are refused.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly times: number
  readonly status: number
  /** Sent as the `Retry-After` header: a number of seconds, or a date. */
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
  Mute,
  Vanish,
  Violation
} = Data.taggedEnum<Fault>()

/**
 * A fault, and how long after the one before it strikes.
 *
 * @since 0.1.0
 * @category models
 */
export interface Scripted {
  readonly after: Duration.DurationInput
  readonly fault: Fault
}
