// Follows candles: each closes exactly once, in order. Fetches the candles that closed during an outage and emits them first.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Candles, Target } from "../../market/Continuity.ts"
import type { MarketEvent } from "../../market/MarketEvent.ts"
import { GapTooLarge, HistoryPruned, NotServedYet, RepairTooLong } from "../../market/MarketEvent.ts"
import type { SlidingQueue } from "../stream/slidingQueue.ts"
import { monotonic } from "../time/monotonic.ts"
import * as Lag from "./lag.ts"
import type { Limits, Progress } from "./repair.ts"
import { affordable, inOrder, Repair } from "./repair.ts"
import type { MissingRange } from "./missingRange.ts"

export interface Options<A extends MarketEvent> {
  readonly candles: Candles<A>
  /** The stream to fetch candles of. */
  readonly target: Target
  readonly queue: SlidingQueue<A>
  /** The last moment of the last candle that the reader already has. Default: the stream begins with the first that arrives. */
  readonly after: number | undefined
  /** The limits of fetching one gap. */
  readonly limits: Limits
  /** Whether periods without trades, of which the venue has no candle, are filled with flat candles. */
  readonly fills: boolean
  /** The wall clock, in milliseconds. */
  readonly now: () => number
  readonly emit: (events: ReadonlyArray<A>) => Effect.Effect<void>
  /** Emits a gap, from the first moment of the first missing candle to the last moment of the last one. */
  readonly emitMissing: (missing: MissingRange) => Effect.Effect<void>
  /** Records how far a repair is. */
  readonly progress: (progress: Progress) => void
}

// The most candles of one request, for the limit by weight (as of most venues).
const pageSize = 1_000

// Times from here on are in microseconds: in milliseconds, this is the year 5138.
const micros = 1e14

export const follow = <A extends MarketEvent>(
  { after, candles, emit, emitMissing, fills, limits, now, progress, queue, target }: Options<A>
): Effect.Effect<never> => {
  // The last closed candle that was emitted or fetched: what fills a period begins at its close.
  let previous: A | undefined

  const lengthOf = (event: A) => candles.closesAt(event) + 1 - candles.opensAt(event)

  // The flat candles of the periods from `from` on that end before `end`.
  const flats = (from: number, end: number): Array<A> => {
    const made: Array<A> = []
    if (!fills || candles.flat === undefined || previous === undefined) return made
    const length = lengthOf(previous)
    const most = affordable(limits, { size: pageSize, weight: 0 })
    for (let opens = from; opens + length <= end && made.length < most; opens += length) {
      made.push(candles.flat(previous, opens))
    }
    return made
  }

  // Emits the closed candles of a page that open at `from` or later, and before `end`. Returns the first moment of the next missing
  // candle. A candle is closed if another follows it, so the last one of a page never counts as closed. Candles that the venue
  // skips never were: it had no trades then, such as during maintenance. Only before the first of a page they may have been
  // pruned, unless the page begins with a candle that the reader has.
  const passClosed = Effect.fnUntraced(function*(page: ReadonlyArray<A>, from: number, end: number) {
    let next = from
    const closed: Array<A> = []
    let count = 0
    for (const [i, event] of page.entries()) {
      const opens = candles.opensAt(event)
      const isLast = i === page.length - 1
      if (opens < from) {
        if (!isLast) previous = event
        continue
      }
      if (opens > next) {
        if (i === 0) yield* emitMissing({ from: next, to: Math.min(opens, end) - 1, cause: new HistoryPruned() })
        else closed.push(...flats(next, Math.min(opens, end)))
        next = Math.min(opens, end)
      }
      if (opens >= end || isLast) break
      closed.push(event)
      previous = event
      next = candles.closesAt(event) + 1
      count++
    }
    if (closed.length > 0) yield* emit(closed)
    return { next, count }
  })

  // Fetches the candles that open at `from` or later, and before `end`. The request includes the candle that opens at `end`, since
  // it shows that the one before it is closed, and the one before `from`, since it shows that none was pruned. Of a range that is
  // too large, it fetches the newest part, as for a sequence. Without an `end`, it fetches what there is. Returns the first moment
  // that it has not reached.
  const repair = Effect.fnUntraced(function*(from: number, end: number | undefined, length: number | undefined) {
    const repairing = new Repair(limits, candles.weight ?? 0, yield* monotonic)
    const most = affordable(limits, { size: pageSize, weight: candles.weight ?? 0 })
    const upTo = end ?? now() * (from < micros ? 1 : 1_000)
    let next = from
    let useless = 0
    const skipTo = function*(opens: number, cause: GapTooLarge | RepairTooLong) {
      yield* emitMissing({ from: next, to: opens - 1, cause })
      next = opens
    }
    const left = () => length === undefined ? 0 : Math.ceil((upTo - next) / length)
    if (length !== undefined && left() > most) yield* skipTo(upTo - most * length, new GapTooLarge({ limit: most }))
    while (next < upTo) {
      const known = previous !== undefined && candles.closesAt(previous) + 1 === next ? candles.opensAt(previous) : next - (length ?? 0)
      const fetched = yield* Effect.either(candles.fetch(target, known, upTo))
      if (Either.isLeft(fetched)) {
        if (end !== undefined) yield* emitMissing({ from: next, to: end - 1, cause: fetched.left })
        return end ?? next
      }
      const page = inOrder(fetched.right, (event) => candles.opensAt(event))
      length ??= page[0] === undefined ? undefined : lengthOf(page[0])
      const before = next
      const passed = yield* passClosed(page, before, end ?? Number.POSITIVE_INFINITY)
      next = passed.next
      repairing.count(passed.count)
      if (next >= upTo) break
      if (next > before) {
        useless = 0
        const moment = yield* monotonic
        progress(repairing.progress(left(), moment))
        if (length !== undefined && repairing.isTimeOver(moment) && left() > pageSize) {
          yield* skipTo(upTo - pageSize * length, new RepairTooLong({ limit: limits.time }))
        }
      } else if (end === undefined) return next
      else if (!(yield* Lag.askAgain(useless++))) {
        yield* emitMissing({ from: next, to: end - 1, cause: new NotServedYet() })
        return end
      }
    }
    return end ?? next
  })

  return Effect.gen(function*() {
    // The first moment of the candle that closes next.
    let next = after === undefined ? undefined : yield* repair(after + 1, undefined, undefined)
    let latest = Number.NEGATIVE_INFINITY
    for (;;) {
      yield* queue.ready
      let events: Array<A> = []
      for (const event of queue.drain().items) {
        const opens = candles.opensAt(event)
        const isClosed = candles.isClosed(event)
        next ??= opens
        if (opens < next) continue
        if (opens > next) {
          yield* emit(events)
          events = []
          next = yield* repair(next, opens, lengthOf(event))
        } else if (!isClosed && event.timestamp <= latest) {
          // An older or equal state of the candle, from another connection.
          continue
        }
        latest = event.timestamp
        events.push(event)
        if (isClosed) {
          next = candles.closesAt(event) + 1
          previous = event
        }
      }
      if (events.length > 0) yield* emit(events)
    }
  })
}
