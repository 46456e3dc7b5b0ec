// The bytes that a TCP socket has moved.
import * as Predicate from "effect/Predicate"
import type { Socket } from "node:net"
import type { Progress } from "../../Transport.ts"

const none: Progress = { received: 0, sent: 0, unsent: 0 }

// What the operating system has not taken yet of the write under way. Node's own idle timeout of sockets reads it too.
const writeQueueOf = (socket: Socket): number =>
  Predicate.hasProperty(socket, "_handle") && Predicate.hasProperty(socket._handle, "writeQueueSize") &&
    typeof socket._handle.writeQueueSize === "number"
    ? socket._handle.writeQueueSize
    : 0

export const progressOf = (socket: Socket | undefined): Progress => {
  if (socket === undefined) return none
  // `bytesWritten` counts the bytes that wait in Node too. `writableLength` counts those and the write under way.
  const queued = writeQueueOf(socket)
  const unsent = socket.writableLength
  return { received: socket.bytesRead, sent: socket.bytesWritten - unsent - queued, unsent }
}
