/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A self-healing connection for programs outside Effect: promises, async iterators and listeners.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Layer from "effect/Layer"
import * as Cause from "effect/Cause"
import * as Scope from "effect/Scope"
import * as Connection from "../Connection.ts"
import type { AttemptError, ReconnectRequested } from "../ConnectionError.ts"
import type { ConnectionEvent } from "../ConnectionEvent.ts"
import type { ConnectionState } from "../ConnectionState.ts"
import type { FailureClass } from "../FailureClass.ts"
import type { Gap, Item } from "../Item.ts"
import type * as ReconnectPolicy from "../ReconnectPolicy.ts"
import type { Message } from "../Transport.ts"
import { Transport } from "../Transport.ts"
import * as Check from "./InvalidArgument.ts"
import * as Listeners from "./listeners.ts"
import { checkUrl, connectChecks, connectionOptions, transportOf, withLog } from "./options.ts"
import { iterable } from "./reader.ts"
import { asError, makeNow, now, toPromise } from "./run.ts"

/**
 * The URL to dial, `ws://` or `wss://`. A list: after a failure the next one is dialled. A function runs before every dial, and
 * gets the failure that made this dial necessary; if it throws or rejects, the attempt fails and is made again.
 *
 * @since 0.1.0
 * @category models
 */
export type Url =
  | string
  | URL
  | readonly [string | URL, ...Array<string | URL>]
  | ((last: AttemptError | undefined) => string | URL | PromiseLike<string | URL>)

/**
 * A value, or a function that gives it anew before every dial.
 *
 * @since 0.1.0
 * @category models
 */
export type Given<A> = A | (() => A | PromiseLike<A>)

/**
 * A class like the `WebSocket` of browsers.
 *
 * @since 0.1.0
 * @category models
 */
export type WebSocketConstructor = new(url: string, protocols?: string | Array<string>) => globalThis.WebSocket

/**
 * How much is written to the console.
 *
 * @since 0.1.0
 * @category models
 */
export type LogName = "none" | "error" | "warning" | "info" | "debug"

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
  /** Aborted when the socket is lost, or the deadline of the handshake passes. */
  readonly signal: AbortSignal
  /** Sends a message on this socket. */
  readonly send: (message: Message) => Promise<void>
  /** Waits for the next message of this socket. `messages` gets all of them too. */
  readonly receive: () => Promise<Message>
}

/**
 * The options that every connection has. A duration is a number of milliseconds, or a text such as `"20 seconds"`. Their defaults
 * are those of `Connection.Options`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SocketOptions extends
  Pick<
    Connection.Options,
    | "openTimeout"
    | "messageTimeout"
    | "pingInterval"
    | "pongTimeout"
    | "closeTimeout"
    | "inbox"
    | "maxMessageBytes"
  >
{
  /** Subprotocols to offer, in order of preference. Default: none. */
  readonly protocols?: Given<ReadonlyArray<string>> | undefined
  /** Headers of the upgrade request. Browsers send none. They are never logged. Default: none. */
  readonly headers?: Given<Readonly<Record<string, string>>> | undefined
  /** When to dial again, and how often. `false`: never. Default: ten retries, with backoff. */
  readonly reconnect?: ReconnectPolicy.Options | false | undefined
  /** Overrides the class of a failure: whether it is retried. It gets the error and the standard class. */
  readonly classify?: ((error: AttemptError, standard: FailureClass) => FailureClass) | undefined
}

/**
 * The options of {@link connect}. All are optional.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions extends SocketOptions {
  /** A name for this connection, in its events and metrics. Default: none. */
  readonly name?: string | undefined
  /**
   * The protocol's own handshake, such as a login. It runs on every new socket before anything else is sent. When it throws,
   * rejects or takes longer than `openTimeout`, the attempt has failed. Default: none.
   */
  readonly onOpen?: ((handshake: Handshake) => void | PromiseLike<void>) | undefined
  /** When it is aborted, the connection closes, and iterators fail with its reason. Default: none. */
  readonly signal?: AbortSignal | undefined
  /** Dials with this class. Default: `ws` on Node, Bun and Deno, with pings and TCP backpressure; the browser's in browsers. */
  readonly WebSocket?: WebSocketConstructor | undefined
  /** How much is written to the console. Default: `"none"`. */
  readonly log?: LogName | undefined
}

/**
 * The news that listeners hear, by name:
 *
 * - `message`: a message. A listener never falls behind, so it slows nobody down.
 * - `gap`: messages may be missing between the last one and the next one.
 * - `open`: the connection is open, for the first time or again.
 * - `lost`: an open connection was lost, or replaced by `reconnect`, for this reason. It is dialled again.
 * - `state`: the new state.
 * - `error`: the connection was given up with this error, the same with which iterators fail.
 * - `event`: anything that happens, with its facts.
 * - `close`: the connection is closed for good.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionListeners {
  readonly message: Message
  readonly gap: Gap
  readonly open: Extract<ConnectionEvent, { readonly _tag: "Opened" }>
  readonly lost: AttemptError | ReconnectRequested
  readonly state: ConnectionState
  readonly error: Error
  readonly event: ConnectionEvent
  readonly close: Extract<ConnectionEvent, { readonly _tag: "Closed" }>
}

/**
 * A self-healing connection, as promises, async iterators and listeners. It lasts until it is closed, by `close`, by
 * `await using` or by its signal; leaving a loop over its messages does not close it.
 *
 * Promises reject, and iterators fail, with the tagged errors of `ConnectionError`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectionHandle extends AsyncDisposable {
  /**
   * The received messages, in order, across reconnects. Each loop reads on its own, and several loops get all messages each. A loop
   * begins with the oldest message that is held: before there is a first reader, messages wait for it.
   *
   * While a loop is busy, messages wait in the `inbox`; when that is full, its `overflow` decides. By default the socket is paused,
   * so that TCP slows the server down, and nothing is lost. The slowest loop sets the pace. A loop that is left takes no more
   * messages, and what it had not reached of its present batch is dropped.
   *
   * A loop ends when the connection is closed, and fails when it is given up.
   */
  readonly messages: AsyncIterable<Message, undefined, unknown>
  /** The same messages as items, with a `Gap` wherever messages may be missing. */
  readonly items: AsyncIterable<Item, undefined, unknown>
  /** The present state: `_tag` is its name. */
  readonly state: ConnectionState
  /**
   * Calls a function at each of these. Returns a function that stops the calls. What a listener throws is reported as uncaught, as
   * for any `EventTarget`.
   */
  readonly on: <Name extends keyof ConnectionListeners>(
    name: Name,
    listener: (event: ConnectionListeners[Name]) => void
  ) => () => void
  /** Waits until the connection is open. Rejects when it was given up or closed. */
  readonly awaitOpen: () => Promise<void>
  /**
   * Sends a text or a `Uint8Array`. Resolves when the operating system has taken the whole message. Without a `deadline` it rejects
   * at once when no connection is open; with one, it waits that long for an open connection. A message that was not sent is never
   * sent later.
   */
  readonly send: (message: Message, options?: { readonly deadline?: Duration.DurationInput | undefined }) => Promise<void>
  /** Replaces the socket at once, or ends a wait. It uses up no retry. */
  readonly reconnect: (reason?: string) => Promise<void>
  /** Closes the connection for good, with this close frame. Resolves when the socket is closed. Default: code 1000. */
  readonly close: (code?: number, reason?: string) => Promise<void>
}

type Names = { readonly [Name in keyof ConnectionListeners]: true }

const names = Object.keys(
  { message: true, gap: true, open: true, lost: true, state: true, error: true, event: true, close: true } satisfies Names
)

const emitEvent = (listeners: Listeners.Listeners<ConnectionListeners>, event: ConnectionEvent) => {
  listeners.emit("event", event)
  switch (event._tag) {
    case "Gap":
      listeners.emit("gap", event.gap)
      return
    case "Opened":
      listeners.emit("open", event)
      return
    case "Lost":
      listeners.emit("lost", event.cause)
      return
    case "Failed":
      listeners.emit("error", event.error)
      return
    case "Died":
      listeners.emit("error", asError(Cause.squash(event.cause)))
      return
    case "Closed":
      listeners.emit("close", event)
  }
}

// Its failure is that of the connection, which `error` tells.
const startListening = (listening: Effect.Effect<void, unknown>): Fiber.RuntimeFiber<void> =>
  Effect.runFork(Effect.catchAllCause(listening, () => Effect.void), { immediate: false })

const make = (url: Url, options: ConnectOptions, platform: Layer.Layer<Transport>): ConnectionHandle => {
  const { signal } = options
  signal?.throwIfAborted()
  const within = withLog(options.log)
  const run = <A>(effect: Effect.Effect<A, unknown>) => toPromise(within(effect))
  const scope = Effect.runSync(Scope.make())
  const connection = makeNow(Connection.make(connectionOptions(url, options)).pipe(
    Effect.provideService(Transport, now(Effect.provide(Transport, transportOf(options.WebSocket, platform)))),
    Scope.extend(scope),
    Effect.mapError(Check.ofOptions),
    within
  ))

  const listeners = Listeners.make<ConnectionListeners>({
    message: new Set(),
    gap: new Set(),
    open: new Set(),
    lost: new Set(),
    state: new Set(),
    error: new Set(),
    event: new Set(),
    close: new Set()
  })
  startListening(connection.events.listen((events) => {
    for (const event of events) emitEvent(listeners, event)
  }))
  const initial = now(connection.state)
  startListening(connection.changes.listen((states) => {
    for (const state of states) if (state !== initial) listeners.emit("state", state)
  }))

  // Reads while somebody listens: otherwise messages wait for a loop.
  let reading: Fiber.RuntimeFiber<void> | undefined
  const read = () => {
    reading ??= startListening(connection.messages.listen((messages) => {
      for (const message of messages) listeners.emit("message", message)
    }))
  }
  const readNoMore = () => {
    reading?.unsafeInterruptAsFork(FiberId.none)
    reading = undefined
  }

  let closing: Promise<void> | undefined
  const abort = () => {
    void end()
  }
  const end = () =>
    closing ??= run(Scope.close(scope, Exit.void)).finally(() => {
      signal?.removeEventListener("abort", abort)
    })
  signal?.addEventListener("abort", abort, { once: true })

  return {
    messages: iterable(Effect.succeed(connection.messages), { signal, within }),
    items: iterable(Effect.succeed(connection.items), { signal, within }),
    get state() {
      return now(connection.state)
    },
    on: (name, listener) => {
      Listeners.checkListener(names, name, listener)
      const remove = listeners.add(name, listener)
      if (name === "message") read()
      return () => {
        remove()
        if (listeners.count("message") === 0) readNoMore()
      }
    },
    awaitOpen: () => run(connection.awaitOpen),
    send: async (message, sending) => {
      Check.checkOptions("send", { deadline: Check.elsewhere }, sending)
      await run(connection.send(message, sending))
    },
    reconnect: async (reason = "reconnect was called") => {
      Check.aText(reason, "reason", "The reason of reconnect")
      await run(connection.reconnect(reason))
    },
    close: async (code, reason) => {
      if (reason !== undefined && typeof reason !== "string") throw Check.wrong("reason", "The reason of close", "a text", reason)
      if (code !== undefined || reason !== undefined) await run(connection.disconnectWith({ code: code ?? 1000, reason }))
      await end()
    },
    [Symbol.asyncDispose]: end
  }
}

/** Makes `connect` for a platform, by the transport that it dials with unless the options say otherwise. */
export const connectWith =
  (platform: Layer.Layer<Transport>) => (url: Url, options: ConnectOptions = {}): ConnectionHandle => {
    checkUrl(url)
    Check.checkOptions("connect", connectChecks, options)
    return make(url, options, platform)
  }

