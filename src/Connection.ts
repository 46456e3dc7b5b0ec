/**
 * A WebSocket that heals itself: a scoped service whose messages are a stream that goes on across every outage.
 *
 * It dials as soon as it is built, and again whenever the connection is lost, for whatever reason, as its
 * {@link ReconnectPolicy.ReconnectPolicy} says. Closing its scope leaves nothing behind.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { AttemptError, ConnectionError, NotConnected, SendError, SendFailed } from "./ConnectionError.ts"
import type { ConnectionEvent } from "./ConnectionEvent.ts"
import type { ConnectionState } from "./ConnectionState.ts"
import type { FailureClass } from "./FailureClass.ts"
import type { Item } from "./Item.ts"
import { connect } from "./internal/connection/connect.ts"
import type { Listenable } from "./Listenable.ts"
import type * as ReconnectPolicy from "./ReconnectPolicy.ts"
import type { Message, Transport } from "./Transport.ts"

/**
 * A connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  /**
   * What arrives, in order, across reconnects. It fails only when the connection is given up, ends normally on
   * `disconnect` or when the scope closes, and begins with what arrived before anybody listened (up to the inbox's
   * capacity). Every reader gets everything; the slowest decides when the inbox is full.
   *
   * A reader that stops early drops the rest of the batch it had taken.
   */
  readonly messages: Listenable<Message, ConnectionError>
  /** The same with the breaks in it: a `Gap` stands wherever messages may be missing. */
  readonly items: Listenable<Item, ConnectionError>
  /** What happens and why: dials, losses, decisions, gaps. It begins with the latest events nobody has read yet. */
  readonly events: Listenable<ConnectionEvent>
  /** The state now. */
  readonly state: Effect.Effect<ConnectionState>
  /** The state now, and every one that follows. A reader far behind skips to the latest. */
  readonly changes: Listenable<ConnectionState>
  /**
   * Waits until the connection is open. Fails with what the connection was given up for, or with `NotConnected` when
   * it is disconnected, since then nothing would ever open.
   */
  readonly awaitOpen: Effect.Effect<void, ConnectionError | NotConnected>
  /**
   * Sends a message. Without a `deadline` it fails at once with `NotConnected` when no connection is open; with one,
   * it waits that long for the next open connection. Nothing is queued after it has failed.
   */
  readonly send: (
    message: Message,
    options?: { readonly deadline?: Duration.DurationInput | undefined }
  ) => Effect.Effect<void, SendError>
  /**
   * Drops the open connection and dials at once, or cuts short the wait for the next dial. It costs no retry. Does
   * nothing while a dial is under way, and fails when disconnected: only `connect` ends that.
   */
  readonly reconnect: (reason: string) => Effect.Effect<void, NotConnected>
  /**
   * Closes the connection, whatever it is doing, and stays so: nothing is dialled until `connect`. The streams of
   * messages end normally. Returns when the socket is gone.
   */
  readonly disconnect: Effect.Effect<void>
  /**
   * Starts afresh after `disconnect` or a failure, with a full retry budget: run `messages` again for what comes.
   * Does nothing while connected or connecting. Fails only when the scope is closed.
   */
  readonly connect: Effect.Effect<void, NotConnected>
}

/**
 * The socket as `onOpen` sees it, before anybody else may send.
 *
 * @since 0.1.0
 * @category models
 */
export interface Handshake {
  /** The subprotocol the server chose, `""` when none. */
  readonly protocol: string
  readonly send: (message: Message) => Effect.Effect<void, SendFailed>
  /**
   * The next message of this connection. It looks without taking: once the handshake is done, `messages` gets all of
   * them too, since a peer may send data before its acknowledgement.
   */
  readonly receive: Effect.Effect<Message>
}

/**
 * What a connection can be told. Only `url` is needed. An infinite duration switches a deadline off.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Where to dial: `ws://` or `wss://`. Given as an effect, it is asked anew at every dial, so that a token in it can
   * be fresh; when that fails, it counts as a failed dial. It is never logged.
   */
  readonly url:
    | string
    | Redacted.Redacted
    | Effect.Effect<string | Redacted.Redacted, unknown>
  /** Subprotocols to offer, in order of preference. Default: none. */
  readonly protocols?: ReadonlyArray<string> | undefined
  /** Headers of the upgrade request. Never logged. Default: none. */
  readonly headers?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /**
   * When to dial again, and how often: the settings of a policy, or a schedule. Default: {@link ReconnectPolicy.defaults}.
   *
   * A schedule gets the facts of each {@link ReconnectPolicy.Loss | loss}, and decides how long to wait, and when to give up:
   * then the messages fail with `RetriesExhausted`. It starts over when a connection was proven as the defaults have it (open
   * for five seconds, and one message came). The classes of failures hold for it as for a policy: a fatal failure is the
   * last, and no wait is shorter than a server asks for. How many retries it still has is `"unknown"`.
   *
   * @example
   * ```ts
   * import * as Layer from "effect/Layer"
   * import { Connection, ReconnectPolicy } from "holdfast"
   * import * as NodeTransport from "holdfast/NodeTransport"
   *
   * // 0.5, 1.5, 4.5, 10, 10 … seconds, each up to half shorter or longer but never above 10, twenty times at most.
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
  /** How long a dial may take, and the handshake after it as long again. Default: 10 seconds. */
  readonly openTimeout?: Duration.DurationInput | undefined
  /** How long the peer may be silent. Default: 30 seconds. */
  readonly messageTimeout?: Duration.DurationInput | undefined
  /** How often to ping. Default: 20 seconds. */
  readonly pingInterval?: Duration.DurationInput | undefined
  /** How long a pong may take. Default: 10 seconds. */
  readonly pongTimeout?: Duration.DurationInput | undefined
  /** How long a polite close may take before the socket is dropped. Default: 2 seconds. */
  readonly closeTimeout?: Duration.DurationInput | undefined
  /**
   * What lies between the socket and a slow consumer. `capacity` (default 4096, at least 2) counts messages;
   * `overflow` says what happens when it is full:
   *
   * - `"suspend"` (default): stop reading, so that TCP slows the peer down. Nothing is lost here.
   * - `"sliding"`: drop the oldest. Each reader falls behind on its own.
   * - `"dropping"`: drop the newest.
   * - `"fail"`: give the connection up with `InboxOverflow`.
   *
   * What is dropped is counted, and shown as a `Gap` in `items` at the place where it is missing.
   */
  readonly inbox?: {
    readonly capacity?: number | undefined
    readonly overflow?: "suspend" | "sliding" | "dropping" | "fail" | undefined
  } | undefined
  /** A larger message ends the connection with `MessageTooLarge`. Default: 16 MiB. */
  readonly maxMessageBytes?: number | undefined
  /** Overrides what is done about a failure: gets the error and what the standard table, `FailureClass.classify`, says. */
  readonly classify?: ((error: AttemptError, standard: FailureClass) => FailureClass) | undefined
  /**
   * The protocol's own handshake (authenticate, subscribe), run on every open before anything else is sent. Its
   * failure, or taking longer than `openTimeout`, counts as a failed dial; what had arrived until then is covered by
   * the gap that follows, if there was a connection before. Default: none.
   */
  readonly onOpen?: ((handshake: Handshake) => Effect.Effect<void, unknown>) | undefined
}

/**
 * The service. Use {@link Tag} for more than one in the same program.
 *
 * @since 0.1.0
 * @category tags
 */
export const Connection: Context.Tag<Connection, Connection> = Context.GenericTag<Connection>("holdfast/Connection")

/**
 * Makes a connection that lives as long as the scope, and dials at once. Fails when an option is out of its range.
 *
 * Where there is a `DialGate`, it waits there for its turn at every dial. Where there is none, it dials as its own policy
 * says.
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
 * A layer with a connection that lives as long as the layer does.
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
 * The same with options that are read through `Config`. `reconnect` is read as one: `ReconnectPolicy.config`, say, or a
 * schedule in `Config.succeed`.
 *
 * @since 0.1.0
 * @category layers
 * @example
 * ```ts
 * import * as Config from "effect/Config"
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
  Layer.scoped(Connection, Effect.flatMap(Config.unwrap(config), make))

/**
 * The class that {@link Tag} makes: a tag for one connection, with its own layers.
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
 * A tag of its own for each of several connections in one program.
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
      Layer.scoped(tag, Effect.flatMap(Config.unwrap(config), make))
  })
}
