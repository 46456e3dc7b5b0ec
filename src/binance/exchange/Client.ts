/**
 * One client of the exchange: its socket, and what it listens to.
 *
 * @since 0.1.0
 */
import type { Duplex } from "node:stream"
import { Socket } from "node:net"
import { WebSocket } from "ws"
import type { TimeUnit } from "./Payload.ts"

/**
 * A connected client.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  readonly ws: WebSocket
  /** The TCP connection under the WebSocket. */
  readonly tcp: Duplex
  readonly unit: TimeUnit
  readonly streams: Set<string>
  /** Whether events are wrapped in `{"stream", "data"}`. */
  combined: boolean
  /** Whether it may hear anything more. */
  muted: boolean
  /** When it last answered a ping, or connected. */
  lastPong: number
}

// A client that reads too slowly is dropped, as exchanges do, before it costs more memory than this.
const bufferLimit = 16 * 1024 * 1024

/**
 * Whether the client is there and may be talked to.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isListening = ({ muted, ws }: Client): boolean => !muted && ws.readyState === WebSocket.OPEN

/**
 * Sends a text, if the client is listening. Says whether it was.
 *
 * @since 0.1.0
 * @category sending
 */
export const send = (client: Client, text: string, flushed?: (error?: Error | null) => void): boolean => {
  if (!isListening(client)) return false
  client.ws.send(text, flushed)
  if (client.ws.bufferedAmount > bufferLimit) client.ws.terminate()
  return true
}

/**
 * Wraps an event for a combined stream.
 *
 * @since 0.1.0
 * @category sending
 */
export const wrap = (stream: string, data: string): string => `{"stream":${JSON.stringify(stream)},"data":${data}}`

/**
 * Ends the TCP connection with a reset, where it is one.
 *
 * @since 0.1.0
 * @category ending
 */
export const reset = (tcp: Duplex): void => {
  if (tcp instanceof Socket) tcp.resetAndDestroy()
  else tcp.destroy()
}
