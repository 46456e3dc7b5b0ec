// What goes on in a connection now, in one value: each phase has its own way to be cut short, or none.
import * as Effect from "effect/Effect"
import type { ReconnectRequested } from "../../ConnectionError.ts"
import type { Socket } from "../../Transport.ts"

export type Phase =
  /** A dial, or the handshake after it. Nothing but `disconnect` cuts it short. */
  | { readonly _tag: "Dialling" }
  /** The socket is open to its users. */
  | { readonly _tag: "Open"; readonly socket: Socket; readonly replace: (request: ReconnectRequested) => void }
  /** The connection has ended, and its socket is being closed. The latch has the next dial follow without a wait. */
  | { readonly _tag: "Closing"; readonly skipWait: Effect.Latch }
  /** The next dial is to come. The latch has it come now. */
  | { readonly _tag: "Waiting"; readonly skipWait: Effect.Latch }
  /** Nothing goes on, and nothing follows by itself. */
  | { readonly _tag: "Ended" }

export const dialling: Phase = { _tag: "Dialling" }

export const ended: Phase = { _tag: "Ended" }

/** From any phase to the end of its connection. Whoever wants the next dial at once says so from here on. */
export const closing = (phase: Phase): Extract<Phase, { readonly _tag: "Closing" }> =>
  phase._tag === "Closing" ? phase : { _tag: "Closing", skipWait: Effect.unsafeMakeLatch(false) }
