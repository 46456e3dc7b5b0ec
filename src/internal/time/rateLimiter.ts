// A rolling window that can also be held: then nothing passes before a given moment. The moment may move later while
// callers wait.
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { RollingWindow } from "./rollingWindow.ts"
import { sleep } from "./sleep.ts"
import { isDue, monotonic } from "./monotonic.ts"

export interface RateLimiter<Reason> {
  /** Holds everything until this moment in monotonic time, or until a later one that is already set. */
  readonly holdUntil: (moment: number, reason: Reason) => void
  /** The time until the hold is over, in milliseconds, at this moment in monotonic time. 0 without a hold. */
  readonly heldFor: (now: number) => number
  /** Waits until the hold is over. `onHold` may fail instead. */
  readonly awaitHold: <E = never>(onHold?: OnHold<Reason, E>) => Effect.Effect<void, E>
  /** Waits until the hold is over and the cost fits into the window. `onHold` may fail instead. */
  readonly acquire: <E = never>(cost: number, onHold?: OnHold<Reason, E>) => Effect.Effect<void, E>
}

/** Runs before each wait for the hold, with the time left and the reason of the hold. */
export type OnHold<Reason, E> = (left: Duration.Duration, reason: Reason) => Effect.Effect<void, E>

interface Hold<Reason> {
  readonly until: number
  readonly reason: Reason
}

export const make = <Reason = void>(window: RollingWindow): RateLimiter<Reason> => {
  let hold: Hold<Reason> | undefined
  const heldAt = (now: number) => hold === undefined || isDue(hold.until, now) ? undefined : hold

  const awaitHold: RateLimiter<Reason>["awaitHold"] = (onHold = () => Effect.void) =>
    Effect.flatMap(monotonic, (now) => {
      const held = heldAt(now)
      if (held === undefined) return Effect.void
      const left = Duration.millis(held.until - now)
      return onHold(left, held.reason).pipe(Effect.zipRight(sleep(left)), Effect.zipRight(awaitHold(onHold)))
    })

  // If a hold was set while this caller waited for the window, the caller starts again.
  const acquire: RateLimiter<Reason>["acquire"] = (cost, onHold) =>
    awaitHold(onHold).pipe(
      Effect.zipRight(window.take(cost)),
      Effect.zipRight(monotonic),
      Effect.flatMap((now) => heldAt(now) === undefined ? Effect.void : acquire(cost, onHold))
    )

  return {
    holdUntil: (until, reason) => {
      if (hold === undefined || hold.until < until) hold = { until, reason }
    },
    heldFor: (now) => {
      const held = heldAt(now)
      return held === undefined ? 0 : held.until - now
    },
    awaitHold,
    acquire
  }
}
