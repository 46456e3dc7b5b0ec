/**
 * What happens to a connection, as it happens, with the reasons.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Option from "effect/Option"
import type { AttemptError, ConnectionError, ReconnectRequested } from "./ConnectionError.ts"
import type { FailureClass } from "./FailureClass.ts"
import type { Gap as GapFrame } from "./Item.ts"

/**
 * Why a connection was given up: the failure was fatal, reconnection is off, the retry budget was spent, or the same
 * failure came more often than its class allows.
 *
 * @since 0.1.0
 * @category models
 */
export type GiveUp = "fatal" | "disabled" | "exhausted" | "limited"

/**
 * Something that happened. `at` is in milliseconds since the epoch, as `Clock` gives it.
 *
 * - `Dialling`: a dial begins; `attempt` 0 is the first one, n the n-th retry of the outage.
 * - `Opened`: the connection is open and its handshake done, after `took`; `outage` is what it healed.
 * - `AttemptFailed`: the dial or the handshake after it failed.
 * - `Lost`: an open connection ended. `proven` says whether its life was long and good enough to forget old failures.
 * - `Waiting`: the decision to dial again: the cause, its class, the delay, when, and how many retries are left then.
 * - `Gap`: the consumer of `items` is being told that messages may be missing.
 * - `Disconnected`: the user asked for it. Nothing more is dialled.
 * - `Failed`: the decision to give up, and why.
 * - `Died`: a defect ended it, in Holdfast or in a function from its options, such as `classify`. Nothing more is dialled.
 * - `Closed`: the scope is closed.
 * - `EventsDropped`: this reader fell behind, and this many events before the next one are missing.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionEvent = Data.TaggedEnum<{
  readonly Dialling: { readonly at: number; readonly attempt: number }
  readonly Opened: {
    readonly at: number
    readonly epoch: number
    readonly attempt: number
    /** The subprotocol the server chose, `""` when none. */
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
    /** When the next dial begins. */
    readonly until: number
    /** `"unknown"` where a schedule of one's own decides. */
    readonly retriesLeft: number | "unlimited" | "unknown"
  }
  readonly Gap: { readonly at: number; readonly gap: GapFrame }
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
    /** The option whose function threw or died, where it is known. */
    readonly option?: "classify" | "reconnect" | undefined
  }
  readonly Closed: { readonly at: number }
  readonly EventsDropped: { readonly at: number; readonly count: number }
}>

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
