/**
 * A venue, as an adapter describes it to a {@link MarketFeed.make | feed}: one value with everything that differs from one
 * venue to another.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Connection from "../Connection.ts"
import type * as DialGate from "../DialGate.ts"
import type { Classify } from "../FailureClass.ts"
import type { SessionProtocol } from "../SessionProtocol.ts"
import type { Message } from "../Transport.ts"
import type { Continuity } from "./Continuity.ts"
import type { Decoder } from "./Decoder.ts"
import type { StreamUnknown } from "./FeedError.ts"
import type { MarketEvent } from "./MarketEvent.ts"
import type { RestError } from "./RestError.ts"
import type * as OrderBook from "./OrderBook.ts"

/**
 * A kind of stream: one row of a venue's table.
 *
 * @since 0.1.0
 * @category models
 */
export interface Kind<A extends MarketEvent = MarketEvent> {
  /** The `type` of its events. No other kind of the venue has it. */
  readonly type: A["type"]
  /** How its streams show losses, and what repairs them. */
  readonly continuity: Continuity<A>
  /** Makes the decoder of a stream of this kind, given its name and symbol. */
  readonly decoder: (stream: string, symbol: string) => Decoder<A>
}

/**
 * A stream, as its name describes it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stream<A extends MarketEvent = MarketEvent> {
  /** The topic to subscribe to: one topic for all spellings of a stream's name. */
  readonly name: string
  /** The symbol as the venue's events write it, or `""` for a stream of all symbols. */
  readonly symbol: string
  /** Streams of one group share connections. */
  readonly group: string
  readonly kind: Kind<A>
}

/**
 * How to keep the venue's order books: the feed takes a snapshot, and applies the updates of a stream to it. A venue serves
 * snapshots on request (`snapshot`), or sends one with the updates whenever the stream is subscribed, even if it already was
 * (`snapshotOf` of the rules), or both.
 *
 * @since 0.1.0
 * @category models
 */
export interface Books<Diff extends object = object> {
  /** The stream with the updates of a symbol's book, at one of the `speeds`. Default of `speed`: the adapter's choice. */
  stream(symbol: string, speed?: string): Stream<MarketEvent<Diff>>
  /** The speeds of the updates, as the venue writes them. Default: it has no choice. */
  readonly speeds?: ReadonlyArray<string> | undefined
  /** The rules that apply updates to a snapshot. */
  readonly rules: OrderBook.Rules<Diff>
  /** The depth of snapshots, in levels a side, that the venue allows for the requested depth. It may be less. */
  readonly levels: (requested: number) => number
  /**
   * Fetches a snapshot with this many levels a side. Default: snapshots come only with the updates. The feed then subscribes again
   * when it needs one.
   */
  readonly snapshot?: ((symbol: string, levels: number) => Effect.Effect<OrderBook.Snapshot, RestError>) | undefined
  /**
   * The share of the requests that the venue allows in a minute that a snapshot with this many levels takes, from 0 to 1. All audits
   * of a feed together take a tenth at most. Default: a hundredth.
   */
  readonly share?: ((levels: number) => number) | undefined
}

/**
 * How to tell whether a silent stream should have spoken. A stream whose count grows while no data comes is dead: the feed
 * subscribes again, then moves it to another connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Activity {
  /** The key under which a stream's activity is counted, such as its symbol. Undefined: no count says when it speaks. */
  readonly keyOf: (stream: Stream) => string | undefined
  /**
   * Fetches a count for each of these keys that grows whenever the streams of the key have data, such as the id of the latest
   * trade. Keys that the venue does not know are left out. The feed asks at most every few seconds, for all silent streams at
   * once: the weight of a request must not grow with the number of keys beyond a bound.
   */
  readonly counts: (keys: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, number>, RestError>
}

/**
 * Where to dial a connection, and how. All other options of the connection come from the options of the feed.
 *
 * @since 0.1.0
 * @category models
 */
export type Endpoint = Pick<Connection.Options, "url" | "protocols" | "headers" | "onOpen">

/**
 * How much of what a venue allows its REST interface has used.
 *
 * @since 0.1.0
 * @category models
 */
export interface RestBudget {
  /** The weight of the requests of the last minute, in the venue's unit. */
  readonly used: number
  /** The most weight of a minute that the adapter allows itself. */
  readonly limit: number
  /** The time for which no request is sent, because the venue asked for it. Zero if requests may be sent. */
  readonly heldFor: Duration.Duration
}

/**
 * The limits of a venue.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** The most topics on one connection. */
  readonly topicsPerConnection: number
  /** How often a host may be dialled. Default: the defaults of {@link DialGate.Options}. */
  readonly dials?: DialGate.Options | undefined
}

/**
 * A venue. The adapter makes the clients that the functions use, such as one of the REST interface, before it makes this
 * value.
 *
 * @since 0.1.0
 * @category models
 */
export interface Venue {
  /** The `source` of its events. */
  readonly name: string
  /** The protocol of the venue's connections. The data of a topic is its messages, not decoded. */
  readonly protocol: SessionProtocol<Message, unknown>
  /** Where to dial the connections of a group of streams. */
  readonly endpoint: (group: string) => Endpoint
  /**
   * The stream with this name. It must take every name: one that the adapter does not know has the continuity `Unknown`. `check`
   * decides which names a feed asks for.
   */
  readonly stream: (name: string) => Stream
  /** Why there is no stream of this name, as far as the name itself tells. Undefined: there may be one. Default: there may be. */
  readonly check?: ((name: string) => StreamUnknown | undefined) | undefined
  /**
   * Looks a stream up in what the venue lists. Undefined: it is listed, or the list does not tell. The feed looks up streams that
   * have had no data some seconds after they were subscribed; it asks again later if this fails. The adapter should fetch the list
   * once for all. Default: streams are not looked up.
   */
  readonly lookUp?: ((stream: Stream) => Effect.Effect<StreamUnknown | undefined, RestError>) | undefined
  /**
   * Whether the venue knows a stream that has no data although it is subscribed. A stream that the venue does not know fails at
   * once. Default: the venue knows every stream.
   */
  readonly isKnown?: ((stream: Stream) => Effect.Effect<boolean>) | undefined
  /** The activity of streams. Default: it cannot be told, so that silence proves nothing. */
  readonly activity?: Activity | undefined
  /** Whether a notice says that its connection ends soon. The feed then renews the connection. Default: no notice does. */
  isEnding?(notice: unknown): boolean
  /** How much of the budget of its REST interface is used. Default: it is not told. */
  readonly budget?: Effect.Effect<RestBudget> | undefined
  /** The venue's order books. Default: it has none. */
  readonly books?: Books | undefined
  /** The class of a failure, where this venue differs from the standard table. Default: the standard table. */
  readonly classify?: Classify | undefined
  /** The limits that the feed keeps to. */
  readonly limits: Limits
}
