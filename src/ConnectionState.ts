/**
 * The states of a connection, each with its facts, and the table of what may follow what.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { AttemptError, ConnectionError, Defect, ReconnectRequested } from "./ConnectionError.ts"

/**
 * Where a connection stands. Times are in milliseconds since the epoch, as `Clock` gives them.
 *
 * - `Disconnected`: at rest: `disconnect` was called, or a `defect` (a bug in `classify`, for example) ended the connection
 *   and its messages. Nothing is dialled until `connect`.
 * - `Connecting`: a dial, or the handshake after it, is under way. `attempt` 0 is the first dial; n is the n-th retry.
 * - `Connected`: open, and the handshake done. `epoch` counts the connections that got this far, from 1.
 * - `Reconnecting`: waiting to dial again, and why.
 * - `Failed`: given up, with what the message stream failed with. `connect` starts afresh.
 * - `Closed`: the scope is closed; there is nothing more.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectionState = Data.TaggedEnum<{
  readonly Disconnected: {
    readonly since: number
    /** What ended the connection, if a defect did. */
    readonly defect?: Defect | undefined
  }
  readonly Connecting: { readonly since: number; readonly attempt: number }
  readonly Connected: { readonly since: number; readonly epoch: number }
  readonly Reconnecting: {
    readonly since: number
    /** The number of the retry that is waited for, from 1; 0 when the reconnect was asked for. */
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
 *   Disconnected: () => "at rest",
 *   Connecting: ({ attempt }) => `dialling (retry ${attempt})`,
 *   Connected: ({ epoch }) => `connection number ${epoch} is open`,
 *   Reconnecting: ({ cause }) => `waiting, since ${cause.message}`,
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
 * What may follow each state. There is no other way from one to another.
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
 * Whether the table allows to go from one state to another.
 *
 * @since 0.1.0
 * @category transitions
 * @example
 * ```ts
 * import { ConnectionState } from "holdfast"
 *
 * console.log(ConnectionState.isLegal("Connecting", "Connected")) // true
 * console.log(ConnectionState.isLegal("Disconnected", "Connected")) // false: nothing opens without a dial
 * ```
 */
export const isLegal = (from: Tag, to: Tag): boolean => transitions[from].some((tag) => tag === to)
