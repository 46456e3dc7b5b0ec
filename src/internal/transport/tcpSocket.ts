// The TCP or TLS socket under a WebSocket of `ws`.
import type { ClientRequest } from "node:http"
import type { Socket } from "node:net"

/**
 * An option of `ws` that does what `ws` does without it. Bun replaces `ws` with one of its own, which opens sockets outside
 * of `node:net` unless an option needs them there. With this option it opens them as on Node, so that they can be seen.
 */
export const finishRequest = (request: ClientRequest): void => {
  request.end()
}

/** The socket of an answer to an upgrade. `undefined` where the runtime does not show it, as Bun does behind a proxy. */
export const tcpSocketOf = ({ socket }: { readonly socket: Socket | null }): Socket | undefined => socket ?? undefined
