/**
 * A client of the exchange: its socket and its subscriptions.
 *
 * @since 0.1.0
 */
import { Socket } from "node:net"
import { WebSocket } from "ws"
import type { TimeUnit } from "./Payload.ts"

/**
 * The part of a socket of `ws` that the exchange uses. It does not name that package's own type, so that nobody has to install it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientSocket {
  readonly readyState: number
  readonly bufferedAmount: number
  readonly send: (text: string, flushed?: (error?: Error | null) => void) => void
  readonly ping: () => void
  readonly pause: () => void
  readonly close: (code: number, reason: string) => void
  readonly terminate: () => void
}

/**
 * The part of a TCP connection, or of the TLS connection on it, that the exchange uses. It does not name Node's own types.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientTcp {
  readonly end: () => void
  readonly write: (bytes: Uint8Array) => void
  readonly destroy: () => void
}

/**
 * A connected client.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  readonly ws: ClientSocket
  /** The TCP connection under the WebSocket. */
  readonly tcp: ClientTcp
  /** The unit of times in the messages to it. */
  readonly unit: TimeUnit
  /** The names of the streams that it is subscribed to. */
  readonly streams: Set<string>
  /** True if events are sent as `{"stream": …, "data": …}`. */
  combined: boolean
  /** True if a fault stops all messages to it. */
  muted: boolean
  /** The time of its last pong, or else of its connection, as Unix time in milliseconds. */
  lastPong: number
}

// The exchange drops a client when more than this many bytes wait to be sent to it, as exchanges do with slow readers.
const bufferLimit = 16 * 1024 * 1024

/**
 * Returns true if the client is connected and not muted.
 *
 * @since 0.1.0
 * @category predicates
 */
export const canReceive = ({ muted, ws }: Client): boolean => !muted && ws.readyState === WebSocket.OPEN

/**
 * Sends a text if the client can receive it. Returns true if it was sent.
 *
 * @since 0.1.0
 * @category sending
 */
export const send = (client: Client, text: string, flushed?: (error?: Error | null) => void): boolean => {
  if (!canReceive(client)) return false
  client.ws.send(text, flushed)
  if (client.ws.bufferedAmount > bufferLimit) client.ws.terminate()
  return true
}

/**
 * Wraps the JSON of an event in the envelope of a combined stream.
 *
 * @since 0.1.0
 * @category sending
 */
export const wrap = (stream: string, data: string): string => `{"stream":${JSON.stringify(stream)},"data":${data}}`

/**
 * Resets the TCP connection. Destroys a stream that is not a TCP socket.
 *
 * @since 0.1.0
 * @category ending
 */
export const reset = (tcp: ClientTcp): void => {
  if (tcp instanceof Socket) tcp.resetAndDestroy()
  else tcp.destroy()
}
