// The phase of a connection, as one value. Each phase holds what can cut it short.
import * as Effect from "effect/Effect"
import type { AttemptError, ReconnectRequested } from "../../ConnectionError.ts"
import type { Socket } from "../../Transport.ts"
import type { Delivery } from "./delivery.ts"

export type Phase =
  /** A dial or the handshake after it. Only `disconnect` and the end of the scope cut it short. */
  | { readonly _tag: "Dialling" }
  /** The connection is open. `end` ends it. */
  | {
    readonly _tag: "Open"
    readonly socket: Socket
    readonly delivery: Delivery
    readonly end: (cause: AttemptError | ReconnectRequested) => void
  }
  /** The connection has ended, and its socket is being closed. Opening the latch makes the next dial follow at once. */
  | { readonly _tag: "Closing"; readonly skipWait: Effect.Latch }
  /** The connection waits for the next dial. Opening the latch ends the wait. */
  | { readonly _tag: "Waiting"; readonly skipWait: Effect.Latch }
  /** The connection does nothing until `connect`. */
  | { readonly _tag: "Ended" }

export const dialling: Phase = { _tag: "Dialling" }

export const ended: Phase = { _tag: "Ended" }

/** Returns the phase `Closing`, to replace the given one. */
export const closing = (phase: Phase): Extract<Phase, { readonly _tag: "Closing" }> =>
  phase._tag === "Closing" ? phase : { _tag: "Closing", skipWait: Effect.unsafeMakeLatch(false) }
