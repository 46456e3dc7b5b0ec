// The bytes that a TCP socket has moved, as the operating system sees them.
//
// Node's `bytesWritten` counts bytes as written that still wait in this process. libuv's handle of the TCP connection counts
// what was handed to it, and what the operating system has not taken of that (Node's own idle timeout of sockets reads the
// same figure). Under TLS that is the parent of the socket's handle, whose own queue does not shrink while a write is under
// way. Where a runtime does not show the handle, whole writes count.
import * as Predicate from "effect/Predicate"
import type { Socket } from "node:net"
import type { Progress } from "../../Transport.ts"

const none: Progress = { received: 0, control: 0, sent: 0, unsent: 0 }

const tcpHandleOf = (socket: Socket): unknown => {
  const handle = Predicate.hasProperty(socket, "_handle") ? socket._handle : undefined
  return Predicate.hasProperty(handle, "_parent") && Predicate.isRecord(handle._parent) ? handle._parent : handle
}

const sentOf = (socket: Socket): number => {
  const handle = tcpHandleOf(socket)
  return Predicate.hasProperty(handle, "bytesWritten") && typeof handle.bytesWritten === "number" &&
      Predicate.hasProperty(handle, "writeQueueSize") && typeof handle.writeQueueSize === "number"
    ? handle.bytesWritten - handle.writeQueueSize
    : socket.bytesWritten - socket.writableLength
}

/** The progress of a socket, `control` bytes of which belonged to pings and pongs. */
export const progressOf = (socket: Socket | undefined, control: number): Progress =>
  socket === undefined
    ? none
    : { received: socket.bytesRead, control, sent: sentOf(socket), unsent: socket.writableLength }
