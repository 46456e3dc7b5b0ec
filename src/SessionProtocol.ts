/**
 * What a {@link Session} must know of a subscribe-and-acknowledge protocol: how to ask, what the answers mean, and how
 * fast it may ask.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type { Message } from "./Transport.ts"

/**
 * What a message means to the session.
 *
 * - `Data`: data of a topic.
 * - `Acknowledged`, `Refused`: the answer to a request. With an `id`, it answers that request, and is ignored when
 *   another is under way; without one, it answers the request under way. Where it names `topics`, it settles these of
 *   the request, and the others go on waiting for their answer; else it settles all.
 * - `Refused` without `topics` may mean any topic of the request: the session finds which by asking for halves of it.
 *   With `retry`, the refusal is for the moment: the session asks again after so long, or at once on its next
 *   connection. Without, the subscription fails.
 * - `Notice`: something the peer says to the client as a whole, such as that the server goes away.
 * - `Invalid`: a message that the protocol does not know. The session records it, and goes on.
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
  | { readonly _tag: "Notice"; readonly notice: N }
  | { readonly _tag: "Invalid"; readonly reason: string; readonly excerpt: string }

/**
 * How often a topic is expected to have data: at least once in this time, as often as it had so far (`"adaptive"`; two
 * minutes for the first data), or never (`"exempt"`).
 *
 * @since 0.1.0
 * @category models
 */
export type Cadence = Duration.DurationInput | "adaptive" | "exempt"

/**
 * A part of a text: from the index `start` up to the index `end`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * How to read the text frames of topics without parsing them.
 *
 * `parse` reads the first frame of each topic. When the topic that it finds is what stands in the span, the session
 * takes every later frame with the same name there for a frame of that topic, and asks for its `data` alone. All other
 * frames go to `parse`: of topics that nobody wants, of names that are written otherwise than they are (escaped), of
 * bytes.
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
  /** Where the name of the topic stands in a frame of a topic; undefined when `parse` has to say what the text is. */
  readonly topicSpan: (text: string) => Span | undefined
  /** The data of the frame, as `parse` gives it. Where `parse` would find the frame invalid, that is left to `A` to say. */
  readonly data: (text: string) => A
}

/**
 * A subscribe-and-acknowledge protocol. `A` is the data of a topic, `N` what the peer says to the client as a whole. All
 * functions are pure and total.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionProtocol<A, N = never> {
  /** The request to subscribe to topics, to be answered with this id. */
  readonly subscribe: (topics: ReadonlyArray<string>, id: number) => Message
  /** The request to unsubscribe from topics, to be answered with this id. */
  readonly unsubscribe: (topics: ReadonlyArray<string>, id: number) => Message
  /**
   * A request that changes nothing and is answered. It is sent when nothing came for half the connection's
   * `messageTimeout`, and no topic is overdue by its cadence: without it a quiet peer looks just like a dead one.
   * Default: nothing is sent.
   */
  readonly probe?: ((id: number) => Message) | undefined
  /** What a message means. */
  readonly parse: (message: Message) => ServerMessage<A, N>
  /** Reads the frames of topics for less than `parse` does. Default: `parse` reads every message. */
  readonly topicText?: TopicText<A> | undefined
  /** Topics in one request, at most. */
  readonly maxBatch: number
  /** Requests of one connection in any stretch of `window`: the peer's limit, less a reserve for pings and pongs. */
  readonly pace: { readonly limit: number; readonly window: Duration.DurationInput }
  /** How often a topic is expected to have data. */
  readonly cadence: (topic: string) => Cadence
}
