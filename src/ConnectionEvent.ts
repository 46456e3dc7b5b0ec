/**
 * The events of a connection: dials, losses, decisions and gaps, with their reasons.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type { AttemptError, ConnectionError, ReconnectRequested } from "./ConnectionError.ts"
import type { FailureClass } from "./FailureClass.ts"
import type { Gap as GapItem } from "./Item.ts"

/**
 * Why a connection was given up:
 *
 * - `fatal`: the failure is of the class `Fatal`, or of the class `Passing` with no tries, before any connection was proven.
 * - `disabled`: reconnection is off.
 * - `exhausted`: the retry budget is spent.
 * - `limited`: the same failure came more often than its class allows.
 *
 * @since 0.1.0
 * @category models
 */
export type GiveUp = "fatal" | "disabled" | "exhausted" | "limited"

/**
 * An event. `at` and `until` are Unix times in milliseconds, as `Clock` gives them.
 *
 * - `Dialling`: a dial begins. `attempt` 0 is the first one, n is the n-th retry of the outage.
 * - `Opened`: the connection is open and its handshake done. `took` is the time since the dial began, `outage` the length
 *   of the outage that it ended, if there was one.
 * - `AttemptFailed`: the dial, or the handshake after it, failed.
 * - `Lost`: an open connection ended after `openFor`. `messages` is the number of messages that it received, and `proven`
 *   says whether it resets the backoff.
 * - `Waiting`: the connection will dial again, after `delay`, at `until`. `attempt` is the number of that retry,
 *   `retriesLeft` the number of retries that remain after it.
 * - `Gap`: a reader of `items` is about to get this gap.
 * - `Disconnected`: `disconnect` was called. The connection does not dial until `connect` is called.
 * - `Failed`: the connection was given up. It does not dial until `connect` is called.
 * - `Died`: a defect ended the connection: a bug in Holdfast or in a function of the options, such as `classify`. The
 *   connection does not dial until `connect` is called.
 * - `Closed`: the scope closed.
 * - `EventsDropped`: this reader fell behind; `count` events are missing before the next one.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionEvent = Data.TaggedEnum<Named<Events>>

type Named<A> = {
  readonly [Tag in keyof A]: A[Tag] & {
    /** The option `name` of the connection, if it has one. */
    readonly connection?: string | undefined
  }
}

interface Events {
  readonly Dialling: { readonly at: number; readonly attempt: number }
  readonly Opened: {
    readonly at: number
    readonly epoch: number
    readonly attempt: number
    /** The subprotocol that the server chose, or `""`. */
    readonly protocol: string
    readonly took: Duration.Duration
    readonly outage: Option.Option<Duration.Duration>
  }
  readonly AttemptFailed: { readonly at: number; readonly attempt: number; readonly cause: AttemptError }
  readonly Lost: {
    readonly at: number
    readonly epoch: number
    readonly cause: AttemptError | ReconnectRequested
    readonly openFor: Duration.Duration
    readonly messages: number
    readonly proven: boolean
  }
  readonly Waiting: {
    readonly at: number
    readonly attempt: number
    readonly cause: AttemptError
    readonly class: FailureClass
    readonly delay: Duration.Duration
    /** The time of the next dial. */
    readonly until: number
    /** `"unknown"` when a schedule from the options decides. */
    readonly retriesLeft: number | "unlimited" | "unknown"
  }
  readonly Gap: { readonly at: number; readonly gap: GapItem }
  readonly Disconnected: { readonly at: number }
  readonly Failed: {
    readonly at: number
    readonly error: ConnectionError
    readonly class: FailureClass
    readonly because: GiveUp
  }
  readonly Died: {
    readonly at: number
    readonly cause: Cause.Cause<unknown>
    /** The option whose function threw or died, if it is known. */
    readonly option?: "classify" | "reconnect" | undefined
  }
  readonly Closed: { readonly at: number }
  readonly EventsDropped: { readonly at: number; readonly count: number }
}

/**
 * Constructors, matchers and guards of {@link ConnectionEvent}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const {
  $is,
  $match,
  AttemptFailed,
  Closed,
  Dialling,
  Died,
  Disconnected,
  EventsDropped,
  Failed,
  Gap,
  Lost,
  Opened,
  Waiting
} = Data.taggedEnum<ConnectionEvent>()
