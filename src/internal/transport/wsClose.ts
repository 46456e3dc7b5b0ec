// Ends a `ws` socket: with a closing handshake, or at once.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { WebSocket } from "ws"
import { within } from "../time/timeout.ts"

/** Drops the socket at once. */
export const terminate = (ws: WebSocket) =>
  Effect.sync(() => {
    ws.terminate()
  })

const closingHandshake = (ws: WebSocket, closeTimeout: Duration.Duration, code: number, reason: string) =>
  Effect.async<void>((resume) => {
    const done = () => {
      resume(Effect.void)
    }
    ws.once("close", done)
    // Keeps reading and discards: the peer's close frame comes after the messages that are still on their way.
    ws.removeAllListeners("message")
    ws.resume()
    ws.close(code, reason)
    return Effect.sync(() => {
      ws.off("close", done)
    })
  }).pipe(
    Effect.interruptible,
    within(closeTimeout, () => undefined),
    // The deadline passed, or `ws` refused to send the code.
    Effect.catchAllCause(() => terminate(ws))
  )

/** Runs the closing handshake for at most `closeTimeout`, then terminates. */
export const closeSocket = (ws: WebSocket, closeTimeout: Duration.Duration, code: number, reason: string) =>
  Effect.suspend(() => ws.readyState === WebSocket.CLOSED ? Effect.void : closingHandshake(ws, closeTimeout, code, reason))
