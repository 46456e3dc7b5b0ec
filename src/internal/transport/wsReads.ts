// Finds where each read of a `ws` socket begins and ends, so that the messages of one read become one batch.
//
// `ws` does not report this. But it parses each chunk inside its own "data" listener on the TCP or TLS socket, and emits
// all messages of the chunk before that listener returns (its option `allowSynchronousEvents`, on by default since 8.17).
// Node calls listeners in order, so one listener before that of `ws` and one after it enclose these messages. `ws` adds its
// listener just before it emits "open", so `onReads` adds these two on "open".
import type { WebSocket } from "ws"
import { tcpSocketOf } from "./tcpSocket.ts"

export interface Reads {
  /** Called when a read of this many bytes begins. */
  readonly begin: (bytes: number) => void
  /** Called when `ws` has emitted all messages that the read completed. */
  readonly end: () => void
}

/** Reports every read of a socket. Must be called while it is still connecting. */
export const onReads = (ws: WebSocket, { begin, end }: Reads): void => {
  ws.once("upgrade", (response) => {
    const socket = tcpSocketOf(response)
    // Without reads, messages are delivered after the callbacks of this turn.
    if (socket === undefined) return
    ws.once("open", () => {
      socket.prependListener("data", ({ length }: Buffer) => {
        begin(length)
      })
      socket.on("data", end)
    })
  })
}

// The largest read, in bytes: over TCP libuv's buffer, over TLS one record (RFC 8446 §5.1).
const libuvReadBuffer = 65_536
const tlsRecord = 16_384

// In messages. Delivering a batch costs about as much as two messages do.
const smallBatch = 32

/**
 * The most messages per batch for a read of this size. Small batches keep the first message of a burst from waiting for the
 * last. A full read means that more data is waiting, and then one large batch gives more throughput.
 */
export const maxBatchOf = (bytes: number): number =>
  bytes === libuvReadBuffer || bytes === tlsRecord ? Number.POSITIVE_INFINITY : smallBatch
