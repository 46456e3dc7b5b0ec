// Answers the peer's pings, and counts the bytes of pings and pongs.
//
// `ws` would answer each ping at once, and drop a connection on which 64 pongs wait to be written. After a stall of this
// process more pings than that may arrive in one read. RFC 6455 §5.5.3 lets an endpoint answer only the latest ping.
import { WebSocket } from "ws"

// The header of a control frame (RFC 6455 §5.5).
const header = 2

/** Returns the number of bytes of pings and pongs that have arrived so far. */
export const answerPings = (ws: WebSocket): () => number => {
  let arrived = 0
  const count = ({ length }: Buffer) => {
    arrived += header + length
  }
  ws.on("ping", count).on("pong", count)
  // The payload of the latest ping, while an earlier pong is being written.
  let latest: Buffer | undefined
  let isWriting = false
  const written = () => {
    isWriting = false
    if (latest !== undefined) answer(latest)
  }
  const answer = (payload: Buffer) => {
    latest = undefined
    if (ws.readyState !== WebSocket.OPEN) return
    isWriting = true
    ws.pong(payload, true, written)
  }
  ws.on("ping", (payload) => {
    if (isWriting) latest = payload
    else answer(payload)
  })
  return () => arrived
}
