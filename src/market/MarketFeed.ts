/**
 * The market data of any venue, whole: every event once and in order across every outage, and a gap in its place where that
 * cannot be had.
 *
 * @since 0.1.0
 */
import type * as ConfigError from "effect/ConfigError"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Connection from "../Connection.ts"
import type { ConnectionEvent } from "../ConnectionEvent.ts"
import * as Feed from "../internal/feed/feed.ts"
import type { Listenable } from "../Listenable.ts"
import type { Subscription } from "../Session.ts"
import type { SessionError } from "../SessionError.ts"
import type { SessionEvent } from "../SessionEvent.ts"
import type { Transport } from "../Transport.ts"
import type { InvalidMessage } from "./Decoder.ts"
import type { Gap, MarketEvent } from "./MarketEvent.ts"
import type { OrderBook } from "./OrderBook.ts"
import type { Kind, Venue } from "./Venue.ts"

/**
 * Something that happened in a feed. `at` is in milliseconds since the epoch.
 *
 * - `Connection`: to one of its connections, by its name.
 * - `Session`: to the subscriptions of one of its connections.
 * - `Repaired`: so many events that the sockets had missed were fetched, and stand in their place in the stream.
 * - `Gap`: something is missing that could not be fetched. The same stands in the stream.
 * - `InvalidMessage`: a frame is not what its stream (or, where it names none, its connection) promises. It was skipped.
 * - `EventsDropped`: this reader fell behind, and this many events before the next one are missing.
 *
 * @since 0.1.0
 * @category models
 */
export type FeedEvent =
  | { readonly _tag: "Connection"; readonly connection: string; readonly event: ConnectionEvent }
  | { readonly _tag: "Session"; readonly connection: string; readonly event: SessionEvent }
  | { readonly _tag: "Repaired"; readonly at: number; readonly stream: string; readonly events: number }
  | { readonly _tag: "Gap"; readonly at: number; readonly gap: Gap }
  | { readonly _tag: "InvalidMessage"; readonly at: number; readonly stream: string; readonly error: InvalidMessage }
  | { readonly _tag: "EventsDropped"; readonly at: number; readonly count: number }

/**
 * A stream of market events. It subscribes when it is run, and unsubscribes when its last reader stops. Those who read
 * the same stream share it: the slowest decides its pace.
 *
 * @since 0.1.0
 * @category models
 */
export type Events<A extends MarketEvent> = Listenable<A | Gap, SessionError>

/**
 * A stream by its name. With `after`, it goes on from there: from the id of the last event that is known from before, or the
 * last moment of the last closed candle. What has happened since is fetched and comes first.
 *
 * @since 0.1.0
 * @category models
 */
export type StreamRequest = string | { readonly name: string; readonly after?: number | undefined }

/**
 * The feed. Of several streams, one has the events of all: each stream's in their order, and none twice. It costs much less
 * than reading each alone, since its reader wakes once for all that came at once. It fails with the first that fails.
 *
 * @since 0.1.0
 * @category models
 */
export interface MarketFeed {
  /** The streams of these names, followed as their kinds allow. */
  readonly stream: (streams: StreamRequest | ReadonlyArray<StreamRequest>) => Events<MarketEvent>
  /** The same of streams that are of this kind: what is of another kind is left out. */
  readonly streamOf: <A extends MarketEvent>(kind: Kind<A>, streams: StreamRequest | ReadonlyArray<StreamRequest>) => Events<A>
  /**
   * A book that is kept right for as long as the scope lives. `levels` (default 1000; at most what the venue allows) is how
   * deep its snapshots are. Dies where the venue has no books.
   */
  readonly orderBook: (
    symbol: string,
    options?: { readonly levels?: number | undefined }
  ) => Effect.Effect<OrderBook, never, Scope.Scope>
  /**
   * Renews every connection: opens a successor, waits until each stream has come over it, and only then closes the old
   * one. Gives back how many were renewed; one whose successor does not prove itself in time is
   * kept.
   */
  readonly rotate: Effect.Effect<number>
  /** What happens. It begins with the latest events nobody has read yet. */
  readonly events: Listenable<FeedEvent>
  /** Every subscription of every connection, and where it stands. */
  readonly subscriptions: Effect.Effect<ReadonlyArray<Subscription>>
}

/**
 * What a feed can be told, whatever the venue.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Of every connection. Default: {@link Connection.Options}. */
  readonly connection?: Omit<Connection.Options, "url" | "onOpen"> | undefined
  /** On how many connections every stream runs at once; the first arrival wins. Default: 1. */
  readonly redundancy?: number | undefined
  /** How old a connection gets before it is renewed; each draws its own age, up to a tenth less. Default: 23 hours. */
  readonly maxAge?: Duration.DurationInput | undefined
  /** How long a successor may take to prove itself before the old connection is kept. Default: 30 seconds. */
  readonly renewalTimeout?: Duration.DurationInput | undefined
  /** Streams of one connection. Default: what the venue allows. */
  readonly streamsPerConnection?: number | undefined
  /** Events held for one stream while it repairs, or while its reader is slow. Default: 8192. */
  readonly buffer?: number | undefined
  /** Events fetched for one gap, at most. Default: 100,000. */
  readonly repairLimit?: number | undefined
  /** How long another line may take to bring what one has missed, before it is fetched. Default: 500 milliseconds. */
  readonly grace?: Duration.DurationInput | undefined
}

/**
 * Makes a feed that lives as long as the scope. Connections are dialled when streams are run.
 *
 * Venues count dials by address, so one feed should serve all that a process wants of a venue. Where there must be several, a
 * `DialGate` provided to all of them keeps their dials within one limit.
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
