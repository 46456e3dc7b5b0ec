// A stream on its way from the sockets to its readers: what is the same whatever its continuity is.
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Decoder, InvalidMessage } from "../../market/Decoder.ts"
import * as MarketEvent from "../../market/MarketEvent.ts"
import type { FeedEvent } from "../../market/MarketFeed.ts"
import type { Stream } from "../../market/Venue.ts"
import type { SessionError } from "../../SessionError.ts"
import type { Message } from "../../Transport.ts"
import type { Pool } from "../pool/pool.ts"
import type { Listener } from "../pool/coverage.ts"
import type * as Broadcast from "../stream/broadcast.ts"
import type { MissingRange } from "./resequencer.ts"

/** Where the readers of a stream read. */
export type EventBroadcast = Broadcast.Broadcast<MarketEvent.MarketEvent, SessionError>

/** What all pipelines of a feed share. */
export interface Shared {
  /** The venue's name. */
  readonly source: string
  readonly pool: Pool<Message>
  readonly now: () => number
  readonly record: (event: FeedEvent) => void
  /** Reports a frame that is left out. */
  readonly skip: (stream: string) => (error: InvalidMessage) => void
  /** Events held for one stream while it repairs, or while its reader is slow. */
  readonly capacity: number
  /** Events fetched for one gap, at most. */
  readonly limit: number
  /** How long another line may take to bring what one has missed, before it is fetched. */
  readonly grace: Duration.Duration
}

/** A gap in a stream. */
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
  /** The id, or the last moment, of the last event that is known from before. */
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

  /** Whether the stream may be coming over more than one connection now. */
  isRedundant(): boolean {
    return this.shared.pool.isRedundant(this.stream.name)
  }

  /** A gap that the feed's events tell of, to be emitted in its place. */
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

  emitMissing({ cause, from, to }: MissingRange): Effect.Effect<void> {
    const gap = this.gap(cause, from, to)
    return Effect.zipRight(Effect.logWarning(new MarketEvent.MarketGap({ gap }).message), this.emit([gap]))
  }
}
