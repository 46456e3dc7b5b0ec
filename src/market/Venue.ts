/**
 * What a venue must say, to be read by a {@link MarketFeed.make | feed}: one value, in which everything that one venue does
 * differently from another has its place.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Connection from "../Connection.ts"
import type * as DialGate from "../DialGate.ts"
import type { Classify } from "../FailureClass.ts"
import type { SessionProtocol } from "../SessionProtocol.ts"
import type { Message } from "../Transport.ts"
import type { Continuity } from "./Continuity.ts"
import type { Decoder } from "./Decoder.ts"
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
  /** As its events call it, and no other kind's do. */
  readonly type: A["type"]
  /** How its events hang together. */
  readonly continuity: Continuity<A>
  /** Makes the decoder of a stream of this kind, given its name and symbol. */
  readonly decoder: (stream: string, symbol: string) => Decoder<A>
}

/**
 * A stream, as its name says it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stream<A extends MarketEvent = MarketEvent> {
  /** The topic to subscribe to. Names that mean the same stream give the same topic. */
  readonly name: string
  /** The symbol as the venue's events write it, or `""` where the stream is about all of them. */
  readonly symbol: string
  /** Streams of one group share connections. */
  readonly group: string
  readonly kind: Kind<A>
}

/**
 * How the venue's order books are kept: a snapshot is asked for, and the updates of a stream are applied to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Books<Diff extends object = object> {
  /** The stream of a book's updates. */
  stream(symbol: string): Stream<MarketEvent<Diff>>
  readonly rules: OrderBook.Rules<Diff>
  /** How many levels a side a snapshot is asked for with, to have so many: what the venue allows, which may be fewer. */
  readonly levels: (requested: number) => number
  /** A snapshot of so many levels a side. */
  readonly snapshot: (symbol: string, levels: number) => Effect.Effect<OrderBook.Snapshot, RestError>
}

/**
 * Where connections are dialled, and what each says first. The feed's own options decide about the rest.
 *
 * @since 0.1.0
 * @category models
 */
export type Endpoint = Pick<Connection.Options, "url" | "protocols" | "headers" | "onOpen">

/**
 * What the venue allows.
 *
 * @since 0.1.0
 * @category models
 */
export interface Limits {
  /** Topics of one connection, at most. */
  readonly topicsPerConnection: number
  /** How often a host may be dialled. Default: {@link DialGate.Options}. */
  readonly dials?: DialGate.Options | undefined
}

/**
 * A venue. Clients that it needs, such as one for its REST interface, are made before it and used by its functions.
 *
 * @since 0.1.0
 * @category models
 */
export interface Venue {
  /** The `source` of its events. */
  readonly name: string
  /** How subscriptions are asked for, and answered. The data of a topic are its frames, as they came. */
  readonly protocol: SessionProtocol<Message, unknown>
  /** Where the connections of a group of streams are dialled. */
  readonly endpoint: (group: string) => Endpoint
  /** What a name means. Every name is some stream's: what nobody knows has the continuity `Unknown`. */
  readonly stream: (name: string) => Stream
  /**
   * Whether the venue knows a stream that stays silent although it was subscribed. One that it does not know fails at once.
   * Default: it does.
   */
  readonly isKnown?: ((stream: Stream) => Effect.Effect<boolean>) | undefined
  /** Whether a notice says that its connection ends soon: it is replaced before that. Default: none does. */
  isEnding?(notice: unknown): boolean
  /** Default: there are no order books. */
  readonly books?: Books | undefined
  /** What a failure calls for, where this venue differs from the standard. */
  readonly classify?: Classify | undefined
  readonly limits: Limits
}
