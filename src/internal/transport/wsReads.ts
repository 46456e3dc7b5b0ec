// Where one read of a `ws` socket begins and ends, so that the messages it brought can be handed over together.
//
// `ws` does not say. But it parses each chunk inside its own "data" listener on the TCP or TLS socket, and emits every
// message of the chunk before that listener returns (its option `allowSynchronousEvents`, on by default since 8.17).
// Node calls listeners in order, so one before and one after the listener of `ws` enclose these messages. `ws` adds its
// listener just before it emits "open": from then on ours can stand around it.
import type { WebSocket } from "ws"

export interface Reads {
  /** A read of so many bytes begins. */
  readonly begin: (bytes: number) => void
  /** All messages that it completed have been emitted. */
  readonly end: () => void
}

/** Reports every read of a socket that is still connecting. */
export const onReads = (ws: WebSocket, { begin, end }: Reads): void => {
  ws.once("upgrade", ({ socket }) => {
    ws.once("open", () => {
      socket.prependListener("data", ({ length }: Buffer) => {
        begin(length)
      })
      socket.on("data", end)
    })
  })
}

// The most that one read brings: over TCP what fills libuv's buffer, over TLS one record (RFC 8446 §5.1).
const libuvReadBuffer = 65_536
const tlsRecord = 16_384

// Handing over a part costs about as much as two messages do.
const smallPart = 32

/**
 * In parts of how many messages a read is handed over. The first message of a burst should not wait for the last one;
 * but behind a full read more is waiting, and then throughput counts.
 */
export const partOf = (bytes: number): number =>
  bytes === libuvReadBuffer || bytes === tlsRecord ? Number.POSITIVE_INFINITY : smallPart
