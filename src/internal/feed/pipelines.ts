// How each kind of stream is followed, from the sockets to its readers: decoded, put in order, and made whole as far as
// its kind allows.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { FeedEvent } from "../../binance/BinanceFeed.ts"
import * as MarketEvent from "../../binance/MarketEvent.ts"
import * as Rest from "../../binance/Rest.ts"
import * as StreamKind from "../../binance/StreamKind.ts"
import type { Venue } from "../../binance/Venue.ts"
import type { SessionError } from "../../SessionError.ts"
import type { Message } from "../../Transport.ts"
import type * as Broadcast from "../stream/broadcast.ts"
import * as Candles from "./candles.ts"
import * as Intake from "../stream/slidingQueue.ts"
import type { Listener } from "../pool/coverage.ts"
import type { Pool } from "../pool/pool.ts"
import * as Renumbering from "./idReset.ts"
import * as Sequence from "./resequencer.ts"

export type Hub<A> = Broadcast.Broadcast<A | MarketEvent.Gap, SessionError>

/** A stream on its way to its readers. */
export interface Pipeline<A extends MarketEvent.MarketEvent> {
  readonly stream: string
  readonly symbol: string
  /** The id, or the last moment, of the last event that is known from before. */
  readonly after: number | undefined
  readonly decoder: MarketEvent.Decoder<A>
  /** A message that is not what its stream promises is left out. */
  readonly onInvalid: (error: MarketEvent.InvalidFrame) => void
  readonly hub: Hub<A>
}

export type Follow<A extends MarketEvent.MarketEvent> = (pipeline: Pipeline<A>) => Effect.Effect<never, never, Scope.Scope>

/** What an event covers of something that only grows, such as update ids or time. */
export interface Position {
  readonly from: number
  readonly to: number
}

export interface Options {
  readonly venue: Venue
  readonly pool: Pool<Message>
  readonly rest: Rest.Rest
  readonly now: () => number
  readonly record: (event: FeedEvent) => void
  /** Events held for one stream while it repairs, or while its reader is slow. */
  readonly capacity: number
  /** Events fetched for one gap, at most. */
  readonly limit: number
  /** How long another line may take to bring what one has missed, before it is fetched. */
  readonly grace: Duration.Duration
}

const timeOf = ({ timestamp }: MarketEvent.MarketEvent) => timestamp

type Passing<A> = ReadonlyArray<A | MarketEvent.Gap>

/** Events that were fetched and not heard. */
export const fetched = <const Type extends string>(symbol: string, type: Type) => <A extends { readonly E: number }>(all: ReadonlyArray<A>) =>
  all.map((data): MarketEvent.MarketEvent<A, Type> => ({
    source: "binance",
    symbol,
    type,
    data,
    timestamp: data.E,
    via: "rest"
  }))

export const gapOf = (
  { now, stream, symbol }: Pick<Pipeline<never>, "stream" | "symbol"> & Pick<Options, "now">,
  cause: MarketEvent.HoleCause,
  from?: number,
  to?: number
): MarketEvent.Gap => ({
  source: "binance",
  symbol,
  type: "gap",
  data: { stream, from, to, cause },
  timestamp: now(),
  via: "ws"
})

// What is heard of a stream whose ids follow each other, and where it goes. A class, since there may be thousands, and each
// is passed for every message.
class Sequenced<A extends MarketEvent.MarketEvent> implements Listener<Message>, Sequence.Outlet<A> {
  readonly #decoder: MarketEvent.Decoder<A>
  readonly #follower: Sequence.Follower<A>
  readonly #hub: Hub<A>
  readonly #now: () => number
  readonly #isReal: (event: A) => boolean
  readonly #onInvalid: (error: MarketEvent.InvalidFrame) => void
  readonly #emit: (events: ReadonlyArray<A>) => Effect.Effect<void>
  readonly onHole: (hole: Sequence.Hole) => Effect.Effect<void>

  constructor(
    options: Omit<Sequence.Options<A>, "outlet">,
    { decoder, emit, hub, isReal, now, onHole, onInvalid }:
      & Pick<Pipeline<A>, "decoder" | "hub" | "onInvalid">
      & Pick<Sequence.Outlet<A>, "onHole">
      & Pick<Options, "now">
      & {
        readonly isReal: (event: A) => boolean
        readonly emit: (events: ReadonlyArray<A>) => Effect.Effect<void>
      }
  ) {
    this.#decoder = decoder
    this.#follower = Sequence.make({ ...options, outlet: this })
    this.#hub = hub
    this.#now = now
    this.#isReal = isReal
    this.#onInvalid = onInvalid
    this.#emit = emit
    this.onHole = onHole
  }

  run(): Effect.Effect<never> {
    return this.#follower.run()
  }

  data(frames: ReadonlyArray<Message>): void {
    this.#follower.offer(this.#decoder.all(frames, this.#now(), this.#onInvalid))
  }

  // What is missing shows by the ids.
  gap(): void {}

  lost(): void {}

  end(exit: Exit.Exit<void, SessionError>): void {
    this.#hub.end(exit)
  }

  passOn(events: ReadonlyArray<A>): boolean {
    if (!this.#hub.fits(events.length)) return false
    this.#hub.unsafeOfferAll(this.#real(events))
    return true
  }

  onEvents(events: ReadonlyArray<A>): Effect.Effect<void> {
    return this.#emit(this.#real(events))
  }

  #real(events: ReadonlyArray<A>): ReadonlyArray<A> {
    return events.every(this.#isReal) ? events : events.filter(this.#isReal)
  }
}

export const make = ({ capacity, grace, limit, now, pool, record, rest, venue }: Options) => {
  const decodeAll = <A extends MarketEvent.MarketEvent>(
    { decoder, onInvalid }: Pick<Pipeline<A>, "decoder" | "onInvalid">,
    frames: ReadonlyArray<Message>
  ) => decoder.all(frames, now(), onInvalid)

  const listen = ({ stream }: Pick<Pipeline<never>, "stream">, listener: Listener<Message>) =>
    pool.listen(venue.path(StreamKind.parse(stream).kind), stream, listener)

  const hearing = <A extends MarketEvent.MarketEvent>(
    { hub }: Pipeline<A>,
    data: (frames: ReadonlyArray<Message>) => void,
    onGap: (reason: string) => void = () => undefined
  ): Listener<Message> => ({
    data,
    gap: onGap,
    lost: () => undefined,
    end: (exit) => {
      hub.end(exit)
    }
  })

  const gapIn = <A extends MarketEvent.MarketEvent>(
    { stream, symbol }: Pipeline<A>,
    cause: MarketEvent.HoleCause,
    from?: number,
    to?: number
  ) => {
    const gap = gapOf({ stream, symbol, now }, cause, from, to)
    record({ _tag: "Gap", at: now(), gap })
    return gap
  }

  const emit = <A extends MarketEvent.MarketEvent>({ hub, stream }: Pipeline<A>, events: Passing<A>) => {
    const repaired = events.filter(({ via }) => via === "rest").length
    if (repaired > 0) record({ _tag: "Repaired", at: now(), stream, events: repaired })
    return Effect.asVoid(hub.offerAll(events))
  }

  const emitHole = <A extends MarketEvent.MarketEvent>(pipeline: Pipeline<A>) => ({ cause, from, to }: Sequence.Hole) => {
    const gap = gapIn(pipeline, cause, from, to)
    return Effect.zipRight(
      Effect.logWarning(new MarketEvent.MarketGap({ gap }).message),
      emit(pipeline, [gap])
    )
  }

  // Where each message stands for itself: `pass` says what its reader gets of those that came. Nearly always nobody is
  // slow, and nothing has to wait for a fibre.
  const passing = <A extends MarketEvent.MarketEvent>(
    pipeline: Pipeline<A>,
    pass: (arrived: Intake.Batch<ReadonlyArray<A> | MarketEvent.NotRepairable>) => Passing<A>,
    onGap?: (reason: string) => MarketEvent.NotRepairable
  ) =>
    Effect.gen(function*() {
      const { hub } = pipeline
      const intake = Intake.make<ReadonlyArray<A> | MarketEvent.NotRepairable>(capacity)
      const take = (items: ReadonlyArray<ReadonlyArray<A> | MarketEvent.NotRepairable>, most: number) => {
        if (intake.isIdle() && hub.fits(most)) hub.unsafeOfferAll(pass({ dropped: 0, items }))
        else intake.offerAll(items)
      }
      yield* listen(pipeline, hearing(
        pipeline,
        (frames) => {
          const items = frames.map((frame) => decodeAll(pipeline, [frame]))
          // Each with a gap before it, at most.
          take(items, items.reduce((most, events) => most + events.length + 1, 0))
        },
        onGap === undefined ? undefined : (reason) => {
          take([onGap(reason)], 1)
        }
      ))
      for (;;) {
        yield* intake.ready
        yield* emit(pipeline, pass(intake.drain()))
      }
    })

  return {
    decodeAll,

    /** Ids follow each other: what is missing is fetched. */
    sequenced: <A extends MarketEvent.MarketEvent>({ fetch, idOf, isReal }: {
      readonly idOf: (event: A) => number
      readonly fetch: (symbol: string, fromId: number) => Effect.Effect<ReadonlyArray<A>, Rest.RestError>
      /** Whether an event is more than an id that was spent. */
      readonly isReal: (event: A) => boolean
    }): Follow<A> =>
    (pipeline) =>
      Effect.suspend(() => {
        const sequenced = new Sequenced<A>({
          after: pipeline.after,
          idOf,
          timeOf,
          fetch: (fromId) => fetch(pipeline.symbol, fromId),
          pageSize: Rest.pageSize,
          limit,
          grace: () => pool.isRedundant(pipeline.stream) ? grace : Duration.zero,
          capacity
        }, { ...pipeline, isReal, now, emit: (events) => emit(pipeline, events), onHole: emitHole(pipeline) })
        return Effect.zipRight(listen(pipeline, sequenced), sequenced.run())
      }),

    /** Each closes exactly once: what closed unseen is fetched. */
    candles: ((pipeline) =>
      Effect.gen(function*() {
        const [, interval = "", timeZone] = /@kline_([^@]+)(?:@\+?(.+))?/.exec(pipeline.stream) ?? []
        const intake = Intake.make<MarketEvent.Kline>(capacity)
        yield* listen(pipeline, hearing(pipeline, (frames) => {
          intake.offerAll(decodeAll(pipeline, frames))
        }))
        return yield* Candles.follow({
          intake,
          after: pipeline.after,
          limit,
          fetch: (from, to) =>
            Effect.map(rest.klines(pipeline.symbol, interval, from, to, timeZone), fetched(pipeline.symbol, "kline")),
          onEvents: (events) => emit(pipeline, events),
          onHole: emitHole(pipeline)
        })
      })) satisfies Follow<MarketEvent.Kline>,

    /** Only what is newer than what came before passes. Where positions are contiguous, what is missing is a gap. */
    ordered: <A extends MarketEvent.MarketEvent>(
      positionOf: (event: A) => Position,
      contiguous: boolean
    ): Follow<A> =>
    (pipeline) =>
      Effect.suspend(() => {
        // Changed in its place: an object for each event would be one that the collector has to move, as in `Sequence`.
        const last = { at: Number.NEGATIVE_INFINITY, to: Number.NEGATIVE_INFINITY }
        return passing(pipeline, ({ items }) => {
          const passed: Array<A | MarketEvent.Gap> = []
          for (const events of items) {
            if (events instanceof MarketEvent.NotRepairable) continue
            const [event] = events
            if (event === undefined) continue
            const { from, to } = positionOf(event)
            if (to <= last.to) {
              // Without a time of its own, what comes late over another connection would look new.
              const isTimed = "E" in event.data || !pool.isRedundant(pipeline.stream)
              if (to === last.to || !isTimed || !Renumbering.isAnew(event.timestamp, last.at)) continue
              if (contiguous) passed.push(gapIn(pipeline, Renumbering.cause(), last.to + 1))
            } else if (contiguous && last.to >= 0 && from > last.to + 1) {
              const cause = new MarketEvent.NotRepairable({ reason: "The venue does not keep the updates of a book." })
              passed.push(gapIn(pipeline, cause, last.to + 1, from - 1))
            }
            last.at = event.timestamp
            last.to = to
            passed.push(...events)
          }
          return passed
        })
      }),

    /** Nothing is known about their order: whatever may be missing is a gap. */
    unordered: <A extends MarketEvent.MarketEvent>(pipeline: Pipeline<A>) =>
      passing(
        pipeline,
        ({ dropped, items }) => {
          const passed: Array<A | MarketEvent.Gap> = []
          if (dropped > 0) {
            const reason = `The consumer fell behind by ${dropped} events.`
            passed.push(gapIn(pipeline, new MarketEvent.NotRepairable({ reason })))
          }
          for (const item of items) {
            if (item instanceof MarketEvent.NotRepairable) passed.push(gapIn(pipeline, item))
            else passed.push(...item)
          }
          return passed
        },
        (reason) => new MarketEvent.NotRepairable({ reason })
      )
  }
}
