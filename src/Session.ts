/**
 * Subscriptions that survive: the set of topics that is wanted is state, and what is live on the wire follows it.
 *
 * A session owns a connection and speaks a subscribe-and-acknowledge protocol over it. Whenever the connection opens,
 * everything still wanted is subscribed anew, paced within the peer's limit. It compares what is wanted with what is
 * on the wire and never replays a queue, so nothing multiplies with reconnects.
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Connection from "./Connection.ts"
import type { NotConnected } from "./ConnectionError.ts"
import type * as Item from "./Item.ts"
import { connect } from "./internal/connection/connect.ts"
import { manage } from "./internal/session/session.ts"
import type { Listenable } from "./Listenable.ts"
import type { SessionError } from "./SessionError.ts"
import type { SessionEvent } from "./SessionEvent.ts"
import type { SessionProtocol } from "./SessionProtocol.ts"
import type { Transport } from "./Transport.ts"

/**
 * Where a subscription stands: asked for, acknowledged (which proves nothing), live since its first data came, or stale
 * since its data stopped while others' went on.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subscription {
  readonly topic: string
  readonly status: "requested" | "acknowledged" | "live" | "stale"
  /** When it came to this, in milliseconds since the epoch. */
  readonly since: number
  /** How many listen. */
  readonly listeners: number
  /** When its latest data came, in milliseconds since the epoch. */
  readonly lastData: Option.Option<number>
}

/**
 * Hears what comes for a topic, as it comes: `data` gets everything that came at once. Nothing here may wait or throw.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener<A> {
  readonly data: (batch: ReadonlyArray<A>) => void
  readonly gap: (gap: Item.Gap) => void
  /** Nothing more will come. */
  readonly end: (exit: Exit.Exit<void, SessionError>) => void
}

/**
 * A session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session<A> {
  readonly connection: Connection.Connection
  /**
   * Subscribes to a topic and gives what comes, and unsubscribes when the stream is done with. Of several streams of
   * one topic, the last to end unsubscribes. When its reader falls behind by more than `capacity` items (default
   * 4096), the oldest are dropped and a `Gap` stands in their place, so that one slow topic does not hold up the rest.
   */
  readonly stream: (
    topic: string,
    options?: { readonly capacity?: number | undefined }
  ) => Listenable<Item.Item<A>, SessionError>
  /** The same without a buffer, for as long as the scope lives. */
  readonly listen: (topic: string, listener: Listener<A>) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Wants a topic once more, whoever hears it, and completes when the peer has acknowledged it: at once, if it has
   * before, be it on an earlier connection; or when it was taken back with `unsubscribe` meanwhile. Fails with
   * `NotConnected` when disconnected, or when that comes first. Interrupted before, it wants nothing.
   */
  readonly subscribe: (topic: string) => Effect.Effect<void, SessionError | NotConnected>
  /** Takes one `subscribe` back; the last one unsubscribes. Does nothing when there was none. */
  readonly unsubscribe: (topic: string) => Effect.Effect<void>
  /** What is wanted, and where it stands. */
  readonly subscriptions: Effect.Effect<ReadonlyArray<Subscription>>
  /** What happens to subscriptions. It begins with the latest events nobody has read yet. */
  readonly events: Listenable<SessionEvent>
}

/**
 * The options of a session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<A, N = never> {
  readonly connection: Connection.Options
  readonly protocol: SessionProtocol<A, N>
  /**
   * How long the answer to a request may take, in whatever parts it comes. Default: 5 seconds. After three requests in
   * a row without one, or three refusals to unsubscribe, the connection is dropped.
   */
  readonly answerTimeout?: Duration.DurationInput | undefined
  /** Hears what the peer says to the client as a whole. It must not wait or throw. Default: nobody does. */
  readonly onNotice?: ((notice: N) => void) | undefined
  /**
   * Moves a topic that stays silent, although it was subscribed again, to another socket. Says whether it could.
   * Default: nothing is moved.
   */
  readonly relocate?: ((topic: string) => boolean) | undefined
  /** Whether data has come over other sockets since then. Default: only this one is looked at. */
  readonly hasDataElsewhere?: ((since: number) => Effect.Effect<boolean>) | undefined
  /**
   * Says whether the peer knows a topic whose first data does not come. If not, the topic fails at once. If so, or by
   * default, a topic with a fixed cadence fails in the end, and others go on waiting.
   */
  readonly isKnown?: ((topic: string) => Effect.Effect<boolean>) | undefined
}

/**
 * Makes a session that lives as long as the scope, and dials at once. The connection's own silence is judged by its
 * `messageTimeout`: give the protocol a `probe`, switch that off, or subscribe to something that speaks.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import { Session, type SessionProtocol } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * // A server that is told "+topic" and "-topic", answers "ok id" and sends "topic text".
 * const protocol: SessionProtocol.SessionProtocol<string> = {
 *   subscribe: (topics, id) => `${id} +${topics.join(" +")}`,
 *   unsubscribe: (topics, id) => `${id} -${topics.join(" -")}`,
 *   parse: (message) => {
 *     const [, head = "", tail = ""] = /^(\S*) ?(.*)$/s.exec(String(message)) ?? []
 *     return head === "ok" ? { _tag: "Acknowledged", id: Number(tail) } : { _tag: "Data", topic: head, data: tail }
 *   },
 *   maxBatch: 50,
 *   pace: { limit: 5, window: "1 second" },
 *   cadence: () => "exempt"
 * }
 *
 * const program = Effect.gen(function*() {
 *   const session = yield* Session.make({ connection: { url: "wss://example.com/feed" }, protocol })
 *   yield* session.stream("weather").forEach(Console.log)
 * }).pipe(Effect.scoped, Effect.provide(NodeTransport.layer))
 * ```
 */
export const make = <A, N = never>(
  options: Options<A, N>
): Effect.Effect<Session<A>, ConfigError.ConfigError, Transport | Scope.Scope> =>
  Effect.flatMap(connect(options.connection), (supervised) => manage(supervised, options))
