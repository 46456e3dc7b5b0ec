// Follows candles: each closes exactly once, in order, and what closed unseen is fetched and comes first.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { Kline } from "../../binance/MarketEvent.ts"
import { HistoryPruned, HoleTooLarge, NotServedYet } from "../../binance/MarketEvent.ts"
import type { RestError } from "../../binance/Rest.ts"
import type { Intake } from "../stream/slidingQueue.ts"
import type { Hole } from "./resequencer.ts"

export interface Options {
  readonly intake: Intake<Kline>
  /** The last moment of the last candle that is known from before. Without it, the first that comes begins. */
  readonly after: number | undefined
  /** Holes of more candles than so many are not fetched. */
  readonly limit: number
  /** Candles that began in a span of time, its end included. The last of them may not be closed yet. */
  readonly fetch: (from: number, to: number) => Effect.Effect<ReadonlyArray<Kline>, RestError>
  readonly onEvents: (events: ReadonlyArray<Kline>) => Effect.Effect<void>
  /** A span of time, by the first moments of candles. */
  readonly onHole: (hole: Hole) => Effect.Effect<void>
}

const patience = 6
const firstWait = Duration.millis(250)

export const follow = ({ after, fetch, intake, limit, onEvents, onHole }: Options): Effect.Effect<never> => {
  // What began from one moment on, and before another. The venue says which candles are closed only by those that
  // follow them, so the one that begins at the end is asked for too.
  const repair = Effect.fnUntraced(function*(from: number, end: number, length: number) {
    if (end - from > limit * length) return yield* onHole({ from, to: end - 1, cause: new HoleTooLarge({ limit }) })
    let next = from
    for (let asked = 0; next < end; asked++) {
      const fetched = yield* Effect.either(fetch(next, end))
      if (Either.isLeft(fetched)) return yield* onHole({ from: next, to: end - 1, cause: fetched.left })
      const page = fetched.right.filter(({ data: { k } }) => k.t >= next)
      const before = next
      let closed: Array<Kline> = []
      for (const [i, event] of page.entries()) {
        const { t } = event.data.k
        if (t > next) {
          yield* onEvents(closed)
          closed = []
          yield* onHole({ from: next, to: Math.min(t, end) - 1, cause: new HistoryPruned() })
          next = t
        }
        if (t >= end || i === page.length - 1) break
        closed.push(event)
        next = event.data.k.T + 1
      }
      yield* onEvents(closed)
      if (next > before) {
        asked = 0
      } else if (asked === patience) {
        return yield* onHole({ from: next, to: end - 1, cause: new NotServedYet() })
      } else {
        yield* Effect.sleep(Duration.times(firstWait, 2 ** asked))
      }
    }
  })

  return Effect.gen(function*() {
    // When the candle begins that is to close next.
    let next = after === undefined ? undefined : after + 1
    let latest = Number.NEGATIVE_INFINITY
    for (;;) {
      yield* intake.ready
      let events: Array<Kline> = []
      for (const event of intake.drain().items) {
        const { T, t, x } = event.data.k
        next ??= t
        if (t < next) continue
        if (t > next) {
          yield* onEvents(events)
          events = []
          yield* repair(next, t, T + 1 - t)
          next = t
        } else if (!x && event.timestamp <= latest) {
          // The same, or older, from another connection.
          continue
        }
        latest = event.timestamp
        events.push(event)
        if (x) next = T + 1
      }
      if (events.length > 0) yield* onEvents(events)
    }
  })
}
