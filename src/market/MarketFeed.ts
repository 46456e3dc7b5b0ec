/**
 * The market data of any venue, whole. Across all outages, events arrive once and in order, as the continuity of their stream
 * allows. A gap stands in the place of events that cannot be fetched.
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Connection from "../Connection.ts"
import type { ConnectionEvent } from "../ConnectionEvent.ts"
import type * as DialGate from "../DialGate.ts"
import * as Feed from "../internal/feed/feed.ts"
import type { Listenable } from "../Listenable.ts"
import type { Subscription } from "../Session.ts"
import type { SessionEvent } from "../SessionEvent.ts"
import type { Transport } from "../Transport.ts"
import type { InvalidMessage } from "./Decoder.ts"
import type { FeedError } from "./FeedError.ts"
import type { Ended, Gap, MarketEvent } from "./MarketEvent.ts"
import type { Difference, OrderBook } from "./OrderBook.ts"
import type { Kind, RestBudget, Venue } from "./Venue.ts"

/**
 * An event of a feed, or of one of its connections. `at` is Unix time in milliseconds.
 *
 * - `Connection`: an event of the connection with this name.
 * - `Session`: an event of the session on the connection with this name.
 * - `Repairing`: a repair that takes more than one request goes on: `fetched` events so far, with requests of this `weight`, and
 *   about `left` more, which take about `estimated` at this pace.
 * - `Repaired`: the feed fetched this many events that the sockets had missed, and emitted them in their place.
 * - `Gap`: events are missing and could not be fetched. The stream has the same gap.
 * - `BookCompared`: the feed compared the book of `symbol` with a new snapshot at the same update id. `levels` is the number of
 *   levels that it compared, and `differences` has those that differ: none if the book is right. After a difference, the book is
 *   stale for a moment, and goes on from the snapshot.
 * - `BookDropped`: a bound of the book of `symbol` made it drop `count` of its worst `levels`, or `count` of the oldest `updates` that
 *   waited, such as for a snapshot. It stays right: it shows less far, or takes a snapshot that has those updates.
 * - `InvalidMessage`: the feed skipped a message that does not fit its stream. `stream` is the name of the connection if the
 *   message belongs to no stream.
 * - `EventsDropped`: this reader fell behind; `count` events are missing before the next one.
 *
 * @since 0.1.0
 * @category models
 */
export type FeedEvent =
  | { readonly _tag: "Connection"; readonly connection: string; readonly event: ConnectionEvent }
  | { readonly _tag: "Session"; readonly connection: string; readonly event: SessionEvent }
  | {
    readonly _tag: "Repairing"
    readonly at: number
    readonly stream: string
    readonly fetched: number
    readonly left: number
    readonly estimated: Duration.Duration
    readonly weight: number
  }
  | { readonly _tag: "Repaired"; readonly at: number; readonly stream: string; readonly events: number }
  | { readonly _tag: "Gap"; readonly at: number; readonly gap: Gap }
  | {
    readonly _tag: "BookCompared"
    readonly at: number
    readonly symbol: string
    readonly lastUpdateId: number
    readonly levels: number
    readonly differences: ReadonlyArray<Difference>
  }
  | {
    readonly _tag: "BookDropped"
    readonly at: number
    readonly symbol: string
    readonly what: "levels" | "updates"
    readonly count: number
  }
  | { readonly _tag: "InvalidMessage"; readonly at: number; readonly stream: string; readonly error: InvalidMessage }
  | { readonly _tag: "EventsDropped"; readonly at: number; readonly count: number }

/**
 * A stream of market events. It subscribes when it is run, and unsubscribes when its last reader stops. Readers of the same
 * stream share it: the slowest reader sets the pace for all.
 *
 * @since 0.1.0
 * @category models
 */
export type Events<A extends MarketEvent> = Listenable<A | Gap, FeedError>

/**
 * Where a stream begins. By default, it begins with the first event that arrives. Otherwise the feed fetches the events of the past and
 * emits them first, and then those that arrive: none is missing between them, and none comes twice. `repairLimit`, `repairWeight` and
 * `repairTime` bound what is fetched; the rest is a gap. A stream whose value is out of range fails with a `ConfigError`.
 *
 * - `after`: the id of the last event that the reader already has, the last moment of the last closed candle, or the position of the
 *   last update. A whole number from 0.
 * - `since`: a moment, in the venue's unit. The stream begins with the first event at that moment or after it, or with the first candle
 *   that opens then. A whole number from 0.
 * - `last`: the number of events, or of closed candles, before the first that arrives. A whole number from 1.
 *
 * Updates of a book cannot be fetched: a gap comes first if some are missing. Where only the latest event matters, nothing is missing.
 *
 * @since 0.1.0
 * @category models
 */
export type From =
  | { readonly after?: number | undefined; readonly since?: undefined; readonly last?: undefined }
  | { readonly since: number; readonly after?: undefined; readonly last?: undefined }
  | { readonly last: number; readonly after?: undefined; readonly since?: undefined }

/**
 * A stream by its name, and where it begins.
 *
 * A name that the venue does not have fails at once with `StreamUnknown`. `unchecked` asks for it all the same, such as for a
 * stream that is newer than the adapter.
 *
 * @since 0.1.0
 * @category models
 */
export type StreamRequest =
  | string
  | ({ readonly name: string; readonly unchecked?: boolean | undefined } & From)

/**
 * Options of an order book.
 *
 * @since 0.1.0
 * @category models
 */
export interface BookOptions {
  /**
   * The levels a side that reads show. The feed requests snapshots twice as deep, of 500 levels at least, as far as the venue
   * allows. When a side has only a quarter of the additional levels left, the feed takes a new snapshot, while the book goes on.
   * Default: 500.
   */
  readonly levels?: number | undefined
  /**
   * The time between two audits, which compare the book with a new snapshot at the same update id. All audits of a feed take a
   * tenth of the venue's budget of requests at most, so they may come later. Default: the book is compared only when it takes a new
   * snapshot to reach deeper.
   */
  readonly audit?: Duration.DurationInput | undefined
  /** The time between two updates, as the venue writes it: one of its speeds. Default: the venue's choice. */
  readonly speed?: string | undefined
}

/**
 * A feed. It can read several streams as one, which has the events of all of them, in order within each stream. A stream that
 * is named twice is read once. Reading streams as one costs much less than reading each alone, since the reader wakes once per
 * batch. If one of several streams fails, the joint stream has {@link Ended} in its place, and goes on with the others; it fails
 * with the last. `MarketEvent.failOnEnded` fails it with the first.
 *
 * @since 0.1.0
 * @category models
 */
export interface MarketFeed {
  /** Reads streams by their names. Each is repaired as the continuity of its kind allows. */
  readonly stream: (streams: StreamRequest | ReadonlyArray<StreamRequest>) => Events<MarketEvent>
  /** Reads streams of one kind, with the type of its events. It leaves out events of other kinds. */
  readonly streamOf: {
    <A extends MarketEvent>(kind: Kind<A>, stream: StreamRequest): Events<A>
    <A extends MarketEvent>(kind: Kind<A>, streams: StreamRequest | ReadonlyArray<StreamRequest>): Events<A | Ended>
  }
  /**
   * Opens an order book; the feed keeps it equal to the venue's until the scope closes. Fails with a `ConfigError` if an option is
   * out of range. Dies if the venue has no order books.
   */
  readonly orderBook: (symbol: string, options?: BookOptions) => Effect.Effect<OrderBook, ConfigError.ConfigError, Scope.Scope>
  /**
   * Renews every connection: opens a successor, waits until the successor has proven itself on every stream, and only then
   * closes the old connection. If the successor does not prove itself in time, the old connection stays. Returns the number of
   * connections that were renewed.
   */
  readonly rotate: Effect.Effect<number>
  /** The events of the feed. It begins with the events that no reader has read yet, the latest 4,096 at most. */
  readonly events: Listenable<FeedEvent>
  /** Every subscription of every connection, with its status. */
  readonly subscriptions: Effect.Effect<ReadonlyArray<Subscription>>
  /** The name of the venue. */
  readonly source: string
  /** The connections that the feed has now. */
  readonly connections: Effect.Effect<ReadonlyArray<FeedConnection>>
  /** The hosts that the feed has dialled, as its dial gate knows them. Empty if the gate tells nothing. */
  readonly hosts: Effect.Effect<ReadonlyArray<DialGate.HostStatus>>
  /** How much of the budget of the venue's REST interface is used. Undefined: the venue does not tell. */
  readonly budget: Effect.Effect<RestBudget | undefined>
}

/**
 * A connection of a feed, by the name that it has in the events of the feed.
 *
 * @since 0.1.0
 * @category models
 */
export interface FeedConnection {
  readonly name: string
  readonly connection: Connection.Connection
  /** Its streams. */
  readonly streams: Effect.Effect<ReadonlyArray<StreamStatus>>
  /** Renews it, as `rotate` of the feed does for all. Returns whether it was renewed. */
  readonly rotate: Effect.Effect<boolean>
}

/**
 * The subscription of a stream on one connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface StreamStatus extends Subscription {
  /** The type of its events. */
  readonly kind: string
  /** Its symbol, or `""` for a stream of all symbols. */
  readonly symbol: string
}

/**
 * Options of a feed of any venue. A plain number for a duration is in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Options of every connection. Default: the defaults of {@link Connection.Options}. */
  readonly connection?: Omit<Connection.Options, "url" | "onOpen"> | undefined
  /**
   * The number of connections on which every stream runs at once. The first arrival of an event wins; only streams of the
   * continuity `Unknown` have the event once for each connection. Default: 1.
   */
  readonly redundancy?: number | undefined
  /** The age at which a connection is renewed. Each draws its own age, up to a tenth shorter. Default: 23 hours. */
  readonly maxAge?: Duration.DurationInput | undefined
  /**
   * The deadline for a successor to prove itself; after that, the old connection stays. Also the deadline for the old
   * connection to answer a last ping before it closes. Default: 30 seconds.
   */
  readonly renewalTimeout?: Duration.DurationInput | undefined
  /** The most streams on one connection. Default: the venue's limit. */
  readonly streamsPerConnection?: number | undefined
  /** The most events held for one stream while it repairs a gap, or while a reader is slow. Default: 8192. */
  readonly buffer?: number | undefined
  /**
   * The most events, or candles, fetched for one gap. Of a larger gap, the feed fetches the newest, so that nothing is missing
   * between them and what follows. Default: 1,000,000.
   */
  readonly repairLimit?: number | undefined
  /** The most weight of requests for one gap, in the venue's unit. It counts as `repairLimit` does. Default: no limit. */
  readonly repairWeight?: number | undefined
  /**
   * The time that fetching one gap may take. After that, the feed fetches only the newest events that are still missing. Default:
   * 10 minutes.
   */
  readonly repairTime?: Duration.DurationInput | undefined
  /**
   * Whether the feed fills periods without trades, of which the venue has no candle, with flat ones: `via: "fill"`, at the last
   * close, without volume. Default: false.
   */
  readonly fillCandles?: boolean | undefined
  /**
   * Whether the metrics of the feed have the label `market.symbol`. Every symbol then has metrics of its own, which are kept until
   * the process ends. Default: false.
   */
  readonly symbolLabels?: boolean | undefined
  /**
   * The time that another connection has to bring missing events before the feed fetches them. After a successor has proven
   * itself, the old connection stays open for at least the same time. Default: 500 milliseconds.
   */
  readonly grace?: Duration.DurationInput | undefined
}

/**
 * Makes a feed; it runs until the scope closes. It dials connections when streams are run. It fails with a `ConfigError` if an
 * option is out of range.
 *
 * Venues limit dials by address, so one feed should serve everything that a process reads from a venue. Several feeds keep within
 * one limit if they share a `DialGate`.
 *
 * @since 0.1.0
 * @category constructors
 * @example
 * ```ts
 * import * as Console from "effect/Console"
 * import * as Effect from "effect/Effect"
 * import * as Stream from "effect/Stream"
 * import type { Venue } from "holdfast/market"
 * import { MarketEvent, MarketFeed } from "holdfast/market"
 *
 * const watch = (venue: Venue.Venue) =>
 *   Effect.gen(function*() {
 *     const feed = yield* MarketFeed.make(venue, { redundancy: 2 })
 *     yield* Stream.runForEach(feed.stream(["trades:ABC", { name: "trades:XYZ", after: 1_000 }]), (event) =>
 *       MarketEvent.isGap(event)
 *         ? Console.log(`missing ${event.data.from} to ${event.data.to}`)
 *         : Console.log(event.symbol, event.data))
 *   }).pipe(Effect.scoped)
 * ```
 */
export const make = (
  venue: Venue,
  options: Options = {}
): Effect.Effect<MarketFeed, ConfigError.ConfigError, Transport | Scope.Scope> => Feed.make(venue, options)
