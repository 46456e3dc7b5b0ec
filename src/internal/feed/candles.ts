// Follows candles: each closes exactly once, in order. Fetches the candles that closed during an outage and emits them first.
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Candles, Target } from "../../market/Continuity.ts"
import type { MarketEvent } from "../../market/MarketEvent.ts"
import { HistoryPruned, GapTooLarge, NotServedYet } from "../../market/MarketEvent.ts"
import type { SlidingQueue } from "../stream/slidingQueue.ts"
import * as Lag from "./lag.ts"
import type { MissingRange } from "./resequencer.ts"

export interface Options<A extends MarketEvent> {
  readonly candles: Candles<A>
  /** The stream to fetch candles of. */
  readonly target: Target
  readonly queue: SlidingQueue<A>
  /** The last moment of the last candle that the reader already has. Default: the stream begins with the first that arrives. */
  readonly after: number | undefined
  /** The most candles that are fetched for one gap. */
  readonly limit: number
  readonly emit: (events: ReadonlyArray<A>) => Effect.Effect<void>
  /** Emits a gap, from the first moment of the first missing candle to the last moment of the last one. */
  readonly emitMissing: (missing: MissingRange) => Effect.Effect<void>
}

export const follow = <A extends MarketEvent>(
  { after, candles, queue, limit, emit, emitMissing, target }: Options<A>
): Effect.Effect<never> => {
  // Emits the closed candles of a page that open at `from` or later, and before `end`. Returns the first moment of the next missing
  // candle. A candle is closed if another follows it, so the last one of a page never counts as closed.
  const passClosed = Effect.fnUntraced(function*(page: ReadonlyArray<A>, from: number, end: number) {
    let next = from
    let closed: Array<A> = []
    for (const [i, event] of page.entries()) {
      const opens = candles.opensAt(event)
      if (opens > next) {
        yield* emit(closed)
        closed = []
        yield* emitMissing({ from: next, to: Math.min(opens, end) - 1, cause: new HistoryPruned() })
        next = opens
      }
      if (opens >= end || i === page.length - 1) break
      closed.push(event)
      next = candles.closesAt(event) + 1
    }
    yield* emit(closed)
    return next
  })

  // Fetches the candles that open at `from` or later, and before `end`. The request includes the candle that opens at `end`, since
  // it shows that the one before it is closed.
  const repair = Effect.fnUntraced(function*(from: number, end: number, length: number) {
    if (end - from > limit * length) return yield* emitMissing({ from, to: end - 1, cause: new GapTooLarge({ limit }) })
    let next = from
    let useless = 0
    while (next < end) {
      const fetched = yield* Effect.either(candles.fetch(target, next, end))
      if (Either.isLeft(fetched)) return yield* emitMissing({ from: next, to: end - 1, cause: fetched.left })
      const before = next
      next = yield* passClosed(fetched.right.filter((event) => candles.opensAt(event) >= before), before, end)
      if (next > before) useless = 0
      else if (!(yield* Lag.askAgain(useless++))) return yield* emitMissing({ from: next, to: end - 1, cause: new NotServedYet() })
    }
  })

  return Effect.gen(function*() {
    // The first moment of the candle that closes next.
    let next = after === undefined ? undefined : after + 1
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
          yield* repair(next, opens, candles.closesAt(event) + 1 - opens)
          next = opens
        } else if (!isClosed && event.timestamp <= latest) {
          // An older or equal state of the candle, from another connection.
          continue
        }
        latest = event.timestamp
        events.push(event)
        if (isClosed) next = candles.closesAt(event) + 1
      }
      if (events.length > 0) yield* emit(events)
    }
  })
}
