// A strict rolling window: never more than `limit` in any stretch of `window`, wherever it begins. A token bucket lets
// twice its burst through in one window, which venues punish.
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface RollingWindow {
  /** Waits until the cost fits, in the order of asking. A cost above the limit is let through alone. */
  readonly take: (cost: number) => Effect.Effect<void>
  /** Takes without waiting: for what happens anyway. */
  readonly unsafeTake: (cost: number, now: number) => void
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
      // What was taken exactly one window ago still counts: the other side's clock is not ours.
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

  // How long until the cost fits, when nothing more is taken meanwhile.
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
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
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
