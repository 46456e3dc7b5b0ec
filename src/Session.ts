/**
 * Subscriptions that survive: the set of topics that is wanted is state, and what is live on the wire follows it.
 *
 * A session owns a connection and speaks a subscribe-and-acknowledge protocol over it. Whenever the connection opens,
 * everything still wanted is subscribed anew, paced within the venue's limit. It compares what is wanted with what is
 * on the wire and never replays a queue, so nothing multiplies with reconnects.
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Connection from "./Connection.ts"
import type { ConnectionError, NotConnected } from "./ConnectionError.ts"
import type * as Frame from "./Frame.ts"
import { connect } from "./internal/connection/connect.ts"
import { manage } from "./internal/session/session.ts"
import { inWords } from "./internal/time/durationText.ts"
import type { Listenable } from "./Listenable.ts"
import type { Message, Transport } from "./Transport.ts"

/**
 * The peer refused a subscription. Others are not harmed.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubscriptionRefused extends Data.TaggedError("SubscriptionRefused")<{
  readonly topic: string
  /** What the peer said. */
  readonly reason: string
}> {
  override get message(): string {
    return `The subscription to ${this.topic} was refused: ${this.reason}.`
  }
}

/**
 * A subscription stayed silent while others had data, and subscribing it again did not help. It may not exist.
 *
 * @since 0.1.0
 * @category errors
 */
export class SubscriptionStale extends Data.TaggedError("SubscriptionStale")<{
  readonly topic: string
  readonly silentFor: Duration.Duration
}> {
  override get message(): string {
    return `The subscription to ${this.topic} has been silent for ${inWords(this.silentFor)} while others had data.`
  }
}

/**
 * How a subscription can end.
 *
 * @since 0.1.0
 * @category errors
 */
export type SessionError = ConnectionError | SubscriptionRefused | SubscriptionStale

/**
 * What a message means to the session.
 *
 * - `Data`: it belongs to a topic.
 * - `Acknowledged`, `Refused`: the answer to a request. Without an `id`, it answers the request under way.
 * - `Notice`: something the protocol says to the client as a whole, such as that the server goes away.
 * - `Invalid`: nothing the protocol knows. It is counted and logged, and never fatal.
 *
 * @since 0.1.0
 * @category models
 */
export type Incoming<A, N> =
  | { readonly _tag: "Data"; readonly topic: string; readonly data: A }
  | { readonly _tag: "Acknowledged"; readonly id: number }
  | { readonly _tag: "Refused"; readonly id: number | undefined; readonly reason: string }
  | { readonly _tag: "Notice"; readonly notice: N }
  | { readonly _tag: "Invalid"; readonly reason: string; readonly excerpt: string }

/**
 * How often a topic is expected to speak: at least once in so long, as often as it has been seen to (`"adaptive"`; two
 * minutes for the first data), or nothing is expected of it (`"exempt"`).
 *
 * @since 0.1.0
 * @category models
 */
export type Cadence = Duration.DurationInput | "adaptive" | "exempt"

/**
 * A topic that somebody wants.
 *
 * @since 0.1.0
 * @category models
 */
export interface Wanted {
  /** When nobody does any more, it is found no more: what is wanted later is another. */
  readonly isWanted: boolean
}

/**
 * What a protocol's own reader does with a message. The data of a topic goes to `hear`, with what `find` gave for the
 * topic, which may be kept as long as it `isWanted`; what turns out to be invalid only when the data is read may go there as
 * well. All else goes to `take`, and so does data of which `find` says that nobody wants it.
 *
 * @example
 * ```ts
 * import { Session } from "holdfast"
 *
 * // "a: text" is data of the topic a, which is looked up once for as long as somebody wants it.
 * const reader = <Topic extends Session.Wanted>({ find, hear, take }: Session.Reading<string, never, Topic>) => {
 *   const topics = new Map<string, Topic | undefined>()
 *   return (message: string | Uint8Array) => {
 *     const [name = "", data = ""] = String(message).split(": ")
 *     if (topics.get(name)?.isWanted !== true) topics.set(name, find(name))
 *     const topic = topics.get(name)
 *     if (topic === undefined) take({ _tag: "Data", topic: name, data })
 *     else hear(topic, data)
 *   }
 * }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Reading<A, N, Topic extends Wanted> {
  readonly find: (topic: string) => Topic | undefined
  readonly hear: (topic: Topic, data: A) => void
  readonly take: (incoming: Incoming<A, N>) => void
}

/**
 * A subscribe-and-acknowledge protocol. Its functions are pure, and total; what `reader` makes may keep what it learns.
 *
 * @since 0.1.0
 * @category models
 */
export interface Protocol<A, N = never> {
  /** The request to subscribe to topics, to be answered with this id. */
  readonly subscribe: (topics: ReadonlyArray<string>, id: number) => Message
  readonly unsubscribe: (topics: ReadonlyArray<string>, id: number) => Message
  /**
   * A request that changes nothing and is answered. It is sent when nothing came for half the connection's
   * `messageTimeout`, and no topic is overdue by its cadence: without it a quiet market looks just like a dead peer.
   * Default: nothing is sent.
   */
  readonly probe?: ((id: number) => Message) | undefined
  readonly parse: (message: Message) => Incoming<A, N>
  /**
   * Makes what reads a session's messages, one after another, for protocols that can do so for less than `parse` does:
   * it does with each what {@link Reading} says. Default: it parses each.
   */
  readonly reader?: (<Topic extends Wanted>(reading: Reading<A, N, Topic>) => (message: Message) => void) | undefined
  /** Topics in one request, at most. */
  readonly maxBatch: number
  /** Requests of one connection in any stretch of `window`: the venue's limit, less a reserve for pings and pongs. */
  readonly pace: { readonly limit: number; readonly window: Duration.DurationInput }
  readonly cadence: (topic: string) => Cadence
}

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
 * Something that happened to subscriptions. `at` is in milliseconds since the epoch.
 *
 * @since 0.1.0
 * @category models
 */
export type SessionEvent = Data.TaggedEnum<{
  readonly Requested: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly Acknowledged: { readonly at: number; readonly topics: ReadonlyArray<string> }
  /** No answer came in time: they are asked for again. */
  readonly Unanswered: { readonly at: number; readonly topics: ReadonlyArray<string> }
  readonly Refused: { readonly at: number; readonly error: SubscriptionRefused }
  readonly Live: { readonly at: number; readonly topic: string }
  /** It fell silent while others did not; `remedy` is what is done about it. */
  readonly Stale: {
    readonly at: number
    readonly topic: string
    readonly silentFor: Duration.Duration
    readonly remedy: "resubscribe" | "relocate" | "fail"
  }
  readonly Released: { readonly at: number; readonly topics: ReadonlyArray<string> }
  /** A message that the protocol does not know. */
  readonly Invalid: { readonly at: number; readonly reason: string; readonly excerpt: string }
  /** This reader fell behind, and this many events before the next one are missing. */
  readonly EventsDropped: { readonly at: number; readonly count: number }
}>

/**
 * Constructors, matchers and guards of {@link SessionEvent}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const SessionEvent = Data.taggedEnum<SessionEvent>()

/**
 * What came for a topic, with the places where something may be missing.
 *
 * @since 0.1.0
 * @category models
 */
export type Item<A> = { readonly _tag: "Data"; readonly data: A } | Frame.Gap

/**
 * Hears what comes for a topic, as it comes: `data` gets everything that came at once. Nothing here may wait or throw.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener<A> {
  readonly data: (batch: ReadonlyArray<A>) => void
  readonly gap: (gap: Frame.Gap) => void
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
  ) => Listenable<Item<A>, SessionError>
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
 * What a session can be told.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options<A, N = never> {
  readonly connection: Connection.Options
  readonly protocol: Protocol<A, N>
  /**
   * How long an answer to a request may take. Default: 5 seconds. After three requests in a row without one, or three
   * refusals to unsubscribe, the connection is dropped.
   */
  readonly answerTimeout?: Duration.DurationInput | undefined
  /** Hears what the protocol says to the client as a whole. It must not wait or throw. Default: nobody does. */
  readonly onNotice?: ((notice: N) => void) | undefined
  /**
   * Takes a topic that stays silent although it was subscribed again to another socket. Says whether it could.
   * Default: nobody does.
   */
  readonly relocate?: ((topic: string) => boolean) | undefined
  /** Whether data has come over other sockets since then. Default: only this one is looked at. */
  readonly othersFlow?: ((since: number) => Effect.Effect<boolean>) | undefined
  /**
   * Asked about a topic whose first data does not come: whether the peer knows it. If not, it fails at once. If so, or
   * by default, one with a fixed cadence fails in the end, and others go on waiting.
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
 * import { Session } from "holdfast"
 * import * as NodeTransport from "holdfast/NodeTransport"
 *
 * // A server that is told "+topic" and "-topic", answers "ok id" and sends "topic text".
 * const protocol: Session.Protocol<string> = {
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
