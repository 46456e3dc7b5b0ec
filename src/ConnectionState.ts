/**
 * The states of a connection, each with its facts, and the table of transitions.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { AttemptError, ConnectionError, Defect, ReconnectRequested } from "./ConnectionError.ts"

/**
 * The state of a connection. `since` and `nextDialAt` are Unix times in milliseconds, as `Clock` gives them.
 *
 * - `Disconnected`: before the first dial, after `disconnect`, or after a `defect` such as a bug in `classify`. A defect
 *   is logged, and ends `messages`. The connection does not dial until `connect` is called.
 * - `Connecting`: a dial, or the handshake after it, is under way. `attempt` 0 is the first dial, n is the n-th retry.
 * - `Connected`: the connection is open and its handshake done. `epoch` is its number, from 1.
 * - `Reconnecting`: the connection was lost or replaced, or a dial failed. It waits until the next dial.
 * - `Failed`: the connection was given up with `error`. `connect` starts it again.
 * - `Closed`: the scope is closed. This state is final.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionState = Data.TaggedEnum<{
  readonly Disconnected: {
    readonly since: number
    /** The defect that ended the connection, if one did. */
    readonly defect?: Defect | undefined
  }
  readonly Connecting: { readonly since: number; readonly attempt: number }
  readonly Connected: { readonly since: number; readonly epoch: number }
  readonly Reconnecting: {
    readonly since: number
    /** The number of the next retry, from 1. After `reconnect`: the number of retries in this outage so far, from 0. */
    readonly attempt: number
    readonly nextDialAt: number
    readonly cause: AttemptError | ReconnectRequested
  }
  readonly Failed: { readonly since: number; readonly error: ConnectionError }
  readonly Closed: { readonly since: number }
}>

/**
 * Constructors, matchers and guards of {@link ConnectionState}.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import { ConnectionState } from "holdfast"
 *
 * const describe = ConnectionState.$match({
 *   Disconnected: () => "disconnected",
 *   Connecting: ({ attempt }) => `dialling (retry ${attempt})`,
 *   Connected: ({ epoch }) => `connection number ${epoch} is open`,
 *   Reconnecting: ({ cause }) => `waiting to dial again. ${cause.message}`,
 *   Failed: ({ error }) => error.message,
 *   Closed: () => "closed"
 * })
 * ```
 */
export const { $is, $match, Closed, Connected, Connecting, Disconnected, Failed, Reconnecting } = Data.taggedEnum<
  ConnectionState
>()

/**
 * The name of a state.
 *
 * @since 0.1.0
 * @category models
 */
export type Tag = ConnectionState["_tag"]

/**
 * The states that may follow each state. No other transition happens.
 *
 * @since 0.1.0
 * @category transitions
 */
export const transitions = {
  Disconnected: ["Connecting", "Closed"],
  Connecting: ["Connected", "Reconnecting", "Failed", "Disconnected", "Closed"],
  Connected: ["Reconnecting", "Failed", "Disconnected", "Closed"],
  Reconnecting: ["Connecting", "Disconnected", "Closed"],
  Failed: ["Connecting", "Closed"],
  Closed: []
} as const satisfies Record<Tag, ReadonlyArray<Tag>>

/**
 * The states that may follow the state named `From`.
 *
 * @since 0.1.0
 * @category transitions
 */
export type Next<From extends Tag> = Extract<ConnectionState, { readonly _tag: (typeof transitions)[From][number] }>

/**
 * Tells whether the table allows the transition from one state to another.
 *
 * @since 0.1.0
 * @category transitions
 * @example
 * ```ts
 * import { ConnectionState } from "holdfast"
 *
 * console.log(ConnectionState.isLegal("Connecting", "Connected")) // true
 * console.log(ConnectionState.isLegal("Disconnected", "Connected")) // false: a connection opens only after a dial
 * ```
 */
export const isLegal = (from: Tag, to: Tag): boolean => transitions[from].some((tag) => tag === to)
