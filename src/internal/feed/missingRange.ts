// Fetches a missing range of a sequence and emits its events. What cannot be fetched is a gap with exact bounds.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { GapCause, MarketEvent } from "../../market/MarketEvent.ts"
import { GapTooLarge, HistoryPruned, NotServedYet, RepairTooLong } from "../../market/MarketEvent.ts"
import { monotonic } from "../time/monotonic.ts"
import type { Archive } from "./archive.ts"
import * as Lag from "./lag.ts"
import type { Limits, Progress } from "./repair.ts"
import { affordable, inOrder, Repair } from "./repair.ts"

export interface MissingRange {
  /** The first id that is missing; undefined if it is unknown. */
  readonly from: number | undefined
  /** The last id that is missing; undefined if it is unknown. */
  readonly to: number | undefined
  readonly cause: GapCause
}

/** The part of a missing range that was not fetched. */
export interface Unfilled extends MissingRange {
  readonly from: number
}

/** Receives the events of the range, in order. */
export interface Output<A> {
  emit(events: ReadonlyArray<A>): Effect.Effect<void>
  emitMissing(missing: MissingRange): Effect.Effect<void>
  /** Records how far a repair is. */
  progress(progress: Progress): void
}

/** The signs that the stream gives while the range is fetched. */
export interface Watch<A> {
  /** The cause of the gap, if a page shows that the venue has reset its ids. */
  resetCause(page: ReadonlyArray<A>): Effect.Effect<GapCause | undefined>
  /**
   * Whether events that came meanwhile show that the id after the range is none of the stream. Where the venue has no more, fewer
   * events are enough.
   */
  isRefuted(hasNoMore: boolean): boolean
  /** Takes the last event that was emitted. */
  remember(event: A): void
}

export type Outcome =
  | { readonly _tag: "Whole" }
  /** The last part of the range cannot be fetched. */
  | { readonly _tag: "Partial"; readonly missing: Unfilled }
  /** The range ends before an id that is none of the stream. All events up to `last` were emitted. */
  | { readonly _tag: "Refuted"; readonly last: number }

const whole: Outcome = { _tag: "Whole" }

const partial = (from: number, to: number | undefined, cause: GapCause): Outcome => ({ _tag: "Partial", missing: { from, to, cause } })

export interface Fill<A extends MarketEvent> {
  readonly archive: Archive<A>
  readonly limits: Limits
  readonly output: Output<A>
  readonly watch: Watch<A>
  readonly from: number
  readonly to: number
  /** Receives the fetched events that lie beyond the range. */
  readonly beyond: Map<number, A>
  /** The first page, if it is fetched already. */
  readonly page?: ReadonlyArray<A>
}

/**
 * Fetches a missing range. Fetching begins with the last known event: if the venue still has that one, an id that is missing after
 * it never was an event. Of a range that is too large, it fetches the newest part: then nothing is missing between that and what
 * follows, and a reader that needs the recent past has it whole.
 */
export const fill = Effect.fnUntraced(function*<A extends MarketEvent>(options: Fill<A>) {
  const { archive, beyond, from, limits, output, to, watch } = options
  const { sequence } = archive
  const idOf = (event: A) => sequence.idOf(event)
  const most = affordable(limits, { size: sequence.pageSize, weight: sequence.weight ?? 0 })
  const repair = new Repair(limits, sequence.weight ?? 0, yield* monotonic)
  let last = from - 1
  let useless = 0
  let isConfirmed = false
  let page = options.page
  const skipTo = function*(next: number, cause: GapCause) {
    yield* output.emitMissing({ from: last + 1, to: next, cause })
    last = next
    page = undefined
  }
  if (to - last > most) yield* skipTo(to - most, new GapTooLarge({ limit: most }))
  while (last < to) {
    if (page === undefined) {
      const fetched = yield* archive.from(last)
      if (Either.isLeft(fetched)) return partial(last + 1, to, fetched.left)
      page = inOrder(fetched.right, idOf)
    }
    const reset = yield* watch.resetCause(page)
    if (reset !== undefined) return partial(from, reset._tag === "NotRepairable" ? undefined : to, reset)
    for (const event of page) {
      if (idOf(event) > to) beyond.set(idOf(event), event)
    }
    const [first] = page
    if (first !== undefined && idOf(first) > last + 1) {
      // A single answer that ignored the id would look the same.
      if (!isConfirmed) {
        isConfirmed = true
        page = undefined
        continue
      }
      const end = Math.min(idOf(first) - 1, to)
      yield* output.emitMissing({ from: last + 1, to: end, cause: sequence.unreachedCause?.() ?? new HistoryPruned() })
      last = end
    }
    const before = last
    const fresh = page.filter((event) => idOf(event) > before && idOf(event) <= to)
    const newest = page.at(-1)
    // The page reaches beyond the range, so the venue has no more events in the range.
    const isComplete = newest !== undefined && idOf(newest) > to
    yield* emitFetched(options, fresh, last + 1, isComplete ? to : undefined)
    const lastFresh = fresh.at(-1)
    if (lastFresh !== undefined) {
      last = idOf(lastFresh)
      useless = 0
      watch.remember(lastFresh)
    }
    repair.count(fresh.length)
    if (watch.isRefuted(false)) return { _tag: "Refuted", last: isComplete ? to : last } as const
    if (isComplete) return whole
    const isFull = page.length >= sequence.pageSize
    // Where it lags, it has at least the last known event.
    const unreached = page.length === 0 ? sequence.unreachedCause?.() : undefined
    page = undefined
    if (last >= to) return whole
    const now = yield* monotonic
    if (fresh.length > 0) output.progress(repair.progress(to - last, now))
    if (repair.isTimeOver(now) && to - last > sequence.pageSize) {
      yield* skipTo(to - sequence.pageSize, new RepairTooLong({ limit: limits.time }))
    } else if (!(fresh.length > 0 && isFull) && !(yield* Lag.askAgain(useless++))) {
      return watch.isRefuted(true) ? { _tag: "Refuted", last } as const : partial(last + 1, to, unreached ?? new NotServedYet())
    }
  }
  return whole
})

// Emits fetched events, the first of which may have the id `from`. Where the venue leaves out events, an id that is missing
// between them, or before the end of the range, is a gap.
const emitFetched = <A extends MarketEvent>(
  { archive: { sequence }, output }: Fill<A>,
  events: ReadonlyArray<A>,
  from: number,
  to: number | undefined
): Effect.Effect<void> => {
  const { skippedCause: cause } = sequence
  if (cause === undefined) return events.length === 0 ? Effect.void : output.emit(events)
  return Effect.gen(function*() {
    let next = from
    let run: Array<A> = []
    const flush = function*() {
      if (run.length > 0) yield* output.emit(run)
      run = []
    }
    for (const event of events) {
      const id = sequence.idOf(event)
      if (id > next) {
        yield* flush()
        yield* output.emitMissing({ from: next, to: id - 1, cause })
      }
      run.push(event)
      next = id + 1
    }
    yield* flush()
    if (to !== undefined && next <= to) yield* output.emitMissing({ from: next, to, cause })
  })
}
