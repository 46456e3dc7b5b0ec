// Where one read of a `ws` socket begins and ends, so that the messages it brought can be handed over together.
//
// `ws` does not say. But it parses a chunk inside its own "data" listener on the TCP or TLS socket, and emits every
// message of the chunk before that listener returns (`allowSynchronousEvents`, the default since 8.17). Node calls
// listeners in their order, so one before and one after that of `ws` enclose the messages. `ws` adds its listener just
// before it emits "open": from then on ours stand around it.
import type { WebSocket } from "ws"

export interface Reads {
  /** A read of so many bytes begins. */
  readonly begin: (bytes: number) => void
  /** All its messages have been emitted. */
  readonly end: () => void
}

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

// What one read brings at most.
const libuvReadBuffer = 65_536
/** RFC 8446 §5.1 */
const tlsRecord = 16_384

// A part costs about as much as two messages.
const part = 32

/**
 * How many messages of a read of so many bytes are handed over at a time. The first of a burst should not wait for the
 * last; but behind a full read more is waiting, and what counts then is throughput.
 */
export const partOf = (bytes: number): number =>
  bytes === libuvReadBuffer || bytes === tlsRecord ? Number.POSITIVE_INFINITY : part
