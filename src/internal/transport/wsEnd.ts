// Tells when the peer's close frame arrives, and when its TCP stream ends.
//
// `ws` reports the end of a socket only when its TCP connection is gone. After a close frame it waits 30 seconds for that;
// after a FIN it waits until our own bytes are written, which a peer that has gone never takes. Nothing can follow either
// (RFC 6455 §5.5.1), so the connection ends with them. `ws` has no event for that, but its receiver has: "conclude" for a
// close frame, and "finish" when it has parsed everything before a FIN. Bun's own `ws` has no receiver; it notes the close
// frame in fields of the names that `ws` has, so these are read after each read of the TCP socket. Where neither is there,
// `onEnd` is not called, and the end of the TCP connection decides.
import * as Predicate from "effect/Predicate"
import { EventEmitter } from "node:events"
import type { Socket } from "node:net"
import { WebSocket } from "ws"

/** Called with the code and reason of the close frame; with 1006 and `""` if the stream ends without one. */
export type OnEnd = (code: number, reason: string) => void

// The close frame that has arrived, if one has.
const notedCloseFrame = (ws: WebSocket): { readonly code: number; readonly reason: string } | undefined =>
  Predicate.hasProperty(ws, "_closeFrameReceived") && ws._closeFrameReceived === true &&
    Predicate.hasProperty(ws, "_closeCode") && typeof ws._closeCode === "number"
    ? {
      code: ws._closeCode,
      reason: Predicate.hasProperty(ws, "_closeMessage") && Buffer.isBuffer(ws._closeMessage) ? ws._closeMessage.toString() : ""
    }
    : undefined

// A client may close the TCP connection itself (RFC 6455 §7.1.1): once its answer to the close frame is written, nothing is
// left to do.
const endStream = (ws: WebSocket, tcp: Socket | undefined) => {
  tcp?.once("finish", () => {
    ws.terminate()
  })
  tcp?.end()
}

/** Must be called before the socket opens. */
export const onCloseFrame = (ws: WebSocket, tcp: Socket | undefined, onEnd: OnEnd): void => {
  ws.once("open", () => {
    if (Predicate.hasProperty(ws, "_receiver") && ws._receiver instanceof EventEmitter) {
      // Before the listener of `ws`, which answers the close frame if it is not itself the answer to ours.
      let isAnswer = false
      ws._receiver.prependOnceListener("conclude", () => {
        isAnswer = ws.readyState !== WebSocket.OPEN
      })
      ws._receiver.once("conclude", (code: number, reason: Buffer) => {
        onEnd(code, reason.toString())
        if (!isAnswer) endStream(ws, tcp)
      })
      ws._receiver.once("finish", () => {
        onEnd(1006, "")
      })
    } else {
      // After the listener of `ws`, which parses what was read.
      tcp?.on("data", () => {
        const noted = notedCloseFrame(ws)
        if (noted === undefined) return
        onEnd(noted.code, noted.reason)
        endStream(ws, tcp)
      })
      tcp?.once("end", () => {
        onEnd(1006, "")
      })
    }
  })
}
