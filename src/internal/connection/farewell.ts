// What a connection says to the server when it leaves a socket that is still open.
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { CloseFrame } from "../../ConnectionError.ts"
import { ConnectionTimeout, InboxOverflow, InvalidCloseFrame, OnOpenFailed, ReconnectRequested } from "../../ConnectionError.ts"

/** `disconnect` was called, with a close frame. */
export class Disconnecting extends Data.TaggedError("Disconnecting")<{ readonly close: CloseFrame }> {}

export type Farewell =
  /** Drop the socket: a dead peer cannot answer a close frame. */
  | { readonly _tag: "Terminate" }
  | { readonly _tag: "Close"; readonly closeFrame: CloseFrame }

const terminate: Farewell = { _tag: "Terminate" }

// RFC 6455 §7.4.1: an unexpected condition prevents this side from going on.
const unexpected: Farewell = { _tag: "Close", closeFrame: { code: 1011 } }

const close = (closeFrame: CloseFrame | undefined): Farewell | undefined =>
  closeFrame === undefined ? undefined : { _tag: "Close", closeFrame }

/**
 * The farewell after this end of a connection. Undefined for the default, which is code 1000, and where the socket has ended
 * by itself.
 */
export const farewellFor = (error: unknown): Farewell | undefined => {
  // While a socket is open, only `onOpen` has the deadline `open`.
  if (error instanceof ConnectionTimeout) return error.deadline === "open" ? unexpected : terminate
  if (error instanceof OnOpenFailed || error instanceof InboxOverflow) return unexpected
  return error instanceof ReconnectRequested || error instanceof Disconnecting ? close(error.close) : undefined
}

// RFC 6455 §5.5: a control frame has at most 125 bytes, and the code takes two.
const longestReason = 123

const encoder = new TextEncoder()

// RFC 6455 §7.4: the other codes below 3000 are for protocol faults, for servers, or must not be sent.
const maySend = (code: number) => code === 1000 || code === 1001 || (Number.isInteger(code) && code >= 3000 && code <= 4999)

interface Asked {
  readonly code?: number | undefined
  readonly reason?: string | undefined
}

/** Checks a close frame that a user asks for. */
export const check = ({ code = 1000, reason = "" }: Asked): Effect.Effect<CloseFrame, InvalidCloseFrame> => {
  if (!maySend(code)) return new InvalidCloseFrame({ reason: `its code is ${code}, but must be 1000, 1001 or 3000 to 4999` })
  const { length } = encoder.encode(reason)
  return length > longestReason
    ? new InvalidCloseFrame({ reason: `its reason has ${length} bytes, but at most ${longestReason} are allowed` })
    : Effect.succeed({ code, reason })
}
