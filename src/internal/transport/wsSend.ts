// Sends messages on a `ws` socket.
import * as Effect from "effect/Effect"
import type { Socket as TcpSocket } from "node:net"
import { WebSocket } from "ws"
import { SendFailed } from "../../ConnectionError.ts"
import type { Socket } from "../../Transport.ts"

export const sendOn = (ws: WebSocket, tcp: TcpSocket | undefined): Socket["send"] => (message) =>
  Effect.async((resume) => {
    if (ws.readyState !== WebSocket.OPEN) {
      resume(new SendFailed({ reason: "the socket has ended" }))
      return
    }
    ws.send(message, (error) => {
      // Node 20 reports no error for a write that is cut because its socket is destroyed.
      if (tcp?.destroyed === true) resume(new SendFailed({ reason: "the socket ended before it was sent whole" }))
      else resume(error instanceof Error ? new SendFailed({ reason: error.message }) : Effect.void)
    })
  })
