/**
 * Subscriptions that survive reconnects, over any protocol that subscribes and acknowledges.
 *
 * A session owns a connection and keeps two sets of topics: the desired topics have subscribers, the actual topics are
 * subscribed on the wire. It subscribes and unsubscribes until the actual topics are the desired ones, within the peer's
 * rate limit. When the connection opens again, it starts without actual topics. It compares sets and never replays a queue,
 * so requests do not multiply with reconnects.
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
import { positive } from "./internal/connection/settings.ts"
import { defaultAnswerTimeout, manage } from "./internal/session/session.ts"
import { resolve } from "./internal/session/settings.ts"
import { monotonic } from "./internal/time/monotonic.ts"
import type { Listenable } from "./Listenable.ts"
import type { SessionError } from "./SessionError.ts"
import type { SessionEvent } from "./SessionEvent.ts"
import type { SessionProtocol } from "./SessionProtocol.ts"
import type { Transport } from "./Transport.ts"

/**
 * A topic that has subscribers, and the state of its subscription. `status` is one of:
 *
 * - `requested`: the peer has not acknowledged it yet.
 * - `acknowledged`: the peer has acknowledged it, and no data has come since. That does not prove that data will come. In a
 *   protocol without acknowledgements: the request was sent.
 * - `live`: data has come.
 * - `stale`: data is later than the topic's cadence allows, while other topics have data.
 *
 * @since 0.1.0
 * @category models
 */
export interface Subscription {
  readonly topic: string
  readonly status: "requested" | "acknowledged" | "live" | "stale"
  /** The time at which it got this status, as Unix time in milliseconds. */
  readonly since: number
  /** The number of subscribers: running streams, listeners, and calls of `subscribe`. */
  readonly listeners: number
  /** The time of its latest data, as Unix time in milliseconds. None before the first data. */
  readonly lastData: Option.Option<number>
}

/**
 * Receives a topic's data in the same turn of the event loop in which the data arrives. Its functions must not block or throw.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener<A> {
  /** Gets each batch of the topic's data. */
  readonly data: (batch: ReadonlyArray<A>) => void
  /** Data may be missing between the last batch and the next. */
  readonly gap: (gap: Item.Gap) => void
  /**
   * The last call. `exit` is a success when the connection was disconnected or the session's scope was closed; otherwise
   * it has the error.
   */
  readonly end: (exit: Exit.Exit<void, SessionError>) => void
}

/**
 * A session.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session<A> {
  /** The session's connection. */
  readonly connection: Connection.Connection
  /**
   * The data of a topic, with its gaps. The stream subscribes when it is run. When it ends, it unsubscribes, unless the
   * topic has other subscribers.
   *
   * `capacity` (default: 4096) is the number of items that it holds for a slow reader, and `maxBytes` (default: 64 MiB) the
   * most bytes of them. Only data that is a text or bytes counts there, as in the inbox of a connection: parsed data has no
   * size that could be known. Beyond either, it drops the oldest and puts a `Gap` in their place, so that a slow reader of
   * one topic does not hold up the others. A value that is not allowed fails the stream with a `ConfigError`.
   */
  readonly stream: {
    (topic: string): Listenable<Item.Item<A>, SessionError>
    (
      topic: string,
      options: { readonly capacity?: number | undefined; readonly maxBytes?: number | undefined } | undefined
    ): Listenable<Item.Item<A>, SessionError | ConfigError.ConfigError>
  }
  /**
   * Subscribes to a topic and calls the listener with its data, without a buffer. Unsubscribes when the scope closes,
   * unless the topic has other subscribers. When the session has ended, it calls `end` at once.
   */
  readonly listen: (topic: string, listener: Listener<A>) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Adds a subscriber that receives no data to a topic. Completes when the peer has acknowledged the
   * subscription. It completes at once when the peer has already done so, on this connection or an earlier one. It also
   * completes when the last subscriber leaves before the acknowledgement comes.
   *
   * Fails with `NotConnected` when the connection is or becomes disconnected, and otherwise with the error that ends the
   * topic, such as `SubscriptionRefused`. An interruption removes the subscriber again.
   */
  readonly subscribe: (topic: string) => Effect.Effect<void, SessionError | NotConnected>
  /**
   * Undoes one call of `subscribe`. Unsubscribes when the topic has no other subscribers. Does nothing when there is no
   * call to undo.
   */
  readonly unsubscribe: (topic: string) => Effect.Effect<void>
  /** All topics that have subscribers. */
  readonly subscriptions: Effect.Effect<ReadonlyArray<Subscription>>
  /** Events of the subscriptions. A reader begins with those that no reader has read yet, at most the latest 4096. */
  readonly events: Listenable<SessionEvent>
}

/**
 * The options of a session. A plain number for a duration is in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<A, N = never> {
  /** The options of the session's connection. */
  readonly connection: Connection.Options
  /** Describes the requests and messages of the peer. */
  readonly protocol: SessionProtocol<A, N>
  /**
   * The deadline for the peer to answer a request for all of its topics, and for an effect of the protocol that writes one.
   * Default: 5 seconds. While the peer serves no topic, the session replaces the connection after three requests in a row
   * that it does not answer. If it serves others, a topic that it does not answer for ends with `SubscriptionUnanswered`
   * instead. Three requests in a row to unsubscribe that are not answered or refused also replace the connection.
   */
  readonly answerTimeout?: Duration.DurationInput | undefined
  /** Called with each notice of the peer. It must not block or throw. Default: notices are ignored. */
  readonly onNotice?: ((notice: N) => void) | undefined
  /**
   * Moves a topic to another connection. Returns false when it cannot. Called for a topic that is still stale after the
   * session has subscribed to it again. Default: topics are not moved.
   */
  readonly relocate?: ((topic: string) => boolean) | undefined
  /**
   * Returns whether other connections have had data since a time (Unix time in milliseconds). The session subscribes again to
   * a late topic only while others have data. Default: only the topics of this session count.
   */
  readonly hasDataElsewhere?: ((since: number) => Effect.Effect<boolean>) | undefined
  /**
   * Returns the activity of topics: for each a count that grows whenever the topic should have had data, such as the id of the
   * latest trade that another interface of the peer shows. A topic whose activity grows while no data comes is stale. Topics
   * whose activity cannot be told are left out. Called at most every 10 seconds, with the topics that have been silent for 10
   * seconds. Default: silence proves nothing, and no topic is stale.
   */
  readonly activity?: ((topics: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, number>>) | undefined
  /**
   * Returns whether the peer knows a topic. Called once for a silent topic that has never had data. A topic that the peer does
   * not know fails with `SubscriptionStale`. Default: the peer knows every topic.
   */
  readonly isKnown?: ((topic: string) => Effect.Effect<boolean>) | undefined
}

/**
 * Makes a session, which dials at once and lasts until the scope closes. It fails with a `ConfigError` when an option is out of
 * range.
 *
 * A connection with a `messageTimeout` drops a peer that sends nothing for so long. So give the protocol a `probe`, or subscribe
 * to a topic that always has data.
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
 * // The client sends "id +topic" or "id -topic". The server answers "ok id", and sends data as "topic text".
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
  Effect.gen(function*() {
    const answerTimeout = yield* positive("answerTimeout", options.answerTimeout, defaultAnswerTimeout)
    const settings = yield* resolve(options.protocol)
    const { activity } = options
    return yield* manage(yield* connect(options.connection), {
      ...options,
      answerTimeout,
      settings,
      activity: activity === undefined
        ? undefined
        : (topics) => Effect.flatMap(monotonic, (at) => Effect.map(activity(topics), (counts) => ({ at, counts })))
    })
  })
