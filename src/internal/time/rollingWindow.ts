// A strict rolling window: never more than `limit` in any `window` of time. A token bucket would let up to twice as much
// through in one window, and venues ban clients for that.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { monotonic } from "./monotonic.ts"

export interface RollingWindow {
  /** Waits until the cost fits. Callers pass in order. A cost above the limit waits for an empty window. */
  readonly take: (cost: number) => Effect.Effect<void>
  /** Counts a cost at `now` (monotonic time) without waiting, for example after the request was made. */
  readonly unsafeTake: (cost: number, now: number) => void
  /** The sum of the costs in the `window` before `now`. */
  readonly used: (now: number) => number
}

interface Taken {
  readonly at: number
  readonly cost: number
}

/** A window without a limit. */
export const unlimited: RollingWindow = { take: () => Effect.void, unsafeTake: () => undefined, used: () => 0 }

export const make = (limit: number, window: Duration.DurationInput): RollingWindow => {
  const millis = Duration.toMillis(window)
  const queue = Effect.unsafeMakeSemaphore(1)
  let taken: Array<Taken> = []
  let sum = 0

  const forget = (now: number) => {
    let old = 0
    for (const { at, cost } of taken) {
      // A cost from exactly one window ago still counts: the peer's clock may differ from ours.
      if (now - at <= millis) break
      sum -= cost
      old++
    }
    if (old > 0) taken = taken.slice(old)
  }

  const put = (cost: number, at: number) => {
    taken.push({ at, cost })
    sum += cost
  }

  // The time in milliseconds until the cost fits, if nothing more is taken.
  const wait = (cost: number, now: number): number => {
    forget(now)
    let excess = sum + Math.min(cost, limit) - limit
    if (excess <= 0) return 0
    for (const item of taken) {
      excess -= item.cost
      if (excess <= 0) return item.at + millis + 1 - now
    }
    return millis + 1
  }

  const admit = (cost: number): Effect.Effect<void> =>
    Effect.flatMap(monotonic, (now) => {
      const delay = wait(cost, now)
      if (delay > 0) return Effect.zipRight(Effect.sleep(delay), admit(cost))
      put(cost, now)
      return Effect.void
    })

  return {
    take: (cost) => queue.withPermits(1)(admit(cost)),
    unsafeTake: (cost, now) => {
      forget(now)
      put(cost, now)
    },
    used: (now) => {
      forget(now)
      return sum
    }
  }
}
