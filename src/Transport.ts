/**
 * Dials one WebSocket in a scope, then receives, sends, pings and closes.
 *
 * Every end of a socket, a clean close too, is a typed failure. A transport never reconnects; `Connection` does.
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
import { browserNetwork } from "./internal/transport/browserNetwork.ts"
import { dialWith } from "./internal/transport/webSocket.ts"

/**
 * The content of one WebSocket message: a string for text, bytes for binary.
 *
 * @since 0.1.0
 * @category models
 */
export type Message = string | Uint8Array

/**
 * The capabilities of a transport beyond sending and receiving. `Connection` needs none of them. It logs once if pings are
 * on and the transport cannot ping.
 *
 * @since 0.1.0
 * @category models
 */
export interface Capabilities {
  /** It sends ping frames and sees their pongs. Without it, only `messageTimeout` detects a dead peer. */
  readonly ping: boolean
  /** It can stop reading, so that TCP slows the peer down. Without it, the transport's buffer can grow without bound. */
  readonly pause: boolean
  /** It can drop a socket at once. Without it, `terminate` starts a closing handshake and does not wait for it. */
  readonly terminate: boolean
  /** It sees the status and headers of a refused upgrade. Without it, every refusal is a `DialFailed`. */
  readonly handshake: boolean
  /** It sends request headers. Without it, a dial with headers fails. */
  readonly headers: boolean
}

/**
 * The parameters of one dial.
 *
 * @since 0.1.0
 * @category models
 */
export interface DialRequest {
  /** The URL. If its scheme is neither `ws` nor `wss`, or it has a fragment, the dial fails with `InvalidUrl`. */
  readonly url: Redacted.Redacted
  /** Subprotocols to offer, in order of preference (RFC 6455 §1.9). */
  readonly protocols: ReadonlyArray<string>
  /** Headers of the upgrade request. */
  readonly headers: Readonly<Record<string, Redacted.Redacted>>
  /** The largest message, in bytes. A larger one ends the socket with `MessageTooLarge`. */
  readonly maxMessageBytes: number
  /** The deadline of a closing handshake; after that, the transport terminates the socket. */
  readonly closeTimeout: Duration.Duration
}

/**
 * The errors of a failed dial.
 *
 * @since 0.1.0
 * @category models
 */
export type DialError = DialFailed | HandshakeRejected | InvalidUrl

/**
 * The errors that end an open socket.
 *
 * @since 0.1.0
 * @category models
 */
export type SocketError = ConnectionClosed | MessageTooLarge

/**
 * The bytes that a socket has moved since it opened. While `received` grows, the peer and the network are alive. So they are
 * while bytes are unsent and `sent` grows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Progress {
  /** The bytes that have arrived, those of unfinished messages and of pongs too. */
  readonly received: number
  /** Those of them that belong to pings and pongs. The others belong to messages. */
  readonly control: number
  /** Grows while the operating system takes bytes from this process to send. */
  readonly sent: number
  /** The bytes that wait until the operating system takes them. While some wait, `sent` grows only if the peer reads. */
  readonly unsent: number
}

/**
 * An open socket. It lasts until the scope of its dial closes: then it is closed as by `close`, and a `receive` or `ping`
 * that still runs fails.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import type * as Effect from "effect/Effect"
 * import type { Transport } from "holdfast"
 *
 * // The socket waits only while a write is under way.
 * const record = (socket: Transport.Socket, write: (text: string) => Effect.Effect<void>) =>
 *   socket.receive((batch) => {
 *     const text = batch.filter((message) => typeof message === "string")
 *     return text.length === 0 ? undefined : write(text.join("\n"))
 *   })
 * ```
 */
export interface Socket {
  /** The subprotocol that the server chose, or `""`. */
  readonly protocol: string
  /** The headers of the server's answer to the upgrade, with names in lower case. Default: the transport cannot see them. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * The bytes that have moved so far. A transport that sees only whole messages counts those. Default: they are not counted, and
   * only messages and pongs are signs of life.
   */
  readonly progress?: (() => Progress) | undefined
  /**
   * Reads until the socket ends. Calls `handler` with each batch, in order, as it arrives. If the handler returns an
   * effect, the next batch waits until that effect is done; if the effect fails, `receive` fails too. If the handler
   * throws, `receive` ends with a defect.
   *
   * Messages are held while the effect runs and while no `receive` runs. Above its high-water mark, a transport that can
   * pause stops reading. The handler gets all messages that arrived before the end of the socket, then `receive` fails.
   * Interruption loses no held messages: the next `receive` gets them. Only one `receive` may run at a time.
   */
  readonly receive: <E = never>(
    handler: (batch: NonEmptyReadonlyArray<Message>) => Effect.Effect<void, E> | void
  ) => Effect.Effect<never, SocketError | E>
  /**
   * Sends a message. Completes when the operating system has taken the whole message, and fails if the socket ends before
   * that.
   */
  readonly send: (message: Message) => Effect.Effect<void, SendFailed>
  /** Sends a ping frame; completes when its pong arrives. Never completes if the transport cannot ping. */
  readonly ping: Effect.Effect<void, SocketError>
  /**
   * Runs the closing handshake (RFC 6455 §7.1.2) for at most `closeTimeout`, then terminates. Default: code 1000 and an
   * empty reason.
   */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** Drops the socket at once, without a close frame: for a dead peer. */
  readonly terminate: Effect.Effect<void>
}

/**
 * What a platform knows of its network.
 *
 * @since 0.1.0
 * @category models
 */
export interface Network {
  /** `false` if no dial can succeed. It may be wrong: a connection dials after a minute all the same. */
  readonly isOnline: () => boolean
  /** Calls the listener at each change. Returns a function that stops the calls. */
  readonly onChange: (listener: () => void) => () => void
}

/**
 * A transport: it dials WebSockets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Transport {
  readonly capabilities: Capabilities
  /**
   * The URLs of the proxies that it may dial through. `Connection` hides their users and passwords in what it shows, as it
   * does those of its own URL.
   */
  readonly proxies?: ReadonlyArray<Redacted.Redacted> | undefined
  /**
   * The network, if the platform tells. While it is offline, `Connection` waits with its dials, which spends no retry, for a
   * minute at most. When it is online again, `Connection` dials at once, whatever wait is left, and asks open connections with a
   * ping whether they are still there.
   */
  readonly network?: Network | undefined
  /** Opens a socket, which lasts until the scope closes. Sets no deadline of its own: `Connection` does. */
  readonly dial: (request: DialRequest) => Effect.Effect<Socket, DialError, Scope.Scope>
}

/**
 * The service that `Connection` dials with: `NodeTransport.layer` on Node, `layerWebSocketConstructor` elsewhere, and
 * `TestTransport.layer` in tests.
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

// `Socket.WebSocketConstructor` itself, by its key. Importing its module would load `effect/Schema` into every app.
const platformConstructor = Context.GenericTag<
  PlatformSocket.WebSocketConstructor,
  (url: string, protocols?: string | Array<string>) => WebSocket
>("@effect/platform/Socket/WebSocketConstructor")

/**
 * The transport for browsers, Bun, Deno and Workers, on the WHATWG `WebSocket` that `Socket.WebSocketConstructor` of
 * @effect/platform makes.
 *
 * That interface has none of the optional `capabilities`: no pings, no pause, no terminate, no status of a refused upgrade,
 * no headers. A method `terminate`, as sockets of `ws` have it, is used where there is one. Only `messageTimeout` detects a dead
 * peer, and `maxMessageBytes` applies after a message has arrived whole. In browsers, it knows the {@link Network}.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Socket from "@effect/platform/Socket"
 * import * as Layer from "effect/Layer"
 * import { Connection, Transport } from "holdfast"
 *
 * const ConnectionLive = Connection.layer({ url: "wss://example.com/feed" }).pipe(
 *   Layer.provide(Transport.layerWebSocketConstructor),
 *   Layer.provide(Socket.layerWebSocketConstructorGlobal)
 * )
 * ```
 */
export const layerWebSocketConstructor: Layer.Layer<Transport, never, PlatformSocket.WebSocketConstructor> = Layer.effect(
  Transport,
  Effect.map(platformConstructor, (construct): Transport => ({
    capabilities: { ping: false, pause: false, terminate: false, handshake: false, headers: false },
    network: browserNetwork(globalThis),
    dial: dialWith(construct)
  }))
)
