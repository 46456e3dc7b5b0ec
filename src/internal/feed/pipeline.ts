// A stream on its way from the sockets to its readers: the part that is the same for every continuity.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Decoder, InvalidMessage } from "../../market/Decoder.ts"
import type { FeedError } from "../../market/FeedError.ts"
import * as MarketEvent from "../../market/MarketEvent.ts"
import type { FeedEvent } from "../../market/MarketFeed.ts"
import type { Stream } from "../../market/Venue.ts"
import type { Message } from "../../Transport.ts"
import type { Pool } from "../pool/pool.ts"
import type { Listener } from "../pool/coverage.ts"
import type * as Broadcast from "../stream/broadcast.ts"
import type { Limits, Progress } from "./repair.ts"
import type { MissingRange } from "./missingRange.ts"

/** Broadcasts the events of a stream to its readers. */
export type EventBroadcast = Broadcast.Broadcast<MarketEvent.MarketEvent, FeedError>

/** The part of a feed that all its pipelines share. */
export interface Shared {
  /** The venue's name. */
  readonly source: string
  readonly pool: Pool<Message>
  readonly now: () => number
  readonly record: (event: FeedEvent) => void
  /** Reports an invalid message of a stream. */
  readonly skip: (stream: string) => (error: InvalidMessage) => void
  /** The most events held for one stream while it repairs a gap, or while a reader is slow. */
  readonly capacity: number
  /** The limits of fetching one gap. */
  readonly repair: Limits
  /** Whether periods without trades are filled with flat candles. */
  readonly fillCandles: boolean
  /** The time that another connection has to bring missing events before they are fetched. */
  readonly grace: Duration.Duration
}

/** Makes a gap in a stream. */
export const gapOf = (
  { now, source }: Pick<Shared, "now" | "source">,
  { name, symbol }: Pick<Stream, "name" | "symbol">,
  cause: MarketEvent.GapCause,
  from?: number,
  to?: number
): MarketEvent.Gap => ({ source, symbol, type: "gap", data: { stream: name, from, to, cause }, timestamp: now(), via: "ws" })

export class Pipeline<A extends MarketEvent.MarketEvent> {
  readonly shared: Shared
  readonly stream: Stream<A>
  /** The id, or the last moment, of the last event that the reader already has. */
  readonly after: number | undefined
  readonly broadcast: EventBroadcast
  readonly decoder: Decoder<A>
  readonly onInvalid: (error: InvalidMessage) => void

  constructor(shared: Shared, stream: Stream<A>, after: number | undefined, broadcast: EventBroadcast) {
    this.shared = shared
    this.stream = stream
    this.after = after
    this.broadcast = broadcast
    this.decoder = stream.kind.decoder(stream.name, stream.symbol)
    this.onInvalid = shared.skip(stream.name)
  }

  listen(listener: Listener<Message>): Effect.Effect<void, never, Scope.Scope> {
    return this.shared.pool.listen(this.stream.group, this.stream.name, listener)
  }

  decode(messages: ReadonlyArray<Message>): ReadonlyArray<A> {
    return this.decoder.all(messages, this.shared.now(), this.onInvalid)
  }

  /** Whether more than one connection may bring the stream now. */
  isRedundant(): boolean {
    return this.shared.pool.isRedundant(this.stream.name)
  }

  /** Makes a gap and records it in the feed's events. The caller emits it in its place. */
  gap(cause: MarketEvent.GapCause, from?: number, to?: number): MarketEvent.Gap {
    const { now, record } = this.shared
    const gap = gapOf(this.shared, this.stream, cause, from, to)
    record({ _tag: "Gap", at: now(), gap })
    return gap
  }

  emit(events: ReadonlyArray<MarketEvent.MarketEvent>): Effect.Effect<void> {
    const { now, record } = this.shared
    const repaired = events.filter(({ via }) => via === "rest").length
    if (repaired > 0) record({ _tag: "Repaired", at: now(), stream: this.stream.name, events: repaired })
    return Effect.asVoid(this.broadcast.offerAll(events))
  }

  /** Records how far a repair is. */
  progress(progress: Progress): void {
    const { now, record } = this.shared
    record({ _tag: "Repairing", at: now(), stream: this.stream.name, ...progress })
  }

  emitMissing({ cause, from, to }: MissingRange): Effect.Effect<void> {
    const gap = this.gap(cause, from, to)
    return Effect.zipRight(Effect.logWarning(new MarketEvent.MarketGap({ gap }).message), this.emit([gap]))
  }
}
