/**
 * Describes a subscribe-and-acknowledge protocol to a {@link Session}: its requests, its messages, and its rate limit.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { Message } from "./Transport.ts"

/**
 * A message of the peer, parsed.
 *
 * - `Data`: data of a topic.
 * - `Acknowledged`, `Refused`: the answer to a request. The session has one request under way at a time. It ignores an
 *   answer with the `id` of another request. An answer without an `id` belongs to the request under way. An answer with
 *   `topics` settles only those topics of the request; one without `topics` settles all of them.
 * - `Refused` for a request to subscribe fails its topics. When it has no `topics`, the peer may mean any topic of the
 *   request: the session requests each half again until it has found the refused topic.
 * - `Refused` with `retry` is temporary: the session repeats the request after that time, or at once on its next
 *   connection.
 * - `Refused` for a topic that has had data on this connection changes nothing: the data shows that it is subscribed. A topic
 *   that the peer had acknowledged, or sent data of, earlier in this session is requested again after 1, 2, 4, 8 and 16
 *   seconds, and ends with the next refusal.
 * - `Dropped`: the peer has ended the subscription of a topic. The session requests it again, as after such a refusal.
 * - `Notice`: a message to the client as a whole, for example that the server will shut down.
 * - `Invalid`: a message that the protocol does not know. The session records an event and goes on.
 *
 * @since 0.1.0
 * @category models
 */
export type ServerMessage<A, N = never> =
  | { readonly _tag: "Data"; readonly topic: string; readonly data: A }
  | {
    readonly _tag: "Acknowledged"
    readonly id?: number | undefined
    readonly topics?: ReadonlyArray<string> | undefined
  }
  | {
    readonly _tag: "Refused"
    readonly id?: number | undefined
    readonly topics?: ReadonlyArray<string> | undefined
    readonly reason: string
    readonly retry?: Duration.DurationInput | undefined
  }
  | { readonly _tag: "Dropped"; readonly topic: string; readonly reason: string }
  | { readonly _tag: "Notice"; readonly notice: N }
  | { readonly _tag: "Invalid"; readonly reason: string; readonly excerpt: string }

/**
 * How often a topic is expected to have data. A topic whose data is late, while other topics have data, is stale.
 *
 * - A duration (a plain number is in milliseconds): at least once in this time. Data is late after five times as long.
 * - `"adaptive"`: at the topic's average interval so far. Data is late after twenty times that interval, but not before 30
 *   seconds. The first data is late after two minutes. From then on, data is never late until it has come twenty times.
 * - `"exempt"`: no data is expected at any time. Data is never late.
 *
 * @since 0.1.0
 * @category models
 */
export type Cadence = Duration.DurationInput | "adaptive" | "exempt"

/**
 * A part of a text: from the index `start` to before the index `end`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * Reads the text messages of topics without parsing them whole.
 *
 * `parse` reads the first message of each topic. If the topic that it finds is exactly the text in the span, the session
 * calls only `data` for later messages with the same text in their span. `parse` reads all other messages: those of topics
 * without subscribers, those whose topic is escaped in the text, and binary ones.
 *
 * @example
 * ```ts
 * import type { SessionProtocol } from "holdfast"
 *
 * // "weather: text"
 * const topicText: SessionProtocol.TopicText<string> = {
 *   topicSpan: (text) => {
 *     const end = text.indexOf(": ")
 *     return end === -1 ? undefined : { start: 0, end }
 *   },
 *   data: (text) => text.slice(text.indexOf(": ") + 2)
 * }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface TopicText<A> {
  /** Finds the topic's name in a message of a topic. Undefined when only `parse` can read the message. */
  readonly topicSpan: (text: string) => Span | undefined
  /** Reads the same data as `parse`. It cannot reject an invalid message, so `A` has to express that. */
  readonly data: (text: string) => A
}

/**
 * A subscribe-and-acknowledge protocol. `A` is the data of a topic, `N` a notice to the client as a whole. The functions
 * must be pure. If `parse` or a function of `topicText` throws, the message counts as `Invalid`. If another function throws, the
 * session and its connection end.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionProtocol<A, N = never> {
  /** Writes the request to subscribe to these topics. The peer must answer with this id, or with none. */
  readonly subscribe: (topics: ReadonlyArray<string>, id: number) => Message
  /** Writes the request to unsubscribe from these topics. The peer must answer with this id, or with none. */
  readonly unsubscribe: (topics: ReadonlyArray<string>, id: number) => Message
  /**
   * Writes a request that the peer answers and that changes nothing. The session sends it when no message has come for half
   * the connection's `messageTimeout` and no topic is late by its cadence. Without a probe, the session cannot tell a peer
   * that has nothing to send from a dead one. Default: none.
   */
  readonly probe?: ((id: number) => Message) | undefined
  /** Parses a message of the peer. */
  readonly parse: (message: Message) => ServerMessage<A, N>
  /** A cheaper way to read the messages of topics. Default: `parse` reads every message. */
  readonly topicText?: TopicText<A> | undefined
  /** The most topics that one request may have. */
  readonly maxBatch: number
  /**
   * A connection sends at most `limit` requests in any `window` of time; a plain number for `window` is in milliseconds. Set
   * `limit` below the peer's limit if pings and pongs count too.
   */
  readonly pace: { readonly limit: number; readonly window: Duration.DurationInput }
  /** How often this topic is expected to have data. */
  readonly cadence: (topic: string) => Cadence
}
