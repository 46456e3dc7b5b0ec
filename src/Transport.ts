/**
 * The wire: dial a WebSocket in a scope, receive, send, ping, close.
 *
 * Acquiring dials, receiving calls a handler with each batch, and every end (a clean close too) is a typed failure.
 * Reconnection is somebody else's word: see `Connection`.
 *
 * @since 0.1.0
 */
import type * as PlatformSocket from "@effect/platform/Socket"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type {
  ConnectionClosed,
  DialFailed,
  HandshakeRejected,
  InvalidUrl,
  MessageTooLarge,
  SendFailed
} from "./ConnectionError.ts"
import { dialWith } from "./internal/transport/webSocket.ts"

/**
 * What travels in one WebSocket message: text as a string, binary as bytes.
 *
 * @since 0.1.0
 * @category models
 */
export type Message = string | Uint8Array

/**
 * What a transport can do beyond sending and receiving. `Connection` does without what is missing. When it is to ping
 * and cannot, its log says so once.
 *
 * @since 0.1.0
 * @category models
 */
export interface Capabilities {
  /** It can send ping frames and see their pongs. Without it a half-open peer shows only by its silence. */
  readonly ping: boolean
  /** It can stop reading, so that TCP slows the peer down. Without it its own buffer grows while nobody receives. */
  readonly pause: boolean
  /** It can drop a socket at once. Without it `terminate` only starts a polite close and lets go. */
  readonly terminate: boolean
  /** It sees the status and headers of a refused upgrade. Without it every refusal is a `DialFailed`. */
  readonly handshake: boolean
  /** It can send request headers. Without it a dial that has some fails. */
  readonly headers: boolean
}

/**
 * One dial.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialRequest {
  readonly url: Redacted.Redacted
  /** Subprotocols to offer, in order of preference (RFC 6455 §1.9). */
  readonly protocols: ReadonlyArray<string>
  readonly headers: Readonly<Record<string, Redacted.Redacted>>
  /** A larger message ends the socket with `MessageTooLarge`. */
  readonly maxMessageBytes: number
  /** How long a polite close may take before the socket is terminated. */
  readonly closeTimeout: Duration.Duration
}

/**
 * Why a dial did not open.
 *
 * @since 0.1.0
 * @category models
 */
export type DialError = DialFailed | HandshakeRejected | InvalidUrl

/**
 * How an open socket ended.
 *
 * @since 0.1.0
 * @category models
 */
export type SocketError = ConnectionClosed | MessageTooLarge

/**
 * An open socket. It lives as long as the scope it was dialled in: closing the scope closes it politely, waits
 * `closeTimeout` at most, then terminates it, and fails a `receive` or `ping` that is still waiting.
 *
 * @since 0.1.0
 * @category models
 */
export interface Socket {
  /** The subprotocol the server chose, `""` when none. */
  readonly protocol: string
  /**
   * Reads until the socket ends. Calls `handler` with each batch, in order, as soon as it arrives. When the handler gives
   * back an effect, the next batch waits until that is done; its failure ends the reading, and so does a handler that
   * throws, as a defect.
   *
   * While such an effect runs, and while nobody receives, messages are held, and a transport that can pause stops reading
   * past its high-water mark. What arrived before the socket ended is handed over before the failure. Interruption loses
   * nothing that was not handed over yet: the next `receive` goes on from there. One at a time may receive.
   */
  readonly receive: <E = never>(
    handler: (batch: NonEmptyReadonlyArray<Message>) => Effect.Effect<void, E> | void
  ) => Effect.Effect<never, SocketError | E>
  /** Completes when the message has been handed to the operating system. */
  readonly send: (message: Message) => Effect.Effect<void, SendFailed>
  /** Sends a ping frame; completes when the pong with its payload came. Never completes where `ping` is unsupported. */
  readonly ping: Effect.Effect<void, SocketError>
  /** Closes politely (RFC 6455 §7.1.2): the close frame, up to `closeTimeout` for its answer, then `terminate`. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** Drops the socket at once, with no close frame: for a peer that is not there any more. */
  readonly terminate: Effect.Effect<void>
}

/**
 * Dials WebSockets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  readonly capabilities: Capabilities
  readonly dial: (request: DialRequest) => Effect.Effect<Socket, DialError, Scope.Scope>
}

/**
 * The service that `Connection` dials through: `NodeTransport.layer` on Node, `layerWebSocketConstructor` where there
 * is only the WHATWG `WebSocket`, `TestTransport` in tests.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Transport } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const program = Effect.gen(function*() {
 *   const transport = yield* Transport.Transport
 *   return transport.capabilities.ping
 * }).pipe(Effect.provide(NodeTransport.layer))
 * ```
 */
export const Transport: Context.Tag<Transport, Transport> = Context.GenericTag<Transport>("holdfast/Transport")

/**
 * The transport for everywhere else (browsers, Bun, Deno, Workers), on the WHATWG `WebSocket` that @effect/platform's
 * `Socket.WebSocketConstructor` makes.
 *
 * That interface can neither ping, pause, drop a socket at once, show the status of a refused upgrade nor send
 * headers, and its `capabilities` say so: a half-open peer shows only by its silence, and `maxMessageBytes` is
 * checked when a message has already arrived.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Socket from "@effect/platform/Socket"
 * import * as Layer from "effect/Layer"
 * import { Connection, Transport } from "holdfast"
 *
 * const ConnectionLive = Connection.layer({ url: "wss://stream.binance.com:9443/ws/btcusdt@trade" }).pipe(
 *   Layer.provide(Transport.layerWebSocketConstructor),
 *   Layer.provide(Socket.layerWebSocketConstructorGlobal)
 * )
 * ```
 */
export const layerWebSocketConstructor: Layer.Layer<Transport, never, PlatformSocket.WebSocketConstructor> = Layer.effect(
  Transport,
  // Only here: it brings along much that nobody else needs.
  Effect.promise(() => import("@effect/platform/Socket")).pipe(
    Effect.flatMap(({ WebSocketConstructor }) => WebSocketConstructor),
    Effect.map((construct): Transport => ({
      capabilities: { ping: false, pause: false, terminate: false, handshake: false, headers: false },
      dial: dialWith(construct)
    }))
  )
)
