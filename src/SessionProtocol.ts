/**
 * Describes a subscribe-and-acknowledge protocol to a {@link Session}: its requests, its messages, and its rate limit.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Message } from "./Transport.ts"

/**
 * A message to send, or an effect that makes it, for example with a fresh token.
 *
 * @since 0.1.0
 * @category models
 */
export type Written = Message | Effect.Effect<Message, unknown>

/**
 * A message that the peer wants regularly, whether or not data flows. The session sends one each `interval` on every
 * connection. Heartbeats count in the protocol's `pace`.
 *
 * @since 0.1.0
 * @category models
 * @example
 * ```ts
 * import type { SessionProtocol } from "holdfast"
 *
 * const heartbeat: SessionProtocol.Heartbeat = {
 *   interval: "15 seconds",
 *   message: "ping",
 *   isAnswer: (message) => message === "pong"
 * }
 * ```
 */
export interface Heartbeat {
  /** The time from one heartbeat to the next, longer than zero. A plain number is in milliseconds. */
  readonly interval: Duration.DurationInput
  /** The heartbeat. An effect runs for each. One that fails, or takes longer than `timeout`, is logged and left out. */
  readonly message: Written
  /**
   * Recognises the answer to a heartbeat. Such a message does not reach `parse`. Default: no answer is expected, and every
   * message reaches `parse`.
   */
  readonly isAnswer?: ((message: Message) => boolean) | undefined
  /**
   * The longest time from a heartbeat to its answer. A connection whose peer does not answer in time ends with
   * `ConnectionTimeout`, deadline `heartbeat`, even if data flows. While a slow reader suspends reading, or a large message
   * is still arriving, the deadline starts anew. Default: 10 seconds.
   */
  readonly timeout?: Duration.DurationInput | undefined
}

/**
 * A message of the peer, parsed.
 *
 * - `Data`: data of a topic.
 * - `Acknowledged`, `Refused`: the answer to a request. The session has one request under way at a time. It ignores an
 *   answer with the `id` of another request. An answer without an `id` belongs to the request under way. An answer with
 *   `topics` settles only those topics of the request; one without `topics` settles all of them. A `Refused` for no
 *   request settles the topics that it names; if it names none, the session records it as `Invalid`.
 * - `Refused` for a request to subscribe fails its topics. When it has no `topics`, the peer may mean any topic of the
 *   request: the session requests each half again until it has found the refused topic.
 * - `Refused` with `retry` is temporary: the session repeats the request after that time, or at once on its next
 *   connection. A `retry` that never ends, or that is no duration, counts as none.
 * - `Refused` for a topic that has had data on this connection changes nothing: the data shows that it is subscribed. A topic
 *   that the peer had acknowledged, or sent data of, earlier in this session is requested again after 1, 2, 4, 8 and 16
 *   seconds, and ends with the next refusal.
 * - `Dropped`: the peer has ended the subscription of a topic. The session requests it again, as after such a refusal. When
 *   the topic is subscribed again, its readers get a gap.
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
 * How often a topic usually has data. It is no promise: a topic may have nothing to say. When data is late, while other topics
 * have data, the session subscribes to the topic again, ever more rarely until data comes. If it can ask for the topic's
 * activity, it does so only if that proves that data is missing.
 *
 * - A duration (a plain number is in milliseconds): about once in this time. Data is late after five times as long.
 * - `"adaptive"`: at the topic's average interval so far. Data is late after twenty times that interval, but not before 30
 *   seconds. Until data has come twenty times, it is late after two minutes.
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
 * must be pure. If `parse`, `isAnswer` or a function of `topicText` throws, the message counts as `Invalid`. If `subscribe` or
 * `unsubscribe` throws, the request fails, as when its effect fails. If another function throws, the session and its
 * connection end with a defect, `SessionDefect`.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionProtocol<A, N = never> {
  /**
   * Writes the request to subscribe to these topics. The peer must answer with this id, or with none.
   *
   * An effect runs anew for each request, and may take as long as the session's `answerTimeout`. When it fails, the session
   * records `RequestFailed` and tries again after 1, 2, 4, 8 and 16 seconds, several topics in halves. A topic that has never
   * been subscribed then fails with `SubscriptionUnavailable`; others are tried again each minute.
   */
  readonly subscribe: (topics: ReadonlyArray<string>, id: number) => Written
  /**
   * Writes the request to unsubscribe from these topics. The peer must answer with this id, or with none. An effect is treated
   * as that of `subscribe`, and is tried again until it succeeds.
   */
  readonly unsubscribe: (topics: ReadonlyArray<string>, id: number) => Written
  /**
   * Whether the peer answers requests. With `"none"`, a topic counts as acknowledged once its request is sent, and data proves
   * it. Default: `"expected"`.
   */
  readonly acknowledgements?: "expected" | "none" | undefined
  /** What the peer wants to get regularly, whether or not data flows. Default: none. */
  readonly heartbeat?: Heartbeat | undefined
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
