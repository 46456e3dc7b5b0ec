// Pings the peer of a `ws` socket.
import * as Effect from "effect/Effect"
import { WebSocket } from "ws"
import type { SocketError } from "../../Transport.ts"
import type * as ReceiveBuffer from "./receiveBuffer.ts"

// Each ping has its own payload, so that a pong to an earlier ping, or an unsolicited one, does not count
// (RFC 6455 §5.5.3).
export const makePing = (ws: WebSocket, buffer: ReceiveBuffer.ReceiveBuffer): Effect.Effect<void, SocketError> => {
  let count = 0
  return Effect.suspend(() => {
    const payload = String(++count)
    return Effect.async<void, SocketError>((resume) => {
      const stop = () => {
        ws.off("pong", onPong)
        stopWaitingForEnd()
      }
      const onPong = (data: Buffer) => {
        if (data.toString() !== payload) return
        stop()
        resume(Effect.void)
      }
      ws.on("pong", onPong)
      const stopWaitingForEnd = buffer.onEnd((end) => {
        ws.off("pong", onPong)
        resume(end)
      })
      if (ws.readyState === WebSocket.OPEN) ws.ping(payload, true, () => undefined)
      return Effect.sync(stop)
    })
  })
}
