/**
 * A WebSocket connection that heals itself: a scoped service with one stream of messages across all reconnects.
 *
 * It dials when it is built, and dials again after every loss as its {@link ReconnectPolicy.ReconnectPolicy} says.
 * Closing its scope closes the socket and stops all timers and fibres.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type {
  AttemptError,
  CloseFrame,
  ConnectionError,
  InvalidCloseFrame,
  NotConnected,
  SendError,
  SendFailed
} from "./ConnectionError.ts"
import type { ConnectionEvent } from "./ConnectionEvent.ts"
import type { ConnectionState } from "./ConnectionState.ts"
import type { FailureClass } from "./FailureClass.ts"
import type { Item } from "./Item.ts"
import { concise } from "./internal/connection/configError.ts"
import { connect } from "./internal/connection/connect.ts"
import type { Listenable } from "./Listenable.ts"
import type * as ReconnectPolicy from "./ReconnectPolicy.ts"
import type { Message, Transport } from "./Transport.ts"

/**
 * A self-healing connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  /**
   * The received messages, in order, across reconnects.
   *
   * - The stream begins with the messages that arrived before the first reader, up to the inbox's capacity.
   * - It fails only when the connection is given up, and ends normally on `disconnect` and when the scope closes. A defect,
   *   such as a bug in `classify`, ends it with that defect.
   * - Every reader gets all messages. The slowest reader decides when the inbox is full.
   * - A reader that stops early drops the rest of the batch it had taken.
   */
  readonly messages: Listenable<Message, ConnectionError>
  /** The same messages as items, with a `Gap` wherever messages may be missing. */
  readonly items: Listenable<Item, ConnectionError>
  /**
   * Dials, losses, decisions and gaps, with their reasons. It begins with the events that no reader has read yet, the
   * latest 1,024 at most.
   */
  readonly events: Listenable<ConnectionEvent>
  /** The current state. */
  readonly state: Effect.Effect<ConnectionState>
  /** The current state, then each later one. A reader that lags more than 256 states behind skips the oldest of them. */
  readonly changes: Listenable<ConnectionState>
  /**
   * Waits until the connection is open. Fails with the final error when the connection was given up, and with
   * `NotConnected` when it is disconnected or closed.
   */
  readonly awaitOpen: Effect.Effect<void, ConnectionError | NotConnected>
  /**
   * Sends a message. Completes when the operating system has taken the whole message. Sends that wait for an open connection
   * go out first, in the order in which they were issued.
   *
   * - Without a `deadline`, it fails at once with `NotConnected` when no connection is open.
   * - With a `deadline`, it waits for an open connection. It fails with `SendTimeout` when the deadline passes before the
   *   message has been sent whole. A plain number is in milliseconds.
   * - It fails with `SendFailed` when the socket refuses the message, or ends before the message has been sent whole.
   *
   * A message that failed is not sent later, except for one whose write had begun when its deadline passed or when it was
   * interrupted: the rest of it may still arrive.
   */
  readonly send: (
    message: Message,
    options?: { readonly deadline?: Duration.DurationInput | undefined }
  ) => Effect.Effect<void, SendError>
  /**
   * Replaces the open connection at once, or skips the wait before the next dial. It uses up no retry. It does nothing
   * while a dial is under way. It fails with `NotConnected` when the connection is disconnected, given up or closed.
   *
   * `reason` is for events and logs; the server gets the close frame of `close`: code 1000 without a reason by default. It
   * fails with `InvalidCloseFrame` if that must not be sent.
   */
  readonly reconnect: (
    reason: string,
    close?: { readonly code?: number | undefined; readonly closeReason?: string | undefined }
  ) => Effect.Effect<void, NotConnected | InvalidCloseFrame>
  /**
   * Closes the connection in any state and stops dialling until `connect` is called. The streams `messages` and `items`
   * end normally. Returns when the socket is closed.
   */
  readonly disconnect: Effect.Effect<void>
  /**
   * The same as `disconnect`, with a close frame for the server: for a protocol in which the code decides what the server
   * keeps. It fails with `InvalidCloseFrame`, and does nothing, if that must not be sent.
   */
  readonly disconnectWith: (close: CloseFrame) => Effect.Effect<void, InvalidCloseFrame>
  /**
   * Starts again after `disconnect` or after the connection was given up, with a full retry budget. Run `messages`
   * again to read the new messages. It does nothing while the connection dials, is open or waits to dial. It fails only
   * when the scope is closed.
   */
  readonly connect: Effect.Effect<void, NotConnected>
}

/**
 * The socket as `onOpen` gets it, before anything else can be sent on it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handshake {
  /** The subprotocol that the server chose, or `""`. */
  readonly protocol: string
  /** The headers of the server's answer to the upgrade, with names in lower case. Empty if the transport cannot see them. */
  readonly headers: Readonly<Record<string, string>>
  /** Sends a message on this socket. */
  readonly send: (message: Message) => Effect.Effect<void, SendFailed>
  /**
   * Waits for the next message of this socket. It only peeks: after the handshake, `messages` gets all of them too, because
   * a peer may send data before it acknowledges.
   */
  readonly receive: Effect.Effect<Message>
}

/**
 * Headers of an upgrade request, by name.
 *
 * @since 0.1.0
 * @category models
 */
export type RequestHeaders = Readonly<Record<string, string | Redacted.Redacted>>

/**
 * The options of a connection. Only `url` is required. Durations must be longer than zero. A plain number is in
 * milliseconds; an infinite duration turns its deadline off.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * A name for this connection, to tell it from others to the same host: in its events, in the annotation `connection` of
   * its log lines, and in the attribute `websocket.connection.name` of its spans and metrics. Metrics are kept for every
   * name that was ever used. Default: none.
   */
  readonly name?: string | undefined
  /**
   * The URL to dial, `ws://` or `wss://`. Logs never show its path or query. It may be:
   *
   * - a list: after a failure the next one is dialled, and one that works stays. A failure that would otherwise be final
   *   gives up only when every URL of the list has failed in a row.
   * - an effect, which runs again before every dial, so that a token in the URL can be fresh. If it fails, or takes longer
   *   than `openTimeout`, the attempt fails.
   * - a function that makes such an effect, given the failure that made this dial necessary; none for the first dial and
   *   after `reconnect`.
   */
  readonly url:
    | string
    | Redacted.Redacted
    | NonEmptyReadonlyArray<string | Redacted.Redacted>
    | Effect.Effect<string | Redacted.Redacted, unknown>
    | ((last: Option.Option<AttemptError>) => Effect.Effect<string | Redacted.Redacted, unknown>)
  /** Subprotocols to offer, in order of preference. An effect runs again before every dial. Default: none. */
  readonly protocols?: ReadonlyArray<string> | Effect.Effect<ReadonlyArray<string>, unknown> | undefined
  /**
   * Headers of the upgrade request. They are never logged. An effect runs again before every dial, so that a token can be
   * fresh. Default: none.
   */
  readonly headers?: RequestHeaders | Effect.Effect<RequestHeaders, unknown> | undefined
  /**
   * When to dial again, and how often: the settings of a policy, or a schedule. Default: {@link ReconnectPolicy.defaults}.
   *
   * A schedule gets the facts of each {@link ReconnectPolicy.Loss | loss} and decides how long to wait. When it ends, the
   * connection is given up with `RetriesExhausted`. It starts over after a connection that was proven by the defaults:
   * open for five seconds, with at least one message or pong. Failure classes apply as they do to a policy: a fatal failure gives
   * up, and no wait is shorter than the server asks for. Events report its remaining retries as `"unknown"`.
   *
   * @example
   * ```ts
   * import * as Layer from "effect/Layer"
   * import { Connection, ReconnectPolicy } from "holdfast"
   * import * as NodeTransport from "holdfast/NodeTransport"
   *
   * // 0.5, 1.5, 4.5, 10, 10 … seconds, each ± 50 % but never above 10, and at most twenty retries.
   * const reconnect = ReconnectPolicy.exponential("500 millis", 3).pipe(
   *   ReconnectPolicy.capped("10 seconds"),
   *   ReconnectPolicy.jittered(0.5, "10 seconds"),
   *   ReconnectPolicy.recurs(20)
   * )
   *
   * const ConnectionLive = Connection.layer({ url: "wss://stream.binance.com:9443/ws/btcusdt@trade", reconnect }).pipe(
   *   Layer.provide(NodeTransport.layer)
   * )
   * ```
   */
  readonly reconnect?: ReconnectPolicy.Options | Schedule.Schedule<unknown, ReconnectPolicy.Loss> | undefined
  /**
   * The deadline of a dial. `onOpen` gets as long again, and so do the effects of `url`, `headers` and `protocols` together.
   * A plain number is in milliseconds. Default: 10 seconds.
   */
  readonly openTimeout?: Duration.DurationInput | undefined
  /**
   * The longest time without a message before the connection counts as lost. Pongs are not messages. Bytes of a message that
   * is still arriving, and bytes that the peer takes from us, start the time anew. A plain number is in milliseconds. Default: off where the transport pings, 30
   * seconds where it does not. A feed asks for 30 seconds.
   */
  readonly messageTimeout?: Duration.DurationInput | undefined
  /**
   * The time from the end of one ping to the next.
   * A plain number is in milliseconds. Default: 20 seconds.
   */
  readonly pingInterval?: Duration.DurationInput | undefined
  /**
   * The deadline for a pong. Any other byte that the peer sends, or takes from us, will do too.
   * A plain number is in milliseconds. Default: 10 seconds.
   */
  readonly pongTimeout?: Duration.DurationInput | undefined
  /**
   * The deadline of a closing handshake; after that, the transport terminates the socket.
   * A plain number is in milliseconds. Default: 2 seconds.
   */
  readonly closeTimeout?: Duration.DurationInput | undefined
  /**
   * The buffer between the socket and slow readers. It is full when it holds `capacity` messages (default 4096, at least 2)
   * or `maxBytes` bytes (default 64 MiB, at least 1), whichever is first. A message larger than `maxBytes` passes through
   * an empty buffer. A binary message counts its bytes and a text its characters: V8 keeps a character in one byte, or in
   * two if the text has any outside Latin-1. The transport holds 1 MiB or one message more, each reader that has taken a
   * batch likewise, and during `onOpen` as many bytes again wait.
   *
   * `overflow` is the policy when the buffer is full:
   *
   * - `"suspend"` (default): stop reading, so that TCP slows the peer down. No message is dropped.
   * - `"sliding"`: drop the oldest messages. Each reader loses only what it was too slow for.
   * - `"dropping"`: drop the newest messages.
   * - `"fail"`: give up the connection with `InboxOverflow`.
   *
   * A `Gap` in `items` stands in the place of dropped messages, and has their number.
   */
  readonly inbox?: {
    readonly capacity?: number | undefined
    readonly maxBytes?: number | undefined
    readonly overflow?: "suspend" | "sliding" | "dropping" | "fail" | undefined
  } | undefined
  /** The largest message, in bytes. A larger one ends the socket with `MessageTooLarge`. Default: 16 MiB. */
  readonly maxMessageBytes?: number | undefined
  /**
   * Overrides the class of a failure. It gets the error and the class from the standard table, `FailureClass.classify`.
   * Default: the standard table.
   */
  readonly classify?: ((error: AttemptError, standard: FailureClass) => FailureClass) | undefined
  /**
   * The protocol's own handshake, such as a login. It runs on every new socket before anything else is sent. When it
   * fails or takes longer than `openTimeout`, the attempt has failed, and the messages of that socket are discarded. If
   * a connection was open before, the next gap covers them. Default: none.
   */
  readonly onOpen?: ((handshake: Handshake) => Effect.Effect<void, unknown>) | undefined
}

/**
 * The service. A program with several connections makes a tag for each with {@link Tag}.
 *
 * @since 0.1.0
 * @category tags
 */
export const Connection: Context.Tag<Connection, Connection> = Context.GenericTag<Connection>("holdfast/Connection")

/**
 * Makes a connection and dials at once. The connection lasts until the scope closes. It fails with a `ConfigError` when an
 * option is out of range.
 *
 * If a `DialGate` is provided, every dial waits there for its turn.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const program = Effect.gen(function*() {
 *   const connection = yield* Connection.make({ url: "wss://example.com/feed" })
 *   yield* connection.messages.forEach(Console.log)
 * }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))
 * ```
 */
export const make = (
  options: Options
): Effect.Effect<Connection, ConfigError.ConfigError, Transport | Scope.Scope> =>
  Effect.map(connect(options), ({ connection }) => connection)

/**
 * A layer with a connection that lasts until the layer is released.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * const ConnectionLive = Connection.layer({
 *   url: "wss://example.com/feed",
 *   reconnect: { maxRetries: "unlimited" }
 * }).pipe(Layer.provide(NodeTransport.layer))
 * ```
 */
export const layer = (options: Options): Layer.Layer<Connection, ConfigError.ConfigError, Transport> =>
  Layer.scoped(Connection, make(options))

/**
 * A layer whose options are read through `Config`. `reconnect` is one config, such as `ReconnectPolicy.config` or
 * `Config.succeed` of a schedule.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Config from "effect/Config"
 * import { Connection, ReconnectPolicy } from "holdfast"
 *
 * const ConnectionLive = Connection.layerConfig({
 *   url: Config.redacted("FEED_URL"),
 *   reconnect: ReconnectPolicy.config
 * })
 * ```
 */
export const layerConfig = (
  config: Config.Config.Wrap<Options>
): Layer.Layer<Connection, ConfigError.ConfigError, Transport> =>
  Layer.scoped(Connection, Effect.flatMap(Effect.mapError(Config.unwrap(config), concise), make))

/**
 * The type of the class that {@link Tag} makes: a tag for one connection, with layers for it.
 *
 * @since 0.1.0
 * @category models
 */
export interface TagClass<Self, Id extends string> extends Context.TagClass<Self, Id, Connection> {
  readonly layer: (options: Options) => Layer.Layer<Self, ConfigError.ConfigError, Transport>
  readonly layerConfig: (
    config: Config.Config.Wrap<Options>
  ) => Layer.Layer<Self, ConfigError.ConfigError, Transport>
}

/**
 * Makes a tag for one of several connections in a program.
 *
 * @since 0.1.0
 * @category tags
 * @example
 * ```ts
 * import * as Layer from "effect/Layer"
 * import { Connection } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * class News extends Connection.Tag<News>()("News") {}
 * class Chat extends Connection.Tag<Chat>()("Chat") {}
 *
 * const Live = Layer.merge(
 *   News.layer({ url: "wss://example.com/news" }),
 *   Chat.layer({ url: "wss://example.com/chat" })
 * ).pipe(Layer.provide(NodeTransport.layer))
 * ```
 */
export const Tag = <Self>() => <const Id extends string>(id: Id): TagClass<Self, Id> => {
  const tag = Context.Tag(id)<Self, Connection>()
  return Object.assign(tag, {
    layer: (options: Options) => Layer.scoped(tag, make(options)),
    layerConfig: (config: Config.Config.Wrap<Options>) =>
      Layer.scoped(tag, Effect.flatMap(Effect.mapError(Config.unwrap(config), concise), make))
  })
}
